import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm


def test_centres_and_whitens(getkey):
    x = jr.normal(getkey(), (200, 5)) @ jr.normal(getkey(), (5, 5)) + 4
    centred = jfm.fit_standardize(x)(x)
    np.testing.assert_allclose(centred.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(centred, np.asarray(x) - np.asarray(x).mean(0), atol=1e-5)
    white = jfm.fit_standardize(x, whiten=True)
    z = white(x)
    np.testing.assert_allclose(z.T @ z / 200, jnp.eye(5), atol=1e-4)
    np.testing.assert_allclose(white.whitener, white.whitener.T, atol=1e-5)
    np.testing.assert_allclose(white.inverse(z), x, atol=1e-3)


def test_weights_choose_rows_and_nan_rows_may_be_left_out(getkey):
    x = jr.normal(getkey(), (20, 3))
    keep = jnp.arange(20) < 12
    w = keep.astype(jnp.float32)
    bad = jnp.where(keep[:, None], x, jnp.nan)
    for whiten in (False, True):
        ours = jfm.fit_standardize(bad, weights=w, whiten=whiten).as_affine()
        theirs = jfm.fit_standardize(x[:12], whiten=whiten).as_affine()
        np.testing.assert_allclose(ours.weight, theirs.weight, atol=1e-4)
        np.testing.assert_allclose(ours.bias, theirs.bias, atol=1e-4)


def test_a_direction_without_variance_is_dropped(getkey):
    x = jr.normal(getkey(), (50, 3)).at[:, 1].set(2.0)
    z = jfm.fit_standardize(x, whiten=True)(x)
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z[:, 1], 0, atol=1e-5)


@pytest.mark.usefixtures("unchecked_types")
def test_refuses_a_vector():
    with pytest.raises(ValueError, match="rows are samples"):
        jfm.fit_standardize(jnp.zeros(3))


def test_gradient_through_a_whitener_of_lacking_rank(getkey):
    x, step = jr.normal(getkey(), (2, 4, 6))
    loss = lambda x: jnp.sum(jnp.sin(jfm.fit_standardize(x, whiten=True).whitener))
    ours = jnp.vdot(jax.grad(loss)(x), step)

    def truth(t):
        rows = np.float64(x) + t * np.float64(step)
        s, v = np.linalg.eigh(np.cov(rows.T, bias=True))
        keep = s > 1e-10
        return np.sin(v[:, keep] / np.sqrt(s[keep]) @ v[:, keep].T).sum()

    np.testing.assert_allclose(ours, (truth(1e-5) - truth(-1e-5)) / 2e-5, rtol=1e-3)
