"""`jfacemap compare`, against the library called directly."""

import csv
import json

import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.cli import stream

from .cli_runs import folder as folder, ok, refused


def test_indices_are_those_of_the_library(folder, capsys, monkeypatch):
    monkeypatch.setattr(stream, "batch_numbers", 8 * 25)  # batches of 25 of 60 rows
    out = ok(capsys, "compare a.npy b.npy --neighbours 4 --json c.json --csv c.csv")
    spaces = [jfm.unit(np.float32(np.load(f"{m}.npy"))) for m in "ab"]
    joint, energy = jfm.joint_moments(spaces), jfm.compare.energy_moments(spaces)
    compare = jfm.compare
    truth = {
        "cka": compare.linear_cka(joint),
        "debiased-cka": compare.debiased_cka(energy),
        "cca": compare.mean_cca(joint),
        "svcca": compare.svcca(joint),
        "pwcca": compare.pwcca(joint),
        "procrustes": compare.procrustes_distance(joint),
        "rsa": compare.rsa(energy),
        "rank-rsa": compare.rank_rsa(spaces),
        "neighbours": compare.mutual_neighbours(spaces, 4),
    }
    with open("c.json") as file:
        found = json.load(file)
    assert list(found["indices"]) == list(truth)
    for name, table in truth.items():
        np.testing.assert_allclose(found["indices"][name], table, atol=1e-6)
        assert f"{float(table[0, 1]):.4f}" in out
    assert (found["rows"], found["widths"]) == (60, [8, 7])
    with open("c.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * len(truth)
    assert rows[1]["first"] == "a.npy" and rows[1]["second"] == "b.npy"


def test_three_models_and_some_rows(folder, capsys):
    line = "compare a.npy b.npy faces.npz:a --indices debiased-cka neighbours"
    out = ok(capsys, f"{line} --rows 20 --seed 1 --no-normalize")
    assert "of 20 rows, drawn at random (seed 1)" in out
    assert "scaled" not in out
    assert out.count("1.0000") >= 8  # a.npy and faces.npz:a are the same rows


def test_warns_of_few_rows(folder, capsys):
    with pytest.warns(UserWarning, match="60 rows are few for width 8: cka, cca"):
        from jfacemap.cli.compare import Options, run

        run(Options(("a.npy", "b.npy"), indices=("cka", "cca")))


@pytest.mark.parametrize(
    ("line", "match"),
    (
        ("compare a.npy", "Two models or more"),
        ("compare a.npy short.npy", "60 rows and short.npy 5"),
        ("compare a.npy b.npy --neighbours 60", "from 1 to 59"),
        ("compare a.npy b.npy --rows 2", "at least 3"),
        ("compare a.npy b.npy --indices ckaa", "Did you mean cka?"),
        ("compare a.npy nan.npy", "hold NaN"),
    ),
)
def test_says_what_is_wrong(folder, capsys, line, match):
    assert match in refused(capsys, line)
