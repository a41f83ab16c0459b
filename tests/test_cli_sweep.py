"""`jfacemap sweep`, against the library called directly."""

import csv
import json
import os

import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.cli.split import split_rows

from .cli_runs import folder as folder, ok, refused


line = "sweep a.npy b.npy --labels who.npy --repeats 2 --fars .5 .1"


def truth_of(fit, test, sizes, kinds, center=False):
    """The values of `sweep_subsets` on the same rows."""
    who = np.load("who.npy")[test]
    fitted, held = [], []
    for name in ("a.npy", "b.npy"):
        x = jfm.unit(np.load(name).astype(np.float32))
        standard = jfm.fit_standardize(x[fit])
        x = jfm.unit(standard(x)) if center else x
        fitted.append(x[fit])
        held.append(x[test])
    genuine, valid = jfm.label_pairs(who)

    def evaluate(maps):
        scores = jfm.cross_scores(maps, held)
        return jfm.table_tar(scores, genuine, (0.5, 0.1), valid=valid).tar

    key = jax.random.key(0)
    return jfm.sweep_subsets(key, fitted, sizes, 2, kinds, evaluate=evaluate)


@pytest.mark.filterwarnings("ignore:.* rows do not determine")
@pytest.mark.parametrize(
    ("options", "sizes", "kinds"),
    (
        ("--sizes 24", (24,), ("linear", "rotation")),
        ("--sizes 24 6 --kinds rotation --center", (6, 24), ("rotation",)),
    ),
)
def test_sweep_is_that_of_the_library(folder, capsys, options, sizes, kinds):
    np.save("judged.npy", np.arange(6, 12))
    out = ok(capsys, f"{line} --test-labels judged.npy {options} --json r.json --csv r.csv")
    fit, test = np.arange(30), np.arange(30, 60)
    truth = truth_of(fit, test, sizes, kinds, "center" in options)
    with open("r.json") as file:
        found = json.load(file)
    assert found["fit"] == found["test"] == {"rows": 30, "people": 6}
    for kind in kinds:
        np.testing.assert_allclose(found["values"][kind], truth.values[kind])
    for row in found["table"]:
        at = (0.5, 0.1).index(row["far"])
        box = truth.boxes(row["kind"], at)[sizes.index(row["size"])]
        np.testing.assert_allclose(row["median"], np.median(box))
        np.testing.assert_allclose((row["least"], row["most"]), (box.min(), box.max()))
        assert f"{np.median(box):.4f}" in out
    native = np.diagonal(truth.values[kinds[0]][0, 0]).mean(axis=-1)
    np.testing.assert_allclose(found["native"], native)
    with open("r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["median"]) for r in rows] == [r["median"] for r in found["table"]]


def test_people_are_never_on_both_sides(folder):
    who = np.load("who.npy")
    np.save("rows.npy", [0, 1, 5, 12])
    np.save("mask.npy", np.isin(np.arange(60), [0, 1, 5, 12]))
    np.save("judged.npy", [3, 11])
    for name in ("rows", "mask"):
        fit, test = split_rows(who, "who.npy", f"{name}.npy", None, 0)
        np.testing.assert_array_equal(fit, [0, 1, 5, 12])
        np.testing.assert_array_equal(test, np.arange(15, 60))
    fit, test = split_rows(who, "who.npy", None, "judged.npy", 0)
    np.testing.assert_array_equal(test, [*range(15, 20), *range(55, 60)])
    np.testing.assert_array_equal(fit, np.setdiff1d(np.arange(60), test))
    halves = [split_rows(who, "who.npy", None, None, seed) for seed in (0, 0, 1)]
    for fit, test in halves:
        assert len(np.unique(who[fit])) == len(np.unique(who[test])) == 6
        np.testing.assert_array_equal(np.sort([*fit, *test]), np.arange(60))
        assert not np.isin(who[fit], who[test]).any()
    assert np.array_equal(halves[0][0], halves[1][0])
    assert not np.array_equal(halves[0][0], halves[2][0])


def test_a_figure_is_drawn_and_nothing_else(folder, capsys):
    before = set(os.listdir())
    ok(capsys, f"{line} --sizes 24 --kinds rotation --figure boxes.png")
    assert set(os.listdir()) - before == {"boxes.png"}
    with open("boxes.png", "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        ("sweep --labels who.npy", "two models or more; got 0"),
        ("sweep a.npy b.npy", "missing --labels L."),
        ("sweep a.npy --labels who.npy", "two models or more; got 1"),
        ("sweep a.npy a.npy --labels who.npy", "given twice"),
        ("sweep a.npy short.npy --labels who.npy", "short.npy has 5 rows and who.npy 60"),
        (f"{line} --sizes 8 31", "--sizes are 1 to 30, the rows to fit on; got [31]"),
        (f"{line} --repeats 0", "--repeats is at least 1"),
        (f"{line} --kinds warp", "--kinds is one of linear, affine, rotation; got 'warp'"),
        (f"{line} --memory 1e-6", "name fewer people in --test-labels"),
        (f"{line} --memory 0", "--memory is a number of GiB above 0"),
        (f"{line} --figure boxes.jpg", "ends in .png"),
        (f"{line} --fit-rows far.npy", "1 of 2 numbers (counted from 0: 1) are no rows"),
        (f"{line} --fit-rows a.npy", "rows are whole numbers (k,) or a mask (60,)"),
        (f"{line} --test-labels far.npy", "1 labels are not in who.npy, as 60"),
        (f"{line} --test-labels who.npy", "leaves no row to fit on"),
        (f"{line} --test-labels one.npy", "leaves fewer than two people to verify"),
        (f"{line} --test-labels who.npy --fit-rows far.npy", "exclude each other"),
    ),
)
def test_errors_are_plain_lines(folder, capsys, wrong, message):
    np.save("far.npy", np.array([0, 60]))
    np.save("one.npy", np.array([0]))
    assert message in refused(capsys, wrong)
