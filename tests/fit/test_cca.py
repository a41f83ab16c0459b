import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.linalg

import jfacemap as jfm

from ..helpers import relative_error, steep_rows, tree_allclose


def random_pairs(getkey, n=80, d=6, k=4):
    draw = lambda *shape: jr.normal(getkey(), shape)
    latent = draw(n, 3)
    x = latent @ draw(3, d) + 0.5 * draw(n, d) + 1
    return x, latent @ draw(3, k) + 0.5 * draw(n, k) - 2, jnp.abs(draw(n))


def correlations(x, y, w, ridge=0.0):
    """Float64 truth, by the generalised eigenvalue problem (not by what is ours)."""
    x, y, w = map(np.float64, (x, y, w))
    x, y = (a - np.average(a, axis=0, weights=w) for a in (x, y))
    xx, xy, yy = x.T * w @ x, x.T * w @ y, y.T * w @ y
    xx, yy = (a + ridge * np.eye(len(a)) for a in (xx, yy))
    values = scipy.linalg.eigh(xy.T @ np.linalg.solve(xx, xy), yy, eigvals_only=True)
    return np.sqrt(np.maximum(values[::-1], 0))


@pytest.mark.parametrize("ridge", (0.0, 5.0))
def test_correlations_are_those_of_the_eigenvalue_problem(getkey, ridge):
    x, y, w = random_pairs(getkey)
    ours = jfm.fit_cca(x, y, weights=w, ridge=ridge)
    np.testing.assert_allclose(ours.correlations, correlations(x, y, w, ridge), atol=1e-6)
    factor = jfm.solve_cca(jfm.pair_factor(x, y, w), ridge=ridge)
    np.testing.assert_allclose(factor.correlations, ours.correlations, atol=1e-5)
    joint = jfm.solve_cca(jfm.joint_moments((x, y), w), ridge=ridge)
    assert tree_allclose(joint.map.as_affine(), ours.map.as_affine(), rtol=1e-5, atol=1e-5)


def test_shared_coordinates_are_white_and_correlate_as_told(getkey):
    x, y, w = random_pairs(getkey)
    ours = jfm.fit_cca(x, y, 3, weights=w)
    a, b = np.float64(ours.source(x)), np.float64(ours.target(y))
    mean = lambda f: np.einsum("n,nij->ij", w, f) / np.float64(w).sum()
    np.testing.assert_allclose(mean(a[:, :, None] * a[:, None]), np.eye(3), atol=1e-5)
    np.testing.assert_allclose(mean(b[:, :, None] * b[:, None]), np.eye(3), atol=1e-5)
    across = mean(a[:, :, None] * b[:, None])
    np.testing.assert_allclose(across, np.diag(ours.correlations), atol=1e-5)
    np.testing.assert_allclose(np.average(a, axis=0, weights=w), 0, atol=1e-5)


def test_its_maps_keep_the_covariance_or_are_least_squares(getkey):
    x, y, _ = random_pairs(getkey)
    ours = jfm.fit_cca(x, y)
    covariance = lambda a: np.cov(np.float64(a), rowvar=False)
    assert relative_error(covariance(ours.map(x)), covariance(y)) < 1e-5
    np.testing.assert_allclose(np.mean(ours.map(x), 0), np.mean(y, 0), atol=1e-5)
    best = jfm.fit_affine(x, y)
    assert tree_allclose(ours.predictor.as_affine(), best, rtol=1e-4, atol=1e-5)


def test_invariant_to_the_bases_of_both_spaces(getkey):
    x, y, _ = random_pairs(getkey)
    a, b = jr.normal(getkey(), (6, 6)), jr.normal(getkey(), (4, 4))
    ours, other = jfm.fit_cca(x, y), jfm.fit_cca(x @ a + 3, y @ b)
    np.testing.assert_allclose(ours.correlations, other.correlations, atol=1e-5)
    np.testing.assert_allclose(ours.map(x) @ b, other.map(x @ a + 3), atol=1e-3)


def test_steep_rows_and_missing_directions(getkey):
    x = steep_rows(0, 300, 8, 1e4)
    y = np.float32(x / np.geomspace(1, 1e-4, 8) @ np.ones((8, 2)))
    y = y + np.float32(jr.normal(getkey(), y.shape))
    truth = correlations(x, y, np.ones(300))
    np.testing.assert_allclose(jfm.fit_cca(x, y).correlations, truth, atol=1e-6)
    flat = np.concatenate([x, x[:, :1]], axis=1)
    again = jfm.fit_cca(flat, y)
    np.testing.assert_allclose(again.correlations, truth, atol=1e-6)
    assert np.isfinite(again.map.left).all()


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input(getkey):
    x, y, _ = random_pairs(getkey)
    with pytest.raises(ValueError, match="share 1 to 4 directions: 5"):
        jfm.fit_cca(x, y, 5)
    with pytest.raises(ValueError, match="joint_moments of two models"):
        jfm.solve_cca(jfm.pair_moments(x, y))
    with pytest.warns(UserWarning, match="10 rows of widths 6 and 4 have"):
        few = jfm.fit_cca(x[:10], y[:10])
    assert few.correlations[0] > 0.99
    assert jax.tree.all(jax.tree.map(lambda a: bool(jnp.isfinite(a).all()), few))
