"""`jfacemap report`: what it hands on, what it writes, and what it refuses."""

import numpy as np
import pytest

from .cli_runs import folder as folder, ok, run
from .page.made_up import make_report


pytest.importorskip("jinja2", reason="pip install 'jfacemap[report]'")
pytest.importorskip("plotly", reason="pip install 'jfacemap[report]'")
line = "report a.npy faces.npz:b --labels who.npy -o page.html"


@pytest.fixture
def asked(monkeypatch):
    """What is to be measured; nothing is."""
    given = {}

    def measure(embeddings, labels, **options):
        given.update(options, embeddings=embeddings, labels=labels)
        options["progress"]("measuring", 1, 1)
        return make_report()

    monkeypatch.setattr("jfacemap.page.report.measure_report", measure)
    return given


def test_writes_the_page_of_what_was_given(folder, asked, capsys):
    (folder / "card.md").write_text("Rows of nobody & nothing.")
    out = ok(capsys, f"{line} --card card.md --names A B --quick --seed 4 --fars 0.1 0.01")
    assert "page.html" in out and "600 images of 10 people" in out
    assert list(asked["embeddings"]) == ["A", "B"]
    np.testing.assert_array_equal(asked["embeddings"]["A"], np.load("a.npy"))
    np.testing.assert_array_equal(asked["labels"], np.load("who.npy"))
    assert asked["seed"] == 4 and asked["settings"].fars == (0.1, 0.01)
    assert asked["settings"].replicates == 100
    page = (folder / "page.html").read_text()
    assert "Rows of nobody &amp; nothing." in page and page.rstrip().endswith("</html>")
    assert not list(folder.glob(".page*"))


def test_names_are_those_of_files(folder, asked, capsys):
    ok(capsys, line)
    assert list(asked["embeddings"]) == ["a", "faces:b"]
    code, _, err = run(capsys, line)
    assert code == 2 and "--force" in err
    ok(capsys, f"{line} --force")


def test_names_of_files_that_differ_in_their_ending_keep_it(folder, asked, capsys):
    np.savez("a.npz", np.load("a.npy"))
    ok(capsys, line.replace("faces.npz:b", "a.npz"))
    assert list(asked["embeddings"]) == ["a.npy", "a.npz"]


def test_each_stage_is_a_line_where_nobody_watches(folder, asked, capsys):
    code, _, err = run(capsys, line)
    assert code == 0 and err.splitlines() == ["measuring", "writing the page"]


faults = {
    "one model": ("report a.npy --labels who.npy -o page.html", "two models or more"),
    "a name": (line.replace("page.html", "page.pdf"), "ends in .html"),
    "NaN": (line.replace("a.npy", "nan.npy"), "NaN or infinity"),
    "lengths": (line.replace("a.npy", "short.npy"), "same image in every model"),
    "names": (f"{line} --names A", "1 --names for 2 models"),
    "alike": (f"{line} --names A A", "share a name"),
    "no card": (f"{line} --card none.md", "none.md does not exist"),
    "rates": (f"{line} --fars 2", "between 0 and 1"),
    "few pairs": (f"{line} --fars 1e-9", "less than one of the"),
    "labels": (line.replace("who.npy", "weights.npy"), "labels are integers or strings"),
}


@pytest.mark.parametrize("given, message", faults.values(), ids=faults)
def test_a_fault_is_one_line_and_nothing_is_written(folder, capsys, given, message):
    code, _, err = run(capsys, given)
    assert code == 2 and message in err
    assert not (folder / "page.html").exists() and not list(folder.glob(".page*"))
