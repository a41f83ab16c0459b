"""A case of ONNX's own suite for every operator that has one; and what the page says."""

import pathlib
import re
import runpy
import sys

import jax
import onnx
import pytest

from jfacemap.onnx2jax import operator_versions
from jfacemap.onnx2jax.conformance import node_cases, page, run_all, table


root = pathlib.Path(__file__).parents[2]
operators_page = (root / "docs/onnx_operators.md").read_text()


def test_a_case_of_every_operator():
    """The first that the page does not list as failing."""
    failing = set(re.findall(r"^\| (test_\w+) \|", operators_page, re.M))
    first = {}
    for case in node_cases():
        if case.name not in failing:
            first.setdefault(case.operator, case)
    with jax.enable_x64(True):
        results = run_all(first.values())
    wrong = [(*k, fault) for k, of in results.items() for fault in of.values() if fault]
    assert not wrong and len(results) > 150


def test_the_page_and_the_readme_tell_of_one_run():
    readme = (root / "README.md").read_text()
    (counts,) = re.findall(r"([\d,]+) of ([\d,]+);", operators_page)
    assert f"{counts[0]} of {counts[1]} cases of ONNX's conformance suite" in readme
    rows = re.findall(r"^\| ([\w.]+) \| (\d*) \| (\d+|none) \|$", operators_page, re.M)
    passed = sum(int(passed or 0) for _, passed, _ in rows)
    assert f"{passed:,}" == counts[0]
    labels = {f"{domain}.{name}".lstrip(".") for domain, name in operator_versions()}
    assert {label for label, *_ in rows} == labels


def test_a_case_that_fails_is_told():
    results = {("", "Relu"): {"a": "", "b": "ValueError: no"}}
    assert "| Relu | 1 | 2 |" in table(results) and "| Abs |  | none |" in table(results)
    text = page(results, 5)
    assert "| b | ValueError: no |" in text and f"onnx {onnx.__version__} " in text
    assert "1 of 2;" in text and "suite's\n5 cases, counted so, 2 use these" in text
    assert "x64" in text


def test_help_writes_no_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["conformance", "--help"])
    monkeypatch.delitem(sys.modules, "jfacemap.onnx2jax.conformance")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("jfacemap.onnx2jax.conformance", run_name="__main__")
    assert ended.value.code == 0 and "--out" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
