import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import wilcoxon

import jfacemap as jfm
from jfacemap.attribute.paired import holm

from .test_energy import rows


def test_gravity_points_to_the_middle():
    p, v = rows(0, a=1, duplicates=False)
    inward = p.mean(axis=0) - p
    assert jfm.gravity(p, inward * 3).mean == pytest.approx(1, abs=1e-6)
    assert jfm.gravity(p, -inward).mean == pytest.approx(-1, abs=1e-6)
    unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
    wanted = (unit(np.float64(inward)) * unit(np.float64(v[0]))).sum(-1).mean()
    np.testing.assert_allclose(jfm.gravity(p, v).mean[0], wanted, atol=1e-6)


def test_gravity_leaves_out_the_middle_and_bad_rows():
    p = np.float32([[1, 0], [-1, 0], [0, 0], [0, np.nan]])
    v = np.float32([[-1, 0], [0, 0], [1, 0], [1, 0]])
    found = jfm.gravity(p, v)
    assert found.mean == pytest.approx(1) and found.skipped == 3


def test_alignment_matches_the_definition():
    rng = np.random.default_rng(0)
    v = rng.normal(size=(3, 40, 5)).astype(np.float32)
    v[1, :4] = 0
    present = rng.uniform(size=(3, 40)) < 0.7
    present[2] = False
    found = jfm.field_alignment(v, present)
    assert np.isnan(found.energy[2]).all() and (np.asarray(found.shared[2]) == 0).all()
    live = present & (np.abs(v).sum(-1) > 0)
    for a in range(2):
        for b in range(2):
            both = live[a] & live[b]
            x, y = np.float64(v[a, both]), np.float64(v[b, both])
            cos = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
            np.testing.assert_allclose(found.energy[a, b], 1 - cos.mean(), atol=1e-6)
            assert found.shared[a, b] == both.sum()


@pytest.mark.parametrize("metric", ("cosine", "euclidean"))
def test_mean_distance_samples_that_of_all_pairs(metric):
    p, v = rows(1, n=200, duplicates=False)
    sampled = jfm.mean_distance(jax.random.key(0), p, 20_000, metric=metric)
    wanted = pdist(np.float64(p), metric).mean()
    np.testing.assert_allclose(sampled, wanted, rtol=0.02)
    exact = jfm.field_energy(p, v, neighbours=jfm.KNearest(1), metric=metric).scale
    np.testing.assert_allclose(exact, wanted, rtol=1e-6)


@pytest.mark.parametrize("kind", ("permutation", "gaussian"))
@pytest.mark.parametrize("neighbours", (jfm.KNearest(4), jfm.AllPairs()), ids=str)
def test_nulls(kind, neighbours):
    rng = np.random.default_rng(2)
    p, _ = rows(2, n=100, d=6, duplicates=False)
    smooth = p @ rng.normal(size=(6, 6)).astype(np.float32)
    noise = rng.normal(size=p.shape).astype(np.float32)
    noise[7] = 0
    found = jfm.field_null(
        jax.random.key(0),
        *(p, np.stack([smooth, noise])),
        neighbours=neighbours,
        kind=kind,
        repeats=40,
    )
    assert found.null.shape == (40, 2)
    assert found.z[0] < -4 and abs(found.z[1]) < 4
    assert found.p_value[0] == pytest.approx(1 / 41) and found.p_value[1] > 1 / 41
    assert found.p_greater[0] == pytest.approx(1)
    np.testing.assert_array_equal(found.found.skipped, [0, 1])
    if kind == "permutation" and isinstance(neighbours, jfm.KNearest):
        # A mean over edges: under permutation that of two different points.
        u = np.delete(noise, 7, 0) / np.linalg.norm(np.delete(noise, 7, 0), axis=1)[:, None]
        n = len(u)
        mean = 1 - (np.sum(u.sum(0) ** 2) - n) / (n * (n - 1))
        error = np.std(found.null[:, 1]) / 40**0.5
        assert abs(found.null[:, 1].mean() - mean) < 4 * error


def test_holm_and_wilcoxon():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.5, np.nan, 0.9])), [1, np.nan, 1])
    rng = np.random.default_rng(0)
    a = rng.normal(size=(20, 3))
    b = a + np.array([0.0, 1.0, 0.1]) * rng.uniform(0.5, 1, size=(20, 1))
    a[3, 1] = np.nan
    found = jfm.compare_energies(a, b)
    assert found.p[0] == 1 and found.difference[0] == 0
    keep = np.arange(20) != 3
    np.testing.assert_allclose(found.p[1], wilcoxon(a[keep, 1], b[keep, 1]).pvalue)
    np.testing.assert_array_equal(found.n, [20, 19, 20])
    assert (found.difference[1:] < 0).all()


def test_bad_input_is_refused(unchecked_types):
    p, v = rows(3)
    with pytest.raises(ValueError, match="both of one space"):
        jfm.gravity(p, v[..., :3])
    with pytest.raises(ValueError, match=r"\(A, n, k\)"):
        jfm.field_alignment(v[0])
    with pytest.raises(ValueError, match="A pair takes two points"):
        jfm.mean_distance(jax.random.key(0), p[:1])
    with pytest.raises(ValueError, match="at least one random field"):
        jfm.field_null(jax.random.key(0), p, v, repeats=0)
    with pytest.raises(ValueError, match="'permutation' or 'gaussian'"):
        jfm.field_null(jax.random.key(0), p, v, kind="uniform")
    with pytest.raises(ValueError, match="of the same I"):
        jfm.compare_energies(p, p[1:])
    assert jnp.isnan(jfm.field_alignment(v, np.zeros((2, 60), bool)).energy).all()
