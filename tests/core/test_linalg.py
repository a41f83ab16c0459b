import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from jfacemap.core.linalg import solve_psd, unit


def test_unit_leaves_a_zero_row():
    rows = unit(jnp.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], rtol=1e-6)
    grad = jax.grad(lambda x: jnp.sum(unit(x)))(jnp.zeros((1, 2)))
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("rank", (3, 6))
def test_solve_psd_has_minimum_norm(getkey, rank):
    with jax.enable_x64(True):
        rows = jr.normal(getkey(), (rank, 6), "float64")
        b = jr.normal(getkey(), (6, 2), "float64")
        gram = rows.T @ rows
        target = gram @ b  # in the range, so a solution exists
        ours = jax.jit(solve_psd)(gram, target)
        stack = jnp.stack([gram, jnp.eye(6)])
        batch = jax.vmap(solve_psd, (0, None))(stack, target)
        theirs = np.linalg.pinv(gram, rcond=1e-10) @ target
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(batch[0], theirs, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(batch[1], target, rtol=1e-9)


def test_solve_psd_spreads_nan(getkey):
    assert np.isnan(solve_psd(jnp.full((3, 3), jnp.nan), jnp.ones((3, 1)))).all()


def test_half_precision_rows_become_unit_without_overflow():
    x = np.float16(np.random.default_rng(0).normal(size=(4, 32)) * 80)
    ours = unit(jnp.asarray(x))
    truth = np.float64(x) / np.linalg.norm(np.float64(x), axis=1, keepdims=True)
    assert ours.dtype == jnp.float16
    np.testing.assert_allclose(ours, truth, atol=1e-3)
