import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from jfacemap.core.linalg import inverse_root, solve_psd, unit


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


def test_unit_says_nan_where_a_length_overflows():
    x = jnp.array([[1e20, 1e20], [jnp.inf, 1.0], [jnp.nan, 1.0], [1e-30, 0.0]])
    ours = np.asarray(unit(x))
    assert np.isnan(ours[:3]).all()
    np.testing.assert_array_equal(ours[3], 0)


@pytest.mark.parametrize("rank", (3, 6))
def test_gradient_of_solve_psd_is_that_of_the_pseudo_inverse(getkey, rank):
    """By differences along changes of the rows, which keep the rank of the Gram matrix."""
    with jax.enable_x64(True):
        rows = jr.normal(getkey(), (rank, 6), "float64")
        b, step = jr.normal(getkey(), (rank, 2), "float64"), jr.normal(getkey(), rows.shape)
        loss = lambda rows: jnp.sum(jnp.sin(solve_psd(rows.T @ rows, rows.T @ b)))
        ours = jnp.vdot(jax.grad(loss)(rows), step)
        pinv = lambda t: np.sin(np.linalg.pinv(rows + t * step) @ b).sum()
        theirs = (pinv(1e-6) - pinv(-1e-6)) / 2e-6
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_gradient_of_solve_psd_with_a_side_out_of_range(getkey):
    with jax.enable_x64(True):
        rows, step = jr.normal(getkey(), (2, 3, 6), "float64")
        b = jr.normal(getkey(), (6, 2), "float64")
        loss = lambda rows: jnp.sum(jnp.sin(solve_psd(rows.T @ rows, b)))
        ours = jnp.vdot(jax.grad(loss)(rows), step)

        def pinv(t):
            moved = rows + t * step
            return np.sin(np.linalg.pinv(moved.T @ moved, rcond=1e-10) @ b).sum()

        theirs = (pinv(1e-6) - pinv(-1e-6)) / 2e-6
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("rank", (3, 5))
def test_inverse_root_and_its_derivative(getkey, rank):
    with jax.enable_x64(True):
        rows, step = jr.normal(getkey(), (2, rank, 5), "float64")
        gram = lambda t: (rows + t * step).T @ (rows + t * step)

        def truth(t):
            s, v = np.linalg.eigh(gram(t))
            keep = s > 1e-10
            return v[:, keep] / np.sqrt(s[keep]) @ v[:, keep].T

        ours, slope = jax.jvp(lambda t: inverse_root(gram(t)), (0.0,), (1.0,))
        np.testing.assert_allclose(ours, truth(0), rtol=1e-8, atol=1e-9)
        theirs = (truth(1e-6) - truth(-1e-6)) / 2e-6
        np.testing.assert_allclose(slope, theirs, rtol=1e-5, atol=1e-6)
        back = jax.grad(lambda a: jnp.sum(inverse_root(a)))(jnp.eye(5))
        assert np.isfinite(back).all()  # equal eigenvalues
