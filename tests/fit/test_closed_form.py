import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.linear_model import Ridge

import jfacemap as jfm

from ..helpers import least_squares, relative_error, steep_rows, tree_allclose


fits = jfm.fit_linear, jfm.fit_affine
each_fit = pytest.mark.parametrize("fit", fits)


def random_pairs(getkey, *batch, n=50):
    draw = lambda *shape: jr.normal(getkey(), (*batch, *shape))
    return draw(n, 6) + 1, draw(n, 4), jnp.abs(draw(n))


@each_fit
@pytest.mark.parametrize("weighted", (False, True))
@pytest.mark.parametrize("ridge", (0.0, 3.0))
def test_matches_sklearn(getkey, fit, ridge, weighted):
    x, y, w = random_pairs(getkey)
    w = w if weighted else None
    oracle = Ridge(ridge, fit_intercept=fit is jfm.fit_affine, solver="svd")
    theirs = oracle.fit(np.float64(x), np.float64(y), w).predict(np.float64(x))
    ours = fit(x, y, weights=w, ridge=ridge)(x)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@each_fit
@pytest.mark.parametrize("condition, bound", ((1e1, 1e-7), (1e4, 1e-6)))
def test_float32_rows_meet_float64_truth(fit, condition, bound):
    x = steep_rows(0, 3000, 64, condition)
    y = x @ np.random.default_rng(1).normal(size=(64, 16)).astype("float32")
    y = np.float32(y + 0.1 * y.std() * np.random.default_rng(2).normal(size=y.shape))
    ours = fit(jnp.asarray(x), jnp.asarray(y))
    weight, bias = least_squares(x, y, centred=fit is jfm.fit_affine)
    assert relative_error(ours.weight, weight) < bound
    if fit is jfm.fit_affine:
        assert relative_error(ours.bias, bias) < bound


def test_numpy_rows_are_welcome(getkey):
    x, y, w = map(np.asarray, random_pairs(getkey))
    ours = jfm.fit_affine(x, y, weights=w)
    assert tree_allclose(ours, jfm.fit_affine(jnp.asarray(x), jnp.asarray(y), weights=w))


@each_fit
def test_vmap_is_a_loop(getkey, fit):
    x, y, w = random_pairs(getkey, 3)
    one = lambda x, y, w, ridge: fit(x, y, weights=w, ridge=ridge)
    ridges = jnp.array([0.0, 0.1, 10.0])
    loop = [one(x[i], y[i], w[i], ridges[i]) for i in range(3)]
    batched = eqx.filter_vmap(one)(x, y, w, ridges)
    assert tree_allclose(batched, jax.tree.map(lambda *a: jnp.stack(a), *loop))


@pytest.mark.parametrize(
    "fit, solve", ((jfm.fit_linear, jfm.solve_linear), (jfm.fit_affine, jfm.solve_affine))
)
def test_fit_is_solve_of_any_statistic(getkey, fit, solve):
    x, y, w = random_pairs(getkey)
    whole = fit(x, y, weights=w, ridge=0.5)
    moments = jfm.merge(
        jfm.pair_moments(x[:13], y[:13], w[:13]), jfm.pair_moments(x[13:], y[13:], w[13:])
    )
    assert tree_allclose(solve(moments, ridge=0.5), whole, rtol=1e-6, atol=1e-7)
    joint = jfm.joint_moments((y, x), w)
    assert tree_allclose(solve(joint.pair(1, 0), ridge=0.5), whole, rtol=1e-6, atol=1e-7)
    factor = jfm.pair_factor(x, y, w)
    assert tree_allclose(solve(factor, ridge=0.5), whole, rtol=1e-4, atol=1e-5)


@each_fit
def test_a_weight_counts_rows(getkey, fit):
    x, y, _ = random_pairs(getkey, n=20)
    times = np.arange(20) % 3
    repeated = fit(jnp.repeat(x, times, axis=0), jnp.repeat(y, times, axis=0))
    weighted = fit(x, y, weights=jnp.asarray(times, jnp.float32))
    assert tree_allclose(weighted, repeated, rtol=1e-5, atol=1e-6)


def test_affine_residual_is_at_most_linear(getkey):
    x, y, _ = random_pairs(getkey)
    residual = lambda m: jnp.sum((m(x) - y) ** 2)
    linear, affine = (residual(fit(x, y)) for fit in fits)
    assert affine < linear
    best = jfm.fit_linear(x, y).weight
    for step in 1e-2 * jr.normal(getkey(), (20, *best.shape)):
        assert linear < residual(jfm.LinearMap(best + step))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**30), scale=st.floats(1e-3, 1e3))
def test_equivariance(seed, scale):
    """Fitting commutes with scaling the target and turning the source."""
    rng = np.random.default_rng(seed)
    x, y = (jnp.asarray(rng.normal(size=(30, 5)), jnp.float32) for _ in range(2))
    q = jnp.asarray(np.linalg.qr(rng.normal(size=(5, 5)))[0], jnp.float32)
    base = jfm.fit_linear(x, y).weight
    scaled = jfm.fit_linear(x, jnp.float32(scale) * y).weight
    np.testing.assert_allclose(scaled, scale * base, rtol=1e-4, atol=1e-5 * scale)
    turned = jfm.fit_linear(x @ q, y).weight
    np.testing.assert_allclose(q @ turned, base, rtol=1e-4, atol=1e-4)


@each_fit
def test_fewer_rows_than_width_warns_and_gives_the_least_norm(getkey, fit):
    x, y, _ = random_pairs(getkey, n=4)
    with pytest.warns(UserWarning, match="4 rows do not determine a map from width 6"):
        ours = fit(x, y)
    weight, _ = least_squares(x, y, centred=fit is jfm.fit_affine)
    assert relative_error(ours.weight, weight) < 1e-5
    np.testing.assert_allclose(ours(x), y, atol=1e-5)


def test_dependent_columns_give_the_least_norm_by_value(getkey):
    x, y, _ = random_pairs(getkey)
    x = jnp.concatenate([x, x[:, :2]], axis=1)
    ours = jfm.fit_linear(x, y)
    assert relative_error(ours.weight, least_squares(x, y)[0]) < 1e-5
    mixed = jnp.stack([x, jr.normal(getkey(), x.shape)])
    batch = eqx.filter_vmap(jfm.fit_linear)(mixed, jnp.stack([y, y]))
    np.testing.assert_allclose(batch.weight[0], ours.weight, atol=1e-6)
    assert relative_error(batch.weight[1], least_squares(mixed[1], y)[0]) < 1e-6


def test_equal_rows_say_nothing_whatever_their_weights(getkey):
    """Centred by a mean that is rounded, they would have a spread of rounding."""
    x, y, w = random_pairs(getkey)
    same = jnp.broadcast_to(x[:1], x.shape)
    m = jfm.fit_affine(same, y, weights=w)
    np.testing.assert_allclose(m.weight, 0, atol=1e-6)
    np.testing.assert_allclose(m.bias, np.average(y, axis=0, weights=w), rtol=1e-5)
    # A spread that float32 rows can just show is none of rounding.
    near = jnp.where(jnp.arange(50)[:, None] % 2 == 0, same, same * (1 + 3e-7))
    m = jfm.fit_affine(near, y, weights=w)
    half = [np.average(y[i::2], axis=0, weights=w[i::2]) for i in range(2)]
    steps = np.float64(near[1]) - np.float64(near[0])
    gap = steps @ np.float64(m.weight)
    np.testing.assert_allclose(gap, half[1] - half[0], rtol=1e-4)


def test_nan_is_loud_unless_its_row_has_no_weight(getkey):
    x, y, w = random_pairs(getkey)
    bad = x.at[7, 2].set(jnp.nan)
    assert jnp.isnan(jfm.fit_linear(bad, y).weight).all()
    ours = jfm.fit_linear(bad, y, weights=w.at[7].set(0))
    theirs = jfm.fit_linear(x, y, weights=w.at[7].set(0))
    assert tree_allclose(ours, theirs)


@pytest.mark.usefixtures("unchecked_types")
@each_fit
def test_refuses_rows_that_do_not_pair_up(fit):
    with pytest.raises(ValueError, match=r"\(5, 3\).*\(4, 3\)"):
        fit(jnp.zeros((5, 3)), jnp.zeros((4, 3)))


@each_fit
def test_wrong_ridges_are_refused(getkey, fit):
    x, y, _ = random_pairs(getkey)
    for ridge in (-1.0, float("nan"), jnp.asarray(-1e-3)):
        with pytest.raises(ValueError, match="A ridge is a penalty from 0 on"):
            fit(x, y, ridge=ridge)
    for solve in (jfm.solve_linear, jfm.solve_affine):
        with pytest.raises(ValueError, match="got -2"):
            solve(jfm.pair_moments(x, y), ridge=-2)


@each_fit
def test_lists_are_arrays_and_whole_numbers_are_not_rows(getkey, fit, unchecked_types):
    x, y, w = random_pairs(getkey)
    ours = fit(np.asarray(x), np.asarray(y), weights=w.tolist())
    assert tree_allclose(ours, fit(x, y, weights=w))
    assert fit(x.tolist(), y.tolist()).weight.shape == (x.shape[1], y.shape[1])
    with pytest.raises(ValueError, match="y holds int32; pass it as float32"):
        fit(x, jnp.ones(y.shape, jnp.int32))
