"""Pages of the site: what they are made of is there. `mkdocs build --strict` is CI's."""

import importlib
import pathlib
import pkgutil
import re

import pytest

import jfacemap as jfm
from experiments.ledger import ledger


docs = pathlib.Path(__file__).parents[1] / "docs"


@pytest.fixture
def load(monkeypatch):
    for folder in docs, docs / "pages":
        monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        pkgutil.resolve_name(re.sub(r"^jfm\b", "jfacemap", name))
    except (ImportError, AttributeError):
        return False
    return True


def test_papers_lead_to_functions_that_exist():
    names = re.findall(r"`((?:jfm|jfacemap|experiments)\.[\w.]+)`", papers())
    assert len(names) > 80
    assert [name for name in names if not exists(name)] == []
    assert not exists("jfm.fit_nothing")


def papers() -> str:
    return (docs / "papers.md").read_text()


def test_every_experiment_has_a_page_that_says_how_to_run_it(load):
    made = load("experiment_pages").pages()
    assert len(made) >= 20
    for path, text in made.items():
        assert f"python -m experiments.{pathlib.Path(path).stem}\n" in text, path
        assert "| `--out` | Run folder" in text, path
    page = made["experiments/canonical_faces.md"]
    assert "| `--replicates` | Draws of the identity bootstrap. | `2000` |" in page
    assert "(../figures/canonical_faces.png)" in page


def test_every_paper_experiment_is_in_the_index(load):
    scripts = set(load("experiment_pages").scripts())
    beside = {"claims", "embed_faces"}  # of no section of a paper
    assert scripts - set(re.findall(r"`experiments\.(\w+)`", papers())) == beside


def test_every_claim_is_in_its_table(load):
    rows = [line for line in load("claims_page").page().splitlines() if line[:2] == "| "]
    assert len([row for row in rows if not row.startswith("| where")]) == len(ledger)
    assert all(row.count("|") == 6 for row in rows)


def test_every_public_name_is_told_of_once_with_its_types(load):
    api = load("api_pages")
    text = "\n".join(api.pages().values())
    anchors = re.findall(r"^## .*\{ #(\S+) \}$", text, re.MULTILINE)
    assert len(anchors) == len(set(anchors))
    assert {name for name in api.targets() if name.startswith("jfm.")} == set(anchors)
    assert {f"jfm.{name}" for name in ("fit_linear", "LinearMap", "embed")} <= set(anchors)
    assert "    x: Float[Numeric, 'n d'],\n    y: Float[Numeric, 'n k'],\n    *," in text
    assert (jfm.fit_linear.__doc__ or "?").splitlines()[0] in text


@pytest.mark.parametrize(
    "here, text, wanted",
    [
        ("a/b.md", "of `fit_x(1)`.", "of [`fit_x(1)`](../api/f.md#jfm.fit_x)."),
        ("b.md", "`python -m experiments.e`", "[`python -m experiments.e`](x/e.md)"),
        ("b.md", "## `fit_x`", "## `fit_x`"),
        ("b.md", "```\n`fit_x`\n```", "```\n`fit_x`\n```"),
        ("b.md", "[`fit_x`](c.md) `unknown`", "[`fit_x`](c.md) `unknown`"),
    ],
)
def test_names_lead_to_what_is_said_of_them(load, here, text, wanted):
    targets = {"fit_x": "api/f.md#jfm.fit_x", "experiments.e": "x/e.md"}
    assert load("links").link_names(text, here, targets) == wanted


def test_links_of_files_that_move_lead_to_pages(load):
    text = "[a](docs/api.md) [b](LICENSE) [c](CHANGELOG.md) [d](https://e.org) [e](#f)"
    moved = "[a](api.md) b [c](changelog.md) [d](https://e.org) [e](#f)"
    assert load("links").relocate(text, "index.md") == moved
    assert load("links").relocate(text, "papers.md") == text


def test_a_script_becomes_a_page_with_what_it_prints_and_draws(load, tmp_path):
    script = tmp_path / "two.py"
    script.write_text(
        "# %% [markdown]\n# # Sum\n#\n# Of two.\n\n# %%\nx = 1\nprint(x + 1)\n\n# %%\n"
        "from matplotlib.figure import Figure\nfigure = Figure()\n\n# %%\nopen('f', 'w')\n"
    )
    text, figures = load("tutorial_pages").render(script)
    assert text.startswith("# Sum\n\nOf two.\n\n```python\nx = 1\nprint(x + 1)\n```\n\n")
    assert "```text\n2\n```" in text
    assert text.count("![](two_1.png)") == 1
    assert figures["two_1.png"].startswith(b"\x89PNG")
    assert not pathlib.Path("f").exists()


@pytest.mark.parametrize("name", ["maps", "verification", "invariance"])
def test_tutorials_run(load, name):
    text, _ = load("tutorial_pages").render(docs / "tutorials" / f"{name}.py")
    printed = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    assert len(printed) >= 4
    assert [each for each in printed if "nan" in each] == []
