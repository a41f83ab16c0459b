import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.signal

from jfacemap.network.convolution import by_patches, by_platform, convolve_and_pool


x, kernel = jr.normal(jr.key(0), (2, 8, 12, 3)), jr.normal(jr.key(1), (4, 2, 5, 5))


def test_by_scipy():
    images, weights = np.float64(x), np.float64(kernel)
    flat = np.zeros((4, 4, 8, 3))
    for o, c, n in np.ndindex(4, 2, 3):
        flat[o, :, :, n] += scipy.signal.correlate2d(
            images[c, :, :, n], weights[o, c], "valid"
        )
    truth = flat.reshape(4, 2, 2, 4, 2, 3).max(axis=(2, 4))
    np.testing.assert_allclose(convolve_and_pool(x, kernel), truth, rtol=1e-5, atol=1e-5)


def test_both_ways_have_the_same_derivatives_under_vmap_too():
    pull = jr.normal(jr.key(2), (4, 2, 4, 3))
    loss = lambda way: jax.grad(lambda *a: jnp.vdot(way(*a), pull), argnums=(0, 1))
    ours, theirs = (loss(way)(x, kernel) for way in (by_patches, by_platform))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    stacked = jax.vmap(loss(by_patches), in_axes=(None, 0))(x, jnp.stack([kernel, -kernel]))
    np.testing.assert_allclose(stacked[1][0], ours[1], rtol=1e-4, atol=1e-4)


def test_of_equal_pixels_the_first_has_the_derivative():
    flat = jnp.zeros((1, 6, 6, 1))
    slope = jax.grad(lambda x: jnp.sum(by_patches(x, jnp.ones((1, 1, 5, 5)))))(flat)
    truth = np.zeros((6, 6))
    truth[:5, :5] = 1  # one pooled pixel, its first position
    np.testing.assert_array_equal(slope[0, :, :, 0], truth)


def test_bad_shapes(unchecked_types):
    for shape in ((3, 8, 12, 3), (2, 7, 12, 3), (2, 4, 12, 3)):
        with pytest.raises(ValueError, match="leaves even sides"):
            convolve_and_pool(jnp.zeros(shape), kernel)
