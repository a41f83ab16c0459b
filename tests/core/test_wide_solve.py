"""Least squares from moments without float64, against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

import jfacemap as jfm
from jfacemap.core.linalg import solve_psd
from jfacemap.core.wide import as_wide
from jfacemap.core.wide_solve import solve_wide

from ..helpers import least_squares, relative_error, steep_rows


rng = np.random.default_rng(1)
normal = lambda *shape: rng.normal(size=shape).astype(np.float32)
whole = lambda *shape: np.round(64 * normal(*shape))  # their products are exact


def pairs(condition, d=16, k=6, n=300):
    x = steep_rows(0, n, d, condition)
    y = x @ rng.normal(size=(d, k)) + 1e-3 / condition * rng.normal(size=(n, k))
    return x, (y + 0.5).astype(np.float32)


def test_maps_at_condition_1e4(no_float64):
    x, y = pairs(1e4)
    joint = jfm.joint_moments((x, y))
    for kind, solve in (("linear", jfm.solve_linear), ("affine", jfm.solve_affine)):
        weight, bias = least_squares(x, y, centred=kind == "affine")
        ours = jfm.fit_all_pairs(joint, kind)[0, 1].as_affine()
        assert ours.weight.dtype == jnp.float32
        assert relative_error(ours.weight, weight) < 1e-6
        assert relative_error(solve(joint.pair(0, 1)).weight, weight) < 1e-6
        if kind == "affine":
            assert relative_error(ours.bias, bias) < 1e-5
    # As before: the same moments in float32 have no such map.
    m = joint.pair(0, 1)
    coarse = solve_psd(m.xx.high, m.xy.high)
    assert relative_error(coarse, least_squares(x, y, centred=True)[0]) > 1e-2


def test_a_ridge(no_float64):
    x, y = pairs(1e3)
    for ridge in (1e-5, np.float32(0.1)):
        ours = jfm.solve_affine(jfm.pair_moments(x, y), ridge=jnp.asarray(ridge)).weight
        truth, _ = least_squares(x, y, ridge=float(np.float32(ridge)), centred=True)
        assert relative_error(ours, truth) < 1e-6


solve = jax.jit(jax.vmap(solve_wide))
wide = lambda *arrays: [jax.tree.map(lambda x: x[None], as_wide(x)) for x in arrays]


def test_columns_of_any_scale_and_lacking_rank_side_by_side():
    """One member of a batch takes the other path; neither is the worse for it."""
    x = whole(40, 8)
    scales = np.exp2(np.arange(-12, 20, 4, dtype=np.float32))
    short = np.concatenate([x[:, :5], x[:, :3] - x[:, 2:5]], axis=1)
    y = whole(40, 3)
    rows = np.stack([x * scales, short, 0 * x])
    gram, cross = (np.swapaxes(rows, 1, 2) @ z for z in (rows, y))
    ours = solve(as_wide(jnp.asarray(gram)), as_wide(jnp.asarray(cross)))
    full, least, none = (
        np.asarray(ours) * np.stack([scales, 1 + 0 * scales] * 2)[:3, :, None]
    )
    assert relative_error(full, np.linalg.lstsq(np.float64(x), y, rcond=None)[0]) < 1e-6
    assert relative_error(least, np.linalg.pinv(np.float64(short)) @ y) < 1e-5
    assert not none.any()


def test_fewer_rows_than_columns(no_float64):
    x, y = normal(9, 16), normal(9, 4)
    ours = jfm.solve_linear(jfm.pair_moments(x, y)).weight
    assert relative_error(ours, np.linalg.pinv(np.float64(x)) @ y) < 1e-4


def test_nan_stays_nan():
    a = jnp.full((8, 8), jnp.nan)
    assert np.isnan(solve(*wide(a, jnp.ones((8, 3))))).any()


def test_the_slope_is_that_of_a_solution():
    x = normal(30, 5)
    a, b = x.T @ x, normal(5, 2)
    both = lambda f: jax.grad(lambda a, b: jnp.sum(jnp.sin(f((a + a.T) / 2, b))), (0, 1))(
        jnp.asarray(a), jnp.asarray(b)
    )
    ours, theirs = both(lambda a, b: solve_wide(as_wide(a), as_wide(b))), both(solve_psd)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
