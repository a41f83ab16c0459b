"""The page holds everything within itself, and every number is the report's."""

import json
import re
from html.parser import HTMLParser

import equinox as eqx
import numpy as np
import pytest

from jfacemap.page import render as rendering
from jfacemap.page.count import images, listed, people
from jfacemap.page.figures import draw_all, draw_ladder, draw_likeness, draw_maps
from jfacemap.page.latex import escape, write_maps, write_summary
from jfacemap.page.map_tables import list_choices, list_ladder, list_native, list_summary
from jfacemap.page.render import exact, render, show
from jfacemap.page.tables import list_agreement, list_all, list_attack, list_likeness
from jfacemap.page.words import in_brief, on_leakage, split_calls, write_methods
from jfacemap.study.report.map_tables import beats_both
from jfacemap.study.report.settings import centrings, kinds

from . import browser
from .made_up import make_report, names


pytest.importorskip("jinja2", reason="pip install 'jfacemap[report]'")
pytest.importorskip("plotly", reason="pip install 'jfacemap[report]'")
hostile = "</script><script>alert(1)</script>"


class Reader(HTMLParser):
    """Attributes of all elements, texts of scripts and styles, tables by id."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self.tables, self.open = [], {}, {}, None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        self.open = tag, len(self.elements) - 1
        if tag == "table":
            self.rows = self.tables.setdefault(attrs["id"], [])
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append(attrs["data-value"])

    def handle_data(self, data):
        if self.open:
            self.texts[self.open] = self.texts.get(self.open, "") + data

    def of(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    def text(self, tag):
        return [text for (name, _), text in self.texts.items() if name == tag]


@pytest.fixture(scope="module")
def report():
    return make_report()


@pytest.fixture(scope="module")
def page(report):
    return render(
        report,
        title="A <title>",
        card=f"Images of nobody. {hostile}",
        overlap=None,
        run={"command": hostile, "seed": "3"},
    )


@pytest.fixture(scope="module")
def read(page):
    return Reader(page)


def test_nothing_is_asked_of_the_network(page, read):
    for tag, attrs in read.elements:
        for name in (
            "src",
            "srcset",
            "data",
            "action",
            "formaction",
            "poster",
            "background",
        ):
            assert name not in attrs, (tag, attrs)
        if "href" in attrs:
            assert attrs["href"].startswith("#"), (tag, attrs)
        assert "url(" not in (attrs.get("style") or "")
    assert not {"link", "iframe", "object", "embed", "img", "base"} & {
        t for t, _ in read.elements
    }
    for css in read.text("style"):
        assert "url(" not in css and "@import" not in css
    (policy,) = (m["content"] for m in read.of("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'") and "http" not in policy


def test_what_is_given_is_text_and_not_markup(page, read):
    assert hostile not in page
    assert "<i>d</i>" not in page
    scripts = [s for s in read.text("script") if "alert(1)" in s]
    assert not scripts
    assert any(hostile in text for text in read.text("pre"))


def test_plotly_is_there_once(read):
    large = [text for text in read.text("script") if len(text) > 1e6]
    assert len(large) == 1


def test_every_figure_has_a_place_and_its_data(read, report):
    places = {a["id"] for a in read.of("div") if a.get("class") == "plot"}
    drawings = [a["data-for"] for a in read.of("script") if a.get("class") == "drawing"]
    figures = {f"figure-{f.name}": f for f in draw_all(report)}
    assert places == set(drawings) == set(figures) and len(drawings) == len(places)
    is_drawing = lambda k: read.elements[k][1].get("class") == "drawing"
    texts = [t for (tag, k), t in read.texts.items() if tag == "script" and is_drawing(k)]
    for name, text in zip(drawings, texts, strict=True):
        data, layout = json.loads(text)
        assert data == json.loads(json.dumps(figures[name].data))
        assert all(any(trace.get(k) for k in ("y", "z")) for trace in data)
        assert layout["height"] > 100


def test_series_differ_in_more_than_colour(report):
    for figure in draw_all(report):
        lines = [t for t in figure.data if t["type"] == "scatter" and t.get("name")]
        if figure.name == "likeness":  # one series a panel
            continue
        looks = {(t["marker"]["symbol"], t.get("line", {}).get("dash")) for t in lines}
        assert len(looks) == len(lines), figure.name
    for kind in kinds:
        for cells in draw_maps(report, kind).data:  # numbers are printed on colours
            assert np.shape(cells["text"]) == np.shape(cells["z"]) == (3, 3)


def test_tables_hold_what_was_measured(read, report):
    for table in list_all(report):
        head, *rows = read.tables[f"table-{table.name}"]
        assert head == [] and len(rows) == len(table.rows) > 0
        for row, cells in zip(rows, table.rows, strict=True):
            assert row == [exact(c) for c in cells] and len(row) == len(table.header)
    for kind in kinds:
        rows = read.tables[f"table-cells-{kind.replace(' ', '-')}"][1:]
        at = {(a, b, float(far)): list(map(float, rest)) for a, b, far, *rest in rows}
        assert len(at) == 6 * len(report.settings.fars)  # native is told once, elsewhere
        for i, j in np.argwhere(~np.eye(3, dtype=bool)):
            for k, far in enumerate(report.settings.fars):
                truth = []
                for centring in centrings:
                    t = report.maps[f"{kind}, {centring}"]
                    truth += [
                        t.tar.tar[i, j, k],
                        t.band.lower[i, j, k],
                        t.band.upper[i, j, k],
                    ]
                assert at[names[i], names[j], far] == truth


def test_the_summary_is_the_mean_of_the_tables(read, report):
    rows = read.tables["table-summary"][1:]
    rows = {(row[0].split(" (")[0], row[1]): row for row in rows}
    off = ~np.eye(3, dtype=bool)
    for name, table in report.maps.items():
        kind, centring = name.split(", ")
        row = rows[kind, centring]
        assert float(row[2]) == pytest.approx(table.tar.tar[off][:, 0].mean())
        draws = table.spread.replicates[:, off, 0].mean(axis=1)
        np.testing.assert_allclose(
            list(map(float, row[3:5])), np.quantile(draws, [0.025, 0.975])
        )
        own = np.diagonal(table.spread.replicates, axis1=1, axis2=2)[:, 0].mean(axis=1)
        less = np.quantile(draws - own, [0.025, 0.975])
        np.testing.assert_allclose(list(map(float, row[6:8])), less)
    refits = report.refits["rotation, centred"][:, 0]
    assert float(rows["rotation", "centred"][8]) == pytest.approx(refits.mean())
    assert len(rows) == 2 + len(report.maps) + len(report.controls) + 1


def test_the_native_that_is_taken_away_is_named(report):
    assert list_summary(report).header[5] == "less native, same spaces"
    assert "of the same spaces" in write_summary(report)
    native = report.summary[f"native, {centrings[1]}"].value[0]
    assert f"{native:.3f} in centred spaces" in in_brief(report)[0]


def test_a_column_is_read_with_one_number_of_digits():
    read = lambda *cells: " ".join(show(cells))
    assert read(0.12345, 1.0, 0.01, 0.00042, 100.0, None) == (
        "0.123 1.000 0.010 0.000 100.000 -"
    )
    assert read(0.01, 0.1, 0.001) == "0.01 0.1 0.001"  # FARs
    assert read(0.0032, 1e-5, 0.00042) == "0.0032 1e-05 0.00042"
    assert read(0.0, None) == "0.000 -"
    assert read(1234, None, "word") == "1,234 - word"
    assert read(-0.5, -4.7e-5) == "-0.500 0.000"
    assert exact(0.1 + 0.2) == "0.30000000000000004"


def test_numbers_of_things_agree_with_their_words():
    assert (people(1), people(1200), images(1)) == ("1 person", "1,200 people", "1 image")
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"


def test_rates_are_listed_from_the_least(report):
    rows = list_native(report).rows
    assert [row[1] for row in rows[:3]] == sorted(report.settings.fars)
    assert "0.001, 0.01 and 0.1" in write_methods(report)
    header = list_summary(report).header
    assert header[2] == "TAR at 0.01" and header[-2:] == ("TAR at 0.001", "TAR at 0.1")


def test_native_is_told_in_both_spaces(report):
    centred = report.maps[f"{kinds[0]}, {centrings[1]}"]
    first = list_native(report).rows[1]
    i, k = report.order[0], report.settings.fars.index(first[1])
    assert first[0] == names[i]
    assert first[2] == report.native.tar.tar[i, i, k]
    tables = centred.tar.tar, centred.spread.lower, centred.spread.upper
    assert first[7:] == [table[i, i, k] for table in tables]


def test_ridges_are_told_for_each_row_and_ranks_whole(report):
    for row in list_ladder(report).rows:
        if row[2] == "ridge":
            assert row[-1] == 0.5 / report.data.parts["fitted on"][0]
        if row[2] == "low rank":
            assert row[-1] == 1 and isinstance(row[-1], int)
    ranks = [row[3] for row in list_choices(report).rows]
    assert ranks == [4, 8, 4, 64, 4, 4] and all(isinstance(x, int) for x in ranks)


def test_low_rank_tells_at_its_row_how_ranks_were_chosen(report):
    (told,) = {row[0] for row in list_summary(report).rows if "low rank" in row[0]}
    assert "4 to 64" in told and "not by TAR" in told


def test_the_attack_tells_victims_distractors_and_strangers_apart(report):
    caption = list_attack(report).caption
    assert "7 people: victims, searched for by 21 images" in caption
    assert "5 people: distractors" in caption
    assert "1 person: strangers, 3 images" in caption
    assert "share of the 21 images of victims" in caption


def test_the_ladder_is_marks_inside_its_frame_and_names_its_pairs(report):
    figure = draw_ladder(report)
    low, high = figure.layout["yaxis"]["range"]
    at = []
    for trace in figure.data:
        assert trace["mode"] == "markers" and "line" not in trace
        y, bars = np.array(trace["y"]), trace["error_y"]
        up, down = np.array(bars["array"]), np.array(bars["arrayminus"])
        assert np.all(np.log10(y - down) >= low) and np.all(np.log10(y + up) <= high)
        at.append(trace["x"])
    assert len(np.unique(at)) == np.size(at)  # no mark upon another
    for told in (figure.caption, list_ladder(report).caption):
        assert "a → b_2, b_2 → c & <i>d</i> and c & <i>d</i> → a, 3 of 6" in told


def test_few_pairs_have_no_rank_correlation(report):
    like = report.likeness
    none = dict.fromkeys(like.correlation, float("nan"))
    less = eqx.tree_at(lambda r: r.likeness.correlation, report, none)
    table = list_likeness(less)
    assert [row[-1] for row in table.rows] == [None] * len(none)
    assert "withheld, for fewer than 6" in table.caption
    assert "withheld" in list_agreement(less).caption
    assert "fewer than 6" in draw_likeness(less).caption


def test_indices_of_models_as_wide_as_rows_are_marked(report):
    starred = lambda r: [row[0] for row in list_likeness(r).rows if "*" in row[0]]
    assert not starred(report) and "*" not in list_likeness(report).caption
    width = lambda r: r.data.models["b_2"].width
    for wide, marked in ((498, []), (499, ["SVCCA *"]), (500, ["SVCCA *"])):
        assert starred(eqx.tree_at(width, report, wide)) == marked


def test_what_is_not_told_apart_is_level():
    report = make_report()
    best = next(n for n, _ in report.ranking if n.split(", ")[0] in kinds)
    words = in_brief(report)[0]
    draws = lambda n: report.maps[n].spread.replicates[:, ~np.eye(3, dtype=bool), 0]
    for name in report.maps:
        kind, centring = name.split(", ")
        gap = draws(best).mean(axis=1) - draws(name).mean(axis=1)
        level = name != best and np.quantile(gap, 0.025) <= 0
        assert (f"{kind} (spaces {centring})" in words.split("Level")[-1]) == (
            level if "Level" in words else name == best
        ), name
    assert "ahead" not in " ".join(in_brief(report))


def test_the_gains_of_a_map_beyond_noise_are_counted(report):
    table = report.maps["rotation, centred"]
    tar, draws = table.tar.tar[..., 0], table.spread.replicates[..., 0]
    above = beyond = 0
    for i, j in np.argwhere(~np.eye(3, dtype=bool)):
        above += tar[i, j] > max(tar[i, i], tar[j, j])
        gain = draws[:, i, j] - np.maximum(draws[:, i, i], draws[:, j, j])
        beyond += np.quantile(gain, 0.025) > 0
    assert beats_both(table) == (above, beyond) and 0 < beyond


def test_the_page_names_people_and_the_calls_that_deal_them(page, report):
    assert "<b>bob</b>" not in page and "&lt;b&gt;bob&lt;/b&gt;" in page
    calls = split_calls(report, False)
    compile(calls, "calls", "exec")
    assert "jax.random.key(3)" in calls and "strata" not in calls
    assert "strata=datasets" in split_calls(report, True)


def test_a_rotation_is_told_to_be_one(page, report):
    assert "determinant +1" in write_methods(report)
    assert "orthogonal Procrustes" not in page


def test_one_person_is_no_people(report):
    one = eqx.tree_at(lambda r: r.data.parts["judged"], report, (4, 1))
    assert "1 people" not in write_methods(one) + " ".join(on_leakage(one, None))


def test_latex_can_be_pasted(report):
    assert escape("a_b & 5 %") == r"a\_b \& 5 \%"
    for text in (write_summary(report), write_maps(report, "rotation", centrings[1])):
        inside = re.search(r"\\midrule\n(.*)\\bottomrule", text, re.DOTALL)[1]
        columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1]
        for line in inside.splitlines():
            assert line.endswith(r" \\")
            assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1
        assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    tar = report.maps[f"rotation, {centrings[1]}"].tar.tar[0, 1, 0]
    assert f"{tar:.3f}".removeprefix("0") in write_maps(report, "rotation", centrings[1])


def test_a_missing_library_is_told_before_work(monkeypatch, tmp_path, capsys):
    from jfacemap import report as write
    from jfacemap.core import extras

    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(extras.MissingExtra, match=r"pip install 'jfacemap\[report\]'"):
        write({}, [], tmp_path / "report.html")
    assert rendering.extra == "report"


look = """
(() => {
  const plots = [...document.querySelectorAll(".plot")];
  const shown = (p) => p.querySelector("svg .trace, svg .hm") && p.offsetHeight > 100;
  const heads = (table) => [...table.tHead.rows[0].cells];
  const sorted = (table) => heads(table).every((head, k) => [0, 1].every(() => {
    head.querySelector("button").click();
    const cells = [...table.tBodies[0].rows].map((r) => r.cells[k].dataset.value);
    const known = cells.filter((v) => v !== "");
    const sign = head.getAttribute("aria-sort") === "ascending" ? 1 : -1;
    const order = (a, b) => known.every((v) => !isNaN(v)) ? a - b : a.localeCompare(b);
    return known.every((v, i) => !i || sign * order(v, known[i - 1]) >= 0)
      && cells.slice(known.length).every((v) => v === "");
  }));
  return {
    plots: plots.length,
    shown: plots.filter(shown).length,
    tables: document.querySelectorAll("table").length,
    sorted: [...document.querySelectorAll("table")].filter(sorted).length,
  };
})()
"""


hints = """
(() => {
  const places = [...document.querySelectorAll(".scroll")].filter((p) => p.offsetWidth);
  const over = places.filter((p) => p.scrollWidth > p.clientWidth + 1);
  const before = (p) => getComputedStyle(p, "::before").content;
  const told = over.filter((p) => before(p).includes("scroll"));
  const lie = places.filter((p) => p.classList.contains("wide") && !over.includes(p));
  return [over.length, told.length, lie.length];
})()
"""
on_paper = """
(() => {
  const bars = [...document.querySelectorAll(".modebar, .copy")];
  const seen = bars.filter((b) => b.offsetWidth);
  const over = [...document.querySelectorAll(".scroll")].filter(
    (p) => p.scrollWidth > p.clientWidth + 1);
  return [seen.length, over.length];
})()
"""


@pytest.mark.skipif(not browser.found, reason="JFACEMAP_BROWSER names no Chromium")
def test_a_browser_draws_sorts_and_complains_of_nothing(page, report, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page)
    with browser.browse(tmp_path / "profile") as tab:
        tab.open(path.as_uri())
        found = tab.run(look)
        printed = tab.call("Page.printToPDF")["data"]
        size = {"height": 900, "deviceScaleFactor": 1, "mobile": False}
        tab.call("Emulation.setDeviceMetricsOverride", width=420, **size)
        tab.run("new Promise((done) => setTimeout(done, 500))")
        wide = tab.run(hints)
        tab.call("Emulation.setDeviceMetricsOverride", width=718, **size)
        tab.call("Emulation.setEmulatedMedia", media="print")
        tab.run("dispatchEvent(new Event('beforeprint'))")
        paper = tab.run(on_paper)
    assert wide[0] == wide[1] > 0 == wide[2]
    assert paper == [0, 0]
    assert found["plots"] == found["shown"] == len(list(draw_all(report)))
    assert found["tables"] == found["sorted"] == len(list(list_all(report)))
    assert len(printed) > 1e5
    assert not tab.said("Runtime.exceptionThrown") + tab.said("Log.entryAdded")
    assert not tab.said("Runtime.consoleAPICalled") + tab.said("Network.loadingFailed")
    asked = [e["request"]["url"] for e in tab.said("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
