import csv
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from sklearn.metrics import auc, roc_curve

import jfacemap as jfm
from jfacemap.cli import commands, stream
from jfacemap.data.map_file import load, read_header, save

from .cli_runs import folder as folder, ok, run, unit


@pytest.mark.parametrize("line", ("", "-h", "--help", *(f"{c} --help" for c in commands)))
def test_help_teaches(capsys, line):
    out = ok(capsys, line)
    assert "  jfacemap " in out and all(len(row) <= 92 for row in out.splitlines())


def test_version(capsys):
    assert ok(capsys, "--version").startswith("jfacemap 0.")


@pytest.mark.parametrize("weighted", (False, True))
@pytest.mark.parametrize("batch", (2**22, 100), ids=("one batch", "many"))
def test_fit_is_least_squares_of_unit_rows(folder, capsys, monkeypatch, batch, weighted):
    monkeypatch.setattr(stream, "batch_numbers", batch)
    weights = " --weights weights.npy" * weighted
    ok(capsys, f"fit {'nan' if weighted else 'a'}.npy b.npy -o m.safetensors{weights}")
    x, y = (unit(np.load(f).astype(np.float64)) for f in ("a.npy", "b.npy"))
    w = np.sqrt(np.load("weights.npy"))[:, None] if weighted else 1
    truth, *_ = np.linalg.lstsq(w * x, w * y)
    weight = load("m.safetensors").weight
    np.testing.assert_allclose(weight, truth, atol=1e-6 * np.abs(truth).max())


def test_fit_reports_how_well_it_fits(folder, capsys, monkeypatch):
    monkeypatch.setattr(stream, "batch_numbers", 100)
    out = ok(capsys, "fit a.npy b.npy -o m.safetensors")
    x, y = (unit(np.load(f).astype(np.float64)) for f in ("a.npy", "b.npy"))
    w, _, _, s = np.linalg.lstsq(x, y)
    residual = np.sum((x @ w - y) ** 2) / np.sum(y**2)
    cosine = np.mean(np.sum(unit(x @ w) * y, axis=1))
    for number in (
        "60,",
        "8 of 8",
        f"{s[0] / s[-1]:.3g}",
        f"{residual:.4f}",
        f"{cosine:.4f}",
    ):
        assert number in out


@pytest.mark.parametrize(
    ("options", "fit"),
    (
        ("", jfm.fit_linear),
        ("--ridge 2", lambda x, y: jfm.fit_linear(x, y, ridge=2.0)),
        ("--kind affine --ridge 2", lambda x, y: jfm.fit_affine(x, y, ridge=2.0)),
        ("--kind rotation", jfm.fit_rotation),
        (
            "--kind rotation --reflection",
            lambda x, y: jfm.fit_rotation(x, y, reflection=True),
        ),
        ("--kind similarity", jfm.fit_similarity),
        ("--kind identity", lambda x, y: jfm.identity_map(8, 7)),
    ),
)
def test_fit_is_that_of_the_library(folder, capsys, options, fit):
    ok(capsys, f"fit a.npy b.npy -o m.safetensors --no-normalize {options}")
    x, y = (np.load(f).astype(np.float32) for f in ("a.npy", "b.npy"))
    m, truth = load("m.safetensors"), fit(jax.numpy.asarray(x), jax.numpy.asarray(y))
    assert type(m) is type(truth)
    for ours, theirs in zip(jax.tree.leaves(m), jax.tree.leaves(truth), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_float64_rows_make_a_float64_map(folder, capsys):
    np.save("a64.npy", np.load("a.npy").astype(np.float64))
    ok(capsys, "fit a64.npy b.npy -o m.safetensors --no-normalize")
    x, y = np.load("a64.npy"), np.load("b.npy").astype(np.float64)
    truth, *_ = np.linalg.lstsq(x, y)
    weight = np.asarray(load("m.safetensors").weight)
    assert weight.dtype == np.float64
    np.testing.assert_allclose(weight, truth, atol=1e-12)
    ok(capsys, "apply m.safetensors a.npy -o z.npy")
    np.testing.assert_allclose(np.load("z.npy"), x @ truth, atol=1e-11)


def test_a_map_file_says_how_it_was_made(folder, capsys):
    os.mkdir("runs")
    ok(capsys, f"fit {folder}/faces.npz:a b.npy -o runs/m.safetensors --ridge .5")
    assert read_header("runs/m.safetensors").metadata == {
        "source": "faces.npz:a",
        "target": "b.npy",
        "rows": "60",
        "fit": "linear",
        "ridge": "0.5",
        "reflection": "false",
        "normalize": "true",
    }
    out = ok(capsys, "info runs/m.safetensors")
    for word in ("LinearMap, 8 -> 7, float32", "faces.npz:a", "0.5"):
        assert word in out


@pytest.mark.parametrize(
    ("line", "warning"),
    (
        ("fit few.npy short.npy", "5 rows do not determine a map from width 8"),
        ("fit a.npy thin.npy --kind affine", None),
        ("fit thin.npy b.npy", "the source rows span 1 of 2 dimensions"),
        ("fit few.npy short.npy --ridge 1", None),
        ("fit few.npy short.npy --kind rotation", "5 rows do not determine a rotation"),
        ("fit zero.npy b.npy", "zero.npy: 1 of 60 rows (counted from 0: 3) are all zero"),
        ("fit steep.npy b.npy --no-normalize", "the source is ill-conditioned"),
    ),
)
def test_fit_warns_of_doubtful_maps(folder, capsys, line, warning):
    a = np.load("a.npy")
    np.save("few.npy", a[:5])
    np.save("thin.npy", np.repeat(a[:, :1], 2, axis=1))
    np.save("steep.npy", np.float32(a * 8.0 ** -np.arange(8)))
    code, _, err = run(capsys, f"{line} -o m.safetensors")
    assert code == 0
    assert err.startswith(f"warning: {warning}") if warning else not err


@pytest.mark.parametrize("batch", (2**22, 100), ids=("one batch", "many"))
@pytest.mark.parametrize(
    ("fitted", "options", "before", "after"),
    (
        ("", "", True, False),
        ("", "--no-normalize", False, False),
        ("--no-normalize", "", False, False),
        ("--no-normalize", "--normalize --unit-output", True, True),
    ),
)
def test_apply_is_the_map(
    folder, capsys, monkeypatch, batch, fitted, options, before, after
):
    monkeypatch.setattr(stream, "batch_numbers", batch)
    ok(capsys, f"fit a.npy b.npy -o m.safetensors {fitted}")
    ok(capsys, f"apply m.safetensors a.npy -o z.npy {options}")
    x = np.load("a.npy").astype(np.float64)
    z = (unit(x) if before else x) @ np.asarray(load("m.safetensors").weight, np.float64)
    z = unit(z) if after else z
    assert np.load("z.npy").dtype == np.float32
    np.testing.assert_allclose(np.load("z.npy"), z, atol=1e-5)


def test_apply_takes_rows_as_they_are_if_the_map_does_not_say(folder, capsys):
    save("m.safetensors", jfm.identity_map(8))
    ok(capsys, "apply m.safetensors a.npy -o z.npy")
    np.testing.assert_array_equal(np.load("z.npy"), np.load("a.npy"))


def test_info_describes_arrays(folder, capsys):
    out = ok(capsys, "info faces.npz")
    assert "60 x 8" in out and "<U2" in out
    out = ok(capsys, "info a.npy")
    x = np.load("a.npy")
    s = np.linalg.svd(x.astype(np.float64), compute_uv=False)
    for number in ("60 x 8", "float32", "8 of 8", f"{s[0] / s[-1]:.4g}"):
        assert number in out
    assert f"mean {np.mean(np.linalg.norm(x, axis=1)):.4g}" in out
    out = ok(capsys, "info nan.npy")
    assert "NaN or infinity  1" in out
    assert "12" in ok(capsys, "info faces.npz:who")
    np.save("line.npy", np.ones((60, 1)) * np.ones(3))
    out = ok(capsys, "info line.npy")
    assert "1 of 3" in out and "inf" in out
    np.save("bad.npy", np.full((3, 2), np.nan))
    assert "NaN or infinity  3" in ok(capsys, "info bad.npy")


def test_info_of_one_damaged_array_shows_the_others(folder, capsys):
    np.savez("mixed.npz", allow_pickle=True, x=np.ones(3), y=np.array([{}], object))
    out = ok(capsys, "info mixed.npz")
    assert "float64" in out and "pickled" in out


def _pairs(two_models: bool):
    """The same pairs by a plain double loop, in float64."""
    a, who = unit(np.load("a.npy").astype(np.float64)), np.load("who.npy")
    if two_models:
        x = a @ np.asarray(load("m.safetensors").weight, np.float64)
        x, y = unit(x), unit(np.load("b.npy").astype(np.float64))
        pairs = [(i, j) for i in range(60) for j in range(60) if i != j]
    else:
        x, y = a, a
        pairs = [(i, j) for i in range(60) for j in range(i)]
    i, j = np.array(pairs).T
    return (
        np.sum(x[i] * y[j], axis=1),
        who[i] == who[j],
        np.stack([i, j, who[i] == who[j]], 1),
    )


two = "--target b.npy --map m.safetensors"


@pytest.mark.parametrize("block", (1024, 7))
@pytest.mark.parametrize("options", ("", two))
@pytest.mark.parametrize("which", ("labels who.npy", "labels faces.npz:who", "pairs p.csv"))
def test_verify_agrees_with_sklearn(folder, capsys, monkeypatch, which, options, block):
    for name in ("block_rows", "listed_pairs"):
        monkeypatch.setattr(f"jfacemap.cli.pairs.{name}", block)
    ok(capsys, "fit a.npy b.npy -o m.safetensors")
    scores, genuine, pairs = _pairs(bool(options))
    np.savetxt("p.csv", pairs, "%d", ",")
    line = f"verify a.npy {options} --{which} --fars .5 .1 .01 --json r.json --csv r.csv"
    out = ok(capsys, line)
    with open("r.json") as file:
        found = json.load(file)
    far, tar, thresholds = roc_curve(genuine, scores, drop_intermediate=False)
    assert (found["n_genuine"], found["n_impostor"]) == (genuine.sum(), (~genuine).sum())
    np.testing.assert_allclose(found["area_under_curve"], auc(far, tar), rtol=1e-12)
    i = np.argmin(abs(far - (1 - tar)))
    np.testing.assert_allclose(found["equal_error_rate"], (far[i] + 1 - tar[i]) / 2)
    for limit, row in zip((0.5, 0.1, 0.01), found["table"], strict=True):
        i = np.flatnonzero(far <= limit)[-1]
        assert (row["target_far"], row["far"], row["tar"]) == (limit, far[i], tar[i])
        np.testing.assert_allclose(row["threshold"], thresholds[i], atol=1e-6)
        assert f"{tar[i]:.4f}" in out
    with open("r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["tar"]) for r in rows] == [r["tar"] for r in found["table"]]


@pytest.mark.parametrize("name", ("p.csv", "header.csv", "p.npy", "p.npz:pairs"))
def test_verify_reads_lists_of_pairs(folder, capsys, name):
    *_, pairs = _pairs(False)
    np.savetxt("p.csv", pairs, "%d", ",")
    np.savetxt("header.csv", pairs, "%d", ", ", header="row_a, row_b, genuine", comments="")
    np.save("p.npy", pairs)
    np.savez("p.npz", pairs=pairs, other=pairs)
    code, out, err = run(capsys, f"verify a.npy --pairs {name} --rule nearest")
    truth = ok(capsys, "verify a.npy --labels who.npy --rule nearest")
    assert (code, err) == (0, "")
    assert out.splitlines()[3:] == truth.splitlines()[3:]


def test_verify_names_what_it_cannot_support(folder, capsys):
    out = ok(capsys, "verify a.npy --labels who.npy --fars 1e-1 1e-6 --json r.json")
    assert "FAR 1e-06: less than one of 1,650 impostor pairs" in out
    with open("r.json") as file:
        found = json.load(file)
    row = found["table"][1]
    assert row["tar"] is None and not row["supported"]
    assert f"{found['tar_at_zero']:.4f}" in out


@pytest.mark.parametrize("options", ("", two))
def test_intervals_are_those_of_the_library(folder, capsys, options):
    ok(capsys, "fit a.npy b.npy -o m.safetensors")
    line = f"verify a.npy {options} --labels who.npy --intervals --seed 3"
    out = ok(capsys, f"{line} --json r.json")
    assert "95%, from 2,000 draws of 12 identities (seed 3)" in out
    with open("r.json") as file:
        rows = json.load(file)["table"]
    for row in rows[:2]:
        assert row["tar_low"] <= row["tar"] <= row["tar_high"]
        assert f"{row['tar_low']:.4f} to {row['tar_high']:.4f}" in out
    # Of twelve people Wilson's interval stands beside, at the thresholds found.
    a, b = (unit(np.load(f"{name}.npy").astype(np.float32)) for name in "ab")
    scores = unit(np.asarray(load("m.safetensors")(a))) @ b.T if options else a @ a.T
    who, off = np.load("who.npy"), ~np.eye(60, dtype=bool)
    off = off if options else np.triu(off)
    pairs = jfm.identity_pairs(who[:, None], who[None], valid=off)
    bars = np.array([row["threshold"] for row in rows])
    truth = jfm.wilson_intervals(scores, pairs, bars - 1e-6).tar
    ends = [(row["wilson_low"], row["wilson_high"]) for row in rows]
    np.testing.assert_allclose(ends, np.stack([truth.lower, truth.upper], 1), atol=1e-6)
    for low, high in ends[:2]:
        assert f"{low:.4f} to {high:.4f}" in out
    assert "Wilson's intervals, which hold for fewer than 30 people" in out
    assert ok(capsys, line) == out  # the seed fixes the draws


def test_force_replaces(folder, capsys):
    ok(capsys, "fit a.npy b.npy -o m.safetensors")
    ok(capsys, "fit a.npy b.npy -o m.safetensors --force --kind rotation")
    assert isinstance(load("m.safetensors"), jfm.RotationMap)


def test_an_interrupt_is_quiet_and_leaves_nothing(folder, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    ok(capsys, "fit a.npy b.npy -o m.safetensors")
    monkeypatch.setattr("jfacemap.cli.apply.mapped", lambda *a, **k: interrupt())
    before = sorted(os.listdir())
    assert run(capsys, "apply m.safetensors a.npy -o z.npy") == (130, "", "interrupted\n")
    assert sorted(os.listdir()) == before


def test_runs_as_a_module(folder):
    command = [sys.executable, "-m", "jfacemap", "info", "missing.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: missing.npy does not exist.\n"
