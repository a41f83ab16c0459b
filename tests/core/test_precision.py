"""Float64 inside in every composition: the error against float64 truth is the test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm

from ..helpers import least_squares, relative_error, steep_rows


x = steep_rows(0, 400, 24, 1e4)
y = np.float32(x @ np.random.default_rng(1).normal(size=(24, 8)) + 1e-3)
truth, _ = least_squares(x, y)
bound = 1e-6
fit = lambda x, y: jfm.fit_linear(x, y).weight
loss = lambda x, y: jnp.sum(jnp.sin(fit(x, y)))

compositions = {
    "eager": lambda f, x, y: f(x, y),
    "jit": lambda f, x, y: jax.jit(f)(x, y),
    "vmap": lambda f, x, y: jax.vmap(f)(x[None], y[None])[0],
    "jit(vmap)": lambda f, x, y: jax.jit(jax.vmap(f))(x[None], y[None])[0],
    "vmap(jit)": lambda f, x, y: jax.vmap(jax.jit(f))(x[None], y[None])[0],
    "vmap(vmap(jit))": lambda f, x, y: jax.vmap(jax.vmap(jax.jit(f)))(
        x[None, None], y[None, None]
    )[0, 0],
    "vmap over one": lambda f, x, y: jax.vmap(f, (None, 0))(x, y[None])[0],
    "lax.map(jit)": lambda f, x, y: jax.lax.map(
        lambda rows: jax.jit(f)(*rows), (x[None], y[None])
    )[0],
    "scan": lambda f, x, y: jax.lax.scan(
        lambda carry, rows: (carry, f(*rows)), 0, (x[None], y[None])
    )[1][0],
}
each_composition = pytest.mark.parametrize(
    "compose", compositions.values(), ids=compositions
)


def procrustes(x, y):
    """Float64 truth: the rotation (of unequal widths here, so of no sign) by NumPy."""
    u, _, vt = np.linalg.svd(np.float64(x).T @ np.float64(y), full_matrices=False)
    return u @ vt


centred = [z - np.float64(z).mean(axis=0) for z in (x, y)]
joint = lambda x, y: jfm.joint_moments([x, y])
solvers = {
    "fit_linear": (fit, truth),
    "fit_affine": (
        lambda x, y: jfm.fit_affine(x, y).weight,
        least_squares(x, y, centred=True)[0],
    ),
    "fit_rotation": (lambda x, y: jfm.fit_rotation(x, y).rotation, procrustes(x, y)),
    "fit_similarity": (
        lambda x, y: jfm.fit_similarity(x, y).rotation,
        procrustes(*centred),
    ),
    "solve_linear": (lambda x, y: jfm.solve_linear(jfm.pair_moments(x, y)).weight, truth),
    "merge": (
        lambda x, y: (
            jfm.solve_linear(
                jfm.merge(
                    jfm.pair_moments(x[:99], y[:99]), jfm.pair_moments(x[99:], y[99:])
                )
            ).weight
        ),
        truth,
    ),
    "fit_all_pairs linear": (
        lambda x, y: jfm.fit_all_pairs(joint(x, y), "linear")[0, 1].weight,
        truth,
    ),
    "fit_all_pairs rotation": (
        lambda x, y: jfm.fit_all_pairs(joint(x, y), "rotation")[0, 1].rotation,
        procrustes(x, y),
    ),
}


@each_composition
@pytest.mark.parametrize("solver", solvers)
def test_value(compose, solver):
    solve, truth = solvers[solver]
    ours = compose(solve, jnp.asarray(x), jnp.asarray(y))
    assert ours.dtype == jnp.float32
    assert relative_error(ours, truth) < bound


@each_composition
def test_gradient(compose):
    with jax.enable_x64(True):
        solve = lambda x, y: jnp.sum(jnp.sin(jnp.linalg.solve(x.T @ x, x.T @ y)))
        wide = jnp.asarray(x, jnp.float64), jnp.asarray(y, jnp.float64)
        theirs = np.asarray(jax.grad(solve)(*wide))
    ours = compose(jax.grad(loss), jnp.asarray(x), jnp.asarray(y))
    assert relative_error(ours, theirs) < 1e-5


def test_the_same_solve_in_float32_is_far_off():
    """The bound above could fail: this is what a silent float32 fallback gives."""
    gram = jnp.asarray(x).T @ jnp.asarray(x)
    weight = jnp.linalg.solve(gram, jnp.asarray(x).T @ jnp.asarray(y))
    assert relative_error(weight, truth) > 100 * bound


def test_wide_keeps_48_bits_through_stack_and_scan():
    moments = jfm.pair_moments(jnp.asarray(x), jnp.asarray(y))
    whole = np.float64(x - np.float64(x).mean(0))
    assert relative_error(moments.xx, whole.T @ whole) < 1e-14
    stacked = jax.tree.map(lambda a: jnp.stack([a, a]), moments)
    _, out = jax.lax.scan(lambda c, m: (c, jfm.solve_linear(m).weight), 0, stacked)
    assert relative_error(out[1], truth) < bound


def test_users_flag_gives_float64_maps():
    with jax.enable_x64(True):
        wide = jnp.asarray(x, jnp.float64), jnp.asarray(y, jnp.float64)
        ours = fit(*wide)
        moments = jfm.pair_moments(*wide)
    assert ours.dtype == jnp.float64 and moments.xx.high.dtype == jnp.float64
    assert relative_error(ours, truth) < 1e-7


def test_flag_with_float32_rows_changes_nothing():
    rows = jnp.asarray(x), jnp.asarray(y)
    with jax.enable_x64(True):
        ours = fit(*rows)
    assert ours.dtype == jnp.float32
    np.testing.assert_array_equal(ours, fit(*rows))


@pytest.mark.parametrize("dtype", (jnp.float16, jnp.bfloat16))
def test_half_rows_give_float32_maps(dtype):
    rows = jnp.asarray(x, dtype), jnp.asarray(y, dtype)
    ours = fit(*rows)
    theirs, _ = least_squares(*(np.asarray(r, np.float64) for r in rows))
    assert ours.dtype == jnp.float32
    assert relative_error(ours, theirs) < bound
