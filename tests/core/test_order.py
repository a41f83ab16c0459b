import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfacemap.core.order import first_least, largest


@pytest.mark.parametrize("shape", ((3, 5), (240, 80), (64, 4096)))
def test_largest_is_that_of_numpy(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x[0, 1] = x[1] = np.nan
    x[2, 3], x[2, 0] = np.inf, -np.inf
    for axis in (0, 1):
        ours = jax.jit(lambda x, axis=axis: largest(x, axis))(x)
        np.testing.assert_array_equal(ours, x.max(axis))
    assert largest(jnp.asarray(x), 1, keepdims=True).shape == (shape[0], 1)


def test_first_least_is_that_of_numpy():
    x = np.random.default_rng(0).integers(0, 3, (20, 7)).astype(np.float32)
    np.testing.assert_array_equal(first_least(jnp.asarray(x)), x.argmin(-1))
    assert first_least(jnp.full(4, jnp.nan)) == 4
