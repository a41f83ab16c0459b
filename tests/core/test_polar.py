import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.linalg
from jax.test_util import check_grads

from jfacemap.core.polar import polar


def spectrum(seed, d, k, values):
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (d, k))
    m = min(d, k)
    return u[:, :m] * np.asarray(values) @ v[:, :m].T, u[:, :m] @ v[:, :m].T


@pytest.mark.parametrize("shape", ((6, 6), (9, 4), (4, 9)))
@pytest.mark.parametrize("least", (1.0, 1e-3, 1e-7, 1e-12))
def test_matches_the_singular_vectors(shape, least):
    c, truth = spectrum(0, *shape, np.geomspace(1, least, min(shape)))
    with jax.enable_x64(True):
        ours = np.asarray(polar(jnp.asarray(c), reflection=True))
    # One direction is known to eps / (least singular value); no method does better.
    np.testing.assert_allclose(ours, truth, atol=1e-14 / least**1.0 + 1e-12)
    eye = ours @ ours.T if shape[0] <= shape[1] else ours.T @ ours
    np.testing.assert_allclose(eye, np.eye(min(shape)), atol=1e-12)


@pytest.mark.parametrize("least", (0.5, 1e-10))
def test_a_proper_rotation_gives_up_the_least_direction(least):
    c, q = spectrum(1, 5, 5, [2.0, 1.5, 1.2, 1.0, least])
    flipped = c if np.linalg.det(q) < 0 else c * np.array([-1, 1, 1, 1, 1])[:, None]
    with jax.enable_x64(True):
        ours = np.asarray(polar(jnp.asarray(flipped)))
    u, s, vt = np.linalg.svd(flipped)
    assert np.linalg.det(u @ vt) < 0
    best = (u * [1, 1, 1, 1, -1]) @ vt
    np.testing.assert_allclose(np.linalg.det(ours), 1)
    np.testing.assert_allclose(np.trace(ours.T @ flipped), s.sum() - 2 * s[-1], rtol=1e-12)
    np.testing.assert_allclose(ours, best, atol=1e-5)


def test_rank_deficient_is_orthogonal_and_deterministic(getkey):
    with jax.enable_x64(True):
        rows = jr.normal(getkey(), (2, 6), "float64")
        c = rows.T @ jr.normal(getkey(), (2, 6), "float64")
        a, b = jax.jit(polar)(c), jax.vmap(polar)(c[None])[0]
    a, b, c = map(np.asarray, (a, b, c))
    np.testing.assert_allclose(a.T @ a, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(a), 1)
    np.testing.assert_allclose(np.trace(a.T @ c), np.linalg.svd(c)[1].sum(), rtol=1e-12)
    np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("shape", ((4, 4), (6, 3), (3, 6)))
@pytest.mark.parametrize("reflection", (False, True))
def test_gradient_even_with_equal_singular_values(shape, reflection):
    q = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0]
    equal = q[: shape[0], : shape[1]] if shape[0] == shape[1] else None
    generic, _ = spectrum(2, *shape, np.linspace(2, 1, min(shape)))
    with jax.enable_x64(True):
        f = lambda c: polar(jnp.asarray(c), reflection)
        check_grads(f, (jnp.asarray(generic),), 1, modes=("rev",), atol=1e-6, rtol=1e-6)
        if equal is not None:
            c = jnp.asarray(spectrum(5, *shape, np.ones(4))[0])
            if np.linalg.det(c) < 0 and not reflection:
                c = c * jnp.array([-1, 1, 1, 1])[:, None].astype(c.dtype)
            check_grads(f, (c,), 1, modes=("rev",), atol=1e-5, rtol=1e-5)


def test_agrees_with_scipy_polar(getkey):
    with jax.enable_x64(True):
        c = jr.normal(getkey(), (7, 7), "float64")
        ours = polar(c, reflection=True)
    np.testing.assert_allclose(ours, scipy.linalg.polar(c)[0], atol=1e-12)
