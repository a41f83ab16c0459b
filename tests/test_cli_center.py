"""`fit --center`, and what `apply`, `verify` and `info` make of it."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.cli import stream
from jfacemap.data.map_file import load, read_header, save

from .cli_runs import folder as folder, ok, refused, unit


def centred(scaled: bool, weights=None):
    """Rows of both models less their mean, and both means, by NumPy in float64."""
    rows = [np.load(f).astype(np.float64) for f in ("a.npy", "b.npy")]
    rows = [unit(x) for x in rows] if scaled else rows
    means = [np.average(x, axis=0, weights=weights) for x in rows]
    rows = [x - mean for x, mean in zip(rows, means, strict=True)]
    return [unit(x) for x in rows] if scaled else rows, means


@pytest.mark.parametrize("batch", (2**22, 100), ids=("one batch", "many"))
@pytest.mark.parametrize(
    ("options", "scaled"),
    (("", True), (" --no-normalize", False), (" --weights w.npy", True)),
)
def test_the_means_of_both_sides_are_subtracted(
    folder, capsys, monkeypatch, options, scaled, batch
):
    monkeypatch.setattr(stream, "batch_numbers", batch)
    w = np.random.default_rng(1).uniform(size=60)
    np.save("w.npy", w)
    ok(capsys, f"fit a.npy b.npy -o m.safetensors --center --kind rotation{options}")
    (x, y), means = centred(scaled, w if "w.npy" in options else None)
    weights = jnp.asarray(w, jnp.float32) if "w.npy" in options else None
    truth = jfm.fit_rotation(np.float32(x), np.float32(y), weights=weights)
    m = load("m.safetensors")
    assert isinstance(m, jfm.RotationMap)
    np.testing.assert_allclose(m.rotation, truth.rotation, atol=1e-5)
    kept = read_header("m.safetensors").metadata
    for side, mean in zip(("source_mean", "target_mean"), means, strict=True):
        np.testing.assert_allclose(np.array(kept[side].split(), float), mean, atol=1e-6)
    ok(capsys, "apply m.safetensors a.npy -o z.npy")
    np.testing.assert_allclose(np.load("z.npy"), x @ np.asarray(m.rotation), atol=1e-5)
    out = ok(capsys, "apply m.safetensors b.npy -o y.npy --target-rows")
    np.testing.assert_allclose(np.load("y.npy"), y, atol=1e-5)
    assert "in the target's centred space" in out and "not applied" in out


def test_verify_scores_in_the_centred_space(folder, capsys):
    ok(capsys, "fit a.npy b.npy -o m.safetensors --center --kind rotation")
    line = "verify a.npy --target b.npy --map m.safetensors --labels who.npy"
    out = ok(capsys, f"{line} --fars .1 .01 --json r.json")
    assert "RotationMap, of rows scaled to unit length, centred" in out
    (x, y), _ = centred(True)
    z, who = unit(x @ np.asarray(load("m.safetensors").rotation)), np.load("who.npy")
    genuine, valid = jfm.label_pairs(who)
    truth = jfm.tar_at_far(z @ y.T, genuine, [0.1, 0.01], valid=valid)
    with open("r.json") as file:
        found = json.load(file)
    assert found["centred"]
    np.testing.assert_allclose([r["tar"] for r in found["table"]], truth.tar)
    np.testing.assert_allclose(
        [r["threshold"] for r in found["table"]], truth.threshold, atol=1e-6
    )


def test_centring_helps_where_both_spaces_are_far_off_centre(folder, capsys):
    a, b = (np.load(f).astype(np.float32) for f in ("a.npy", "b.npy"))
    np.save("a.npy", a + 6 * np.float32(a.std()))
    np.save("b.npy", b - 6 * np.float32(b.std()))
    tar = {}
    for name in ("", "--center"):
        ok(capsys, f"fit a.npy b.npy -o m.safetensors --force --kind rotation {name}")
        line = "verify a.npy --target b.npy --map m.safetensors --labels who.npy"
        ok(capsys, f"{line} --fars .1 --json r.json --force")
        with open("r.json") as file:
            tar[name] = json.load(file)["table"][0]["tar"]
    assert tar["--center"] > tar[""]


def test_info_tells_of_means_without_listing_them(folder, capsys):
    ok(capsys, "fit a.npy b.npy -o m.safetensors --center --kind rotation")
    out = ok(capsys, "info m.safetensors")
    _, means = centred(True)
    x, y = (f"{np.linalg.norm(mean):.4g}" for mean in means)
    assert f"of length {x} (source), {y} (target)" in out
    assert "1 to 1, rank 7 of 7" in out
    assert "source_mean" not in out


@pytest.mark.parametrize(
    ("entries", "message"),
    (
        ({"source_mean": "1 2"}, "its source_mean is not 8 numbers"),
        ({"source_mean": "x " * 8}, "its source_mean is not 8 numbers"),
        ({"source_mean": "1 " * 8}, "has the mean of one side only"),
    ),
)
def test_damaged_means_are_refused(folder, capsys, entries, message):
    save("m.safetensors", jfm.LinearMap(jnp.ones((8, 7))), entries)
    assert message in refused(capsys, "apply m.safetensors a.npy -o z.npy")
