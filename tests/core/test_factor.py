import functools as ft

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm

from ..helpers import least_squares, relative_error, steep_rows


def parts(cuts, *arrays):
    return zip(*(jnp.split(a, cuts) for a in arrays), strict=True)


@pytest.mark.parametrize("batch", (1, 7, 50))
def test_stream_has_the_gram_of_the_whole(getkey, batch):
    x, y = jr.normal(getkey(), (2, 50, 4)) + 2
    w = jr.uniform(getkey(), (50,))
    cuts = list(range(batch, 50, batch))
    factors = [jfm.pair_factor(*rows) for rows in parts(cuts, x, y, w)]
    factor = ft.reduce(jfm.merge, factors, jfm.PairFactor.zero(4, 4))
    rows = np.concatenate([np.ones((50, 1)), x, y], axis=1) * np.sqrt(w)[:, None]
    np.testing.assert_allclose(factor.r.T @ factor.r, rows.T @ rows, rtol=2e-5, atol=1e-4)
    np.testing.assert_allclose(factor.means[0], w @ x / w.sum(), rtol=1e-5)
    assert factor.count == 50


@pytest.mark.parametrize("ridge", (0.0, 1e-3))
@pytest.mark.parametrize("solve", (jfm.solve_linear, jfm.solve_affine))
def test_float32_survives_a_steep_spectrum(solve, ridge):
    x = steep_rows(0, 600, 32, 1e4)
    y = np.float32(x @ np.random.default_rng(1).normal(size=(32, 8))) + np.float32(0.5)
    ours = solve(jfm.pair_factor(jnp.asarray(x), jnp.asarray(y)), ridge=ridge)
    truth, _ = least_squares(x, y, ridge=ridge, centred=solve is jfm.solve_affine)
    assert ours.weight.dtype == jnp.float32
    assert relative_error(ours.weight, truth) < 2e-3  # 3 eps condition; a Gram has NaN


def test_lacking_rank_gives_the_least_norm(getkey):
    x, y = jr.normal(getkey(), (5, 8)), jr.normal(getkey(), (5, 3))
    ours = jfm.solve_linear(jfm.pair_factor(x, y)).weight
    np.testing.assert_allclose(ours, np.linalg.pinv(x) @ y, atol=1e-4)


def test_rows_of_zero_weight_leave_no_trace_even_if_nan(getkey):
    x, y = jr.normal(getkey(), (2, 20, 3))
    bad = x.at[3].set(jnp.nan)
    ours = jfm.pair_factor(bad, y, jnp.ones(20).at[3].set(0))
    keep = np.arange(20) != 3
    theirs = jfm.pair_factor(x[keep], y[keep])
    np.testing.assert_allclose(
        ours.r.T @ ours.r, theirs.r.T @ theirs.r, rtol=1e-4, atol=1e-4
    )
    assert ours.count == 19


def test_moments_are_those_of_the_rows(getkey):
    x, y, w = jr.normal(getkey(), (40, 5)) + 2, jr.normal(getkey(), (40, 3)), jnp.ones(40)
    ours = jfm.pair_factor(x, y, w.at[:7].set(3)).moments
    theirs = jfm.pair_moments(x, y, w.at[:7].set(3))
    for name in ("count", "mass", "mean_x", "mean_y", "xx", "xy", "yy"):
        ours_, theirs_ = getattr(ours, name), np.asarray(getattr(theirs, name))
        np.testing.assert_allclose(ours_, theirs_, rtol=1e-4, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("solve", (jfm.solve_rotation, jfm.solve_similarity))
def test_rotations_are_read_off_a_factor_too(getkey, solve):
    x, y = jr.normal(getkey(), (80, 5)) + 1, jr.normal(getkey(), (80, 5))
    ours, theirs = (solve(f(x, y)) for f in (jfm.pair_factor, jfm.pair_moments))
    np.testing.assert_allclose(ours.rotation, theirs.rotation, atol=2e-5)


@pytest.mark.parametrize("dtype", (jnp.float16, jnp.bfloat16))
def test_half_precision_rows_are_factored_in_float32(getkey, dtype):
    x, y = (jnp.asarray(a, dtype) for a in jr.normal(getkey(), (2, 50, 4)))
    factor = jfm.pair_factor(x, y)
    assert factor.r.dtype == jnp.float32
    truth, _ = least_squares(*(np.asarray(a, np.float64) for a in (x, y)))
    assert relative_error(jfm.solve_linear(factor).weight, truth) < 1e-5


def test_gradient_in_weights_is_finite_where_one_is_zero(getkey):
    x, y = jr.normal(getkey(), (2, 20, 3))
    loss = lambda w: jnp.sum(jfm.solve_linear(jfm.pair_factor(x, y, w)).weight)
    assert np.isfinite(jax.grad(loss)(jnp.linspace(0, 1, 20))).all()
