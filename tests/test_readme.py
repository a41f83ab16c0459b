"""The README's Python runs as it stands, in one go and in an empty folder."""

import pathlib
import re
import warnings

import pytest


readme = pathlib.Path(__file__).parents[1] / "README.md"


def test_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few rows for faceres, as the text says
        exec(compile("\n".join(blocks), str(readme), "exec"), {})
    assert (tmp_path / "map.safetensors").stat().st_size > 0
    assert len(capsys.readouterr().out.splitlines()) >= 4


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", readme.read_text()))
def test_links_lead_somewhere(link):
    assert (readme.parent / link).exists()
