"""Ways of centring, and what is told of them, on small rows."""

import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from experiments import centring
from experiments.face_collections import open_embeddings


def rows(n=40, dims=(3, 5), seed=0):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 5))
    turned = (base @ np.linalg.qr(rng.normal(size=(5, 5)))[0][:, :d] for d in dims)
    return [jnp.asarray(np.float32(x + 2 + 0.1 * rng.normal(size=x.shape))) for x in turned]


@pytest.mark.parametrize("source, target", [(0, 1), (1, 0)])
def test_rotations_about_the_means_are_the_similarities_of_the_library(source, target):
    spaces = rows()
    joint = jfm.joint_moments(spaces)
    maps = centring.fit_about_means(joint, "rotation", 0.0)
    truth = jfm.solve_similarity(joint.pair(source, target)).as_affine()
    ours = maps[source, target]
    np.testing.assert_allclose(ours.weight, truth.weight, atol=2e-6)
    np.testing.assert_allclose(ours.bias, truth.bias, atol=2e-6)


@pytest.mark.parametrize("kind", ["linear", "ridge"])
def test_a_ridge_is_a_penalty_a_row_and_the_mean_is_restored(kind):
    x, y = spaces = rows()
    joint = jfm.joint_moments(spaces)
    ridge = 0.1 * len(x) if kind == "ridge" else 0.0
    ours = centring.fit_about_means(joint, kind, 0.1)[0, 1]
    truth = jfm.fit_affine(x, y, ridge=ridge)
    np.testing.assert_allclose(ours.weight, truth.weight, atol=1e-5)
    np.testing.assert_allclose(np.mean(ours(x), axis=0), np.mean(y, axis=0), atol=1e-5)
    plain = centring.fit(joint, kind, 0.1)[0, 1]
    truth = jfm.fit_linear(x, y, ridge=ridge)
    np.testing.assert_allclose(plain.weight, truth.weight, atol=1e-5)


def test_the_random_point_is_as_far_as_the_mean_and_another_for_each_model():
    spaces = [jfm.unit(x) for x in rows(dims=(4, 4))]
    used = np.arange(40) < 20
    moved = centring.move_at_random(np.random.default_rng(0), spaces, used)
    points = []
    for x, after in zip(spaces, map(np.asarray, moved), strict=True):
        np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, rtol=1e-6)
        # x = point + length * after: the point is where the lines of all rows meet.
        x = np.float64(x)
        across = np.eye(4) - after[:, :, None] * after[:, None]
        right = np.einsum("nij,nj->i", across, x)
        point = np.linalg.solve(across.sum(axis=0), right)
        length = centring.mean_length(x, used)
        np.testing.assert_allclose(np.linalg.norm(point), length, rtol=1e-4)
        np.testing.assert_allclose(length, np.linalg.norm(x[:20].mean(axis=0)))
        points.append(point / length)
    assert abs(points[0] @ points[1]) < 0.95


def test_the_ridge_is_chosen_on_people_fitted_on_alone():
    spaces, label = rows(), np.repeat(np.arange(8), 5)
    used = label < 4
    chosen = centring.choose_ridge(spaces, label, used, "linear")
    spoiled = [x.at[20:].set(jnp.nan) for x in spaces]
    assert centring.choose_ridge(spoiled, label, used, "linear") == chosen
    assert chosen in centring.ridges


def test_lifts_are_paired_by_half():
    rng = np.random.default_rng(0)
    arrays = {}
    extra = "identity", "linear, random pairing", "rotation, random pairing"
    for way in ("plain", *centring.ways):
        for kind in (*centring.kinds, *extra):
            arrays[f"{way}/{kind}"] = rng.random((4, 3, 3))
    arrays["mean length"] = np.tile([0.2, 0.9, 0.5], (4, 1))
    lifts = centring.lifts_of(arrays)
    off = ~np.eye(3, dtype=bool)
    after, before = arrays["source only/ridge"][2], arrays["plain/ridge"][2]
    truth = after[off].mean() - before[off].mean()
    np.testing.assert_allclose(lifts["ridge"]["source only"][2], truth)
    native = np.diagonal(arrays["both sides/linear"] - arrays["plain/linear"], 0, 1, 2)
    np.testing.assert_allclose(lifts["native"]["both sides"], native.mean(axis=1))
    line = next(r for r in centring.gather_rows(lifts) if r["way"] == "source only")
    assert line["halves"] == 4 and line["least"] <= line["lift"] <= line["most"]
    gain = (arrays["both sides/linear"] - arrays["plain/linear"]).mean(axis=0)
    as_target = centring.along_means(arrays)["linear"]["target"]
    np.testing.assert_allclose(as_target[1], (gain[0, 1] + gain[2, 1]) / 2)


def test_rank_correlation_has_an_exact_p():
    a = np.arange(4.0)
    assert centring.exact_spearman(a, a**3) == (1.0, 2 / 24)
    assert centring.exact_spearman(a, np.array([1.0, 3, 0, 2]))[1] == 1.0


def test_models_of_the_data_folder_show_mild_light_alone(tmp_path):
    assert open_embeddings(None) is open_embeddings(tmp_path) is None
    (tmp_path / "embeddings").mkdir()
    save = lambda name, **columns: np.savez(tmp_path / "embeddings" / name, **columns)
    rows = np.arange(10.0).reshape(5, 2)
    save("orl", label=["s1", "s1"], detected=[True, True], a=rows[:2], b=rows[:2])
    light = {"azimuth": [-50, 60, 0], "elevation": [45, 0, -46]}
    save("yaleb", label=["y1", "y2", "y3"], detected=[True] * 3, a=rows[2:], b=rows[2:],
         **light)  # fmt: skip
    faces = open_embeddings(tmp_path)
    assert faces is not None and faces.names == ("a", "b")
    assert list(faces.label) == ["s1", "s1", "y1"]
    assert list(faces.dataset) == ["orl", "orl", "yaleb"]
    np.testing.assert_array_equal(faces.embeddings["a"], rows[:3])
