"""`fit --kind ridge`, `low-rank` and `gradient`, and `ladder`, against the library."""

import csv
import json

import jax
import numpy as np
import optax
import pytest

import jfacemap as jfm
from jfacemap.cli import sources, stream
from jfacemap.data.map_file import load, read_header
from jfacemap.fit import buffers

from .cli_runs import folder as folder, ok, refused
from .helpers import tree_allclose


fit = "fit a.npy b.npy -o m.safetensors"


def rows():
    return (jfm.unit(np.load(f).astype(np.float32)) for f in ("a.npy", "b.npy"))


def test_ridge_and_rank_are_chosen_as_by_the_library(folder, capsys, monkeypatch):
    monkeypatch.setattr(stream, "batch_numbers", 100)  # 12 rows at a time
    folds = jfm.group_moments(*rows(), jfm.assign_folds(np.load("who.npy"), 3))
    out = ok(capsys, f"{fit} --kind ridge --groups who.npy --folds 3")
    path = jfm.solve_ridge_path(folds)
    assert tree_allclose(load("m.safetensors"), path.map, rtol=1e-4, atol=1e-5)
    assert f"{path.ridge:.4g}, number {int(path.best) + 1} of 21" in out
    assert f"{path.error[path.best] / path.spread:.4f} of the target's spread" in out
    assert read_header("m.safetensors").metadata["ridge"].startswith(f"{path.ridge:.4g}")
    out = ok(capsys, f"{fit} --kind low-rank --groups who.npy --folds 3 --force")
    path = jfm.solve_low_rank_path(folds, [1, 2, 4, 7])
    m = load("m.safetensors")
    assert isinstance(m, jfm.LowRankMap) and m.left.shape[1] == path.rank
    truth = path.map.as_affine()
    assert tree_allclose(m.as_affine(), truth, rtol=1e-4, atol=1e-5)
    assert f"{path.rank}, of 1, 2, 4, 7" in out
    ok(capsys, "verify a.npy --map m.safetensors --target b.npy --labels who.npy --fars .5")


def test_a_rank_may_be_given(folder, capsys):
    ok(capsys, f"{fit} --kind low-rank --rank 3")
    truth = jfm.solve_low_rank(jfm.pair_moments(*rows()), 3)
    assert tree_allclose(load("m.safetensors").as_affine(), truth.as_affine(), atol=1e-5)


def test_gradient_starts_from_a_closed_form(folder, capsys):
    options = "--kind gradient --loss cosine --start rotation --steps 50"
    out = ok(capsys, f"{fit} {options}")
    (x, y), m = rows(), load("m.safetensors")
    assert isinstance(m, jfm.RotationMap)
    np.testing.assert_allclose(m.rotation.T @ m.rotation, np.eye(7), atol=1e-5)
    score = lambda m: float(jfm.losses.cosine(m(x), y).mean())
    assert score(m) < score(jfm.fit_rotation(x, y))
    assert "cosine, " in out and "50 steps" in out


def test_gradient_keeps_the_map_that_is_best_on_people_held_out(folder, capsys):
    options = "--kind gradient --learning-rate .01 --held-out .2 --patience 2"
    out = ok(capsys, f"{fit} {options} --groups who.npy --batch-size 9")
    who, (x, y) = np.load("who.npy"), rows()
    fold = jfm.assign_folds(who, 5)
    held, rate = fold == fold.max(), optax.cosine_decay_schedule(0.01, 1000)
    truth = jfm.fit_gradient(
        jax.random.key(0), x, y, init=jfm.fit_affine(x[~held], y[~held]), steps=1000,
        optimizer=optax.adam(rate), batch_size=9, held_out=held, patience=2,
    )  # fmt: skip
    assert 0 < truth.step < 900 and np.isnan(truth.losses[-1])  # patience had an end
    assert tree_allclose(load("m.safetensors"), truth.map, rtol=1e-3, atol=1e-4)
    assert f"{held.sum()} rows, squared {truth.held_out[0]:.4g} at the start" in out
    assert f"after {truth.step} steps: that map is kept" in out


def test_gradient_reads_a_store_in_parts(folder, capsys, monkeypatch):
    """Of more rows than one buffer, and with rows of no weight that hold NaN."""
    monkeypatch.setattr(buffers, "buffer_rows", 25)
    longest = []

    def rows_of(store, index=slice(None), *, read=jfm.data.EmbeddingStore.rows):
        found = read(store, index)
        longest.append(len(found))
        return found

    (x, y), w = rows(), np.load("weights.npy")
    with jfm.data.EmbeddingStore.create("a.zarr", 8) as store:
        store.append(np.load("a.npy"))
    np.save("b.npy", np.where(np.arange(60)[:, None] == 3, np.nan, np.load("b.npy")))
    monkeypatch.setattr(jfm.data.EmbeddingStore, "rows", rows_of)
    monkeypatch.setattr(stream, "batch_numbers", 100)
    monkeypatch.setattr(sources, "scan_rows", 10)
    ok(
        capsys,
        "fit a.zarr b.npy -o m.safetensors --kind gradient --steps 60 --batch-size 8 "
        "--weights weights.npy",
    )
    assert longest and max(longest) == 25 and longest.count(25) > 3
    start, m = jfm.fit_affine(x, y, weights=np.float32(w)), load("m.safetensors")
    gap = np.abs(m.weight - start.weight).max()
    assert 0 < gap < 0.2 * np.abs(start.weight).max()  # it began there and went on


def test_ladder_is_that_of_the_library(folder, capsys):
    line = (
        "ladder a.npy b.npy --groups who.npy --folds 3 --families rotation low-rank affine"
    )
    out = ok(capsys, f"{line} --json r.json --csv r.csv --figure r.png")
    truth = jfm.map_ladder(
        jax.random.key(0), *rows(), folds=3, groups=np.load("who.npy"),
        families=("rotation", "low rank", "affine"),
    )  # fmt: skip
    with open("r.json") as file:
        found = json.load(file)
    np.testing.assert_allclose(found["error"], truth.error, rtol=1e-5)
    assert found["best"] == truth.best and f"supported: {truth.supported}" in out
    for mean in truth.error.mean(axis=1):
        assert f"{mean:.4f}" in out
    with open("r.csv", newline="") as file:
        assert [r["family"] for r in csv.DictReader(file)] == list(truth.families)
    with open("r.png", "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_a_bent_map_goes_in_and_out_of_files(folder, capsys):
    x, y = rows()
    m = jfm.mlp_map(jax.random.key(0), jfm.fit_affine(x, y), 5)
    m = jax.tree.map(lambda leaf: leaf + 0.1, m)
    jfm.save("bent.safetensors", m, {"normalize": "true"})
    assert tree_allclose(load("bent.safetensors"), m, rtol=0, atol=0)
    assert "MlpMap, 8 -> 7" in ok(capsys, "info bent.safetensors")
    ok(capsys, "apply bent.safetensors a.npy -o z.npy")
    np.testing.assert_allclose(np.load("z.npy"), m(x), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        (
            f"{fit} --groups who.npy",
            "--groups is for --kind ridge and low-rank and gradient",
        ),
        (f"{fit} --kind ridge --folds 1", "--folds is at least 2; got 1."),
        (f"{fit} --kind ridge --folds 61", "--folds 61 is more than the 60 rows."),
        (
            f"{fit} --kind ridge --folds 13 --groups who.npy",
            "--folds 13 is more than the 12 people in who.npy.",
        ),
        (f"{fit} --kind ridge --ridge 1", "--ridge is for linear and affine maps"),
        (f"{fit} --kind low-rank --rank 8", "--rank is at most 7; got 8."),
        (f"{fit} --kind low-rank --rank 0", "--rank is at least 1; got 0."),
        (f"{fit} --kind low-rank --rank 2 --groups who.npy", "leave out --rank, or them"),
        (f"{fit} --kind affine --loss cosine", "--loss is for --kind gradient; this is"),
        (f"{fit} --kind gradient --steps 0", "--steps is at least 1; got 0."),
        (f"{fit} --kind gradient --learning-rate 0", "--learning-rate is a number above 0"),
        (
            f"{fit} --kind gradient --groups who.npy",
            "--groups are for --loss info-nce or triplet, or --held-out; this is squared.",
        ),
        (f"{fit} --kind gradient --held-out .7", "--held-out is a share of at most 0.5"),
        (f"{fit} --kind gradient --patience 3", "--patience is with rows held out: give"),
        (f"{fit} --kind gradient --held-out .1 --patience 0", "--patience is at least 1"),
        (f"{fit} --held-out .1", "--held-out is for --kind gradient; this is linear."),
        (
            f"{fit} --kind gradient --held-out .1 --steps 15",
            "--steps is a multiple of 10 with --held-out; got 15.",
        ),
        (f"{fit} --kind gradient --loss l1", "--loss is one of squared, distance, cosine"),
        ("ladder a.npy b.npy --folds 2", "--folds is at least 3; got 2."),
        ("ladder a.npy short.npy", "a.npy has 60 rows and short.npy 5"),
        ("ladder a.npy b.npy --families spline", "--families is one of identity, rotation"),
        ("ladder a.npy b.npy --groups short.npy", "labels are integers or strings"),
        ("ladder a.npy b.npy --figure f.jpg", "ends in .png"),
    ),
)
def test_errors_are_plain_lines(folder, capsys, wrong, message):
    assert message in refused(capsys, wrong)
