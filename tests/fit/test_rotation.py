import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.linalg

import jfacemap as jfm

from ..helpers import tree_allclose


def noisy_copy(key, n=80, d=6, k=6, noise=0.3):
    rows, turn, jitter = jr.split(key, 3)
    x = jr.normal(rows, (n, d))
    q = jr.orthogonal(turn, max(d, k))[:d, :k]
    return x, x @ q + noise * jr.normal(jitter, (n, k)), q


def proper(q):
    """`q` with its first row turned if its determinant is -1."""
    return q.at[0].multiply(jnp.sign(jnp.linalg.det(q)))


@pytest.mark.parametrize("reflection", (False, True))
def test_matches_scipy_and_kabsch(getkey, reflection):
    for _ in range(4):
        x, y, _ = noisy_copy(getkey(), noise=3.0)
        theirs, _ = scipy.linalg.orthogonal_procrustes(np.float64(x), np.float64(y))
        if not reflection and np.linalg.det(theirs) < 0:
            u, _, vt = np.linalg.svd(np.float64(x).T @ np.float64(y))
            theirs = (u * [1, 1, 1, 1, 1, -1]) @ vt
        ours = jfm.fit_rotation(x, y, reflection=reflection).rotation
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
        if not reflection:
            np.testing.assert_allclose(np.linalg.det(ours), 1, rtol=1e-5)


def test_recovers_the_turn_of_a_turned_copy(getkey):
    x, _, q = noisy_copy(getkey(), noise=0)
    q = proper(q)
    ours = jfm.fit_rotation(x, x @ q)
    np.testing.assert_allclose(ours.rotation, q, atol=1e-6)
    np.testing.assert_allclose(ours.inverse(ours(x)), x, atol=1e-5)


def test_preserves_angles_and_norms(getkey):
    x, y, _ = noisy_copy(getkey(), d=5, k=8)
    z = jfm.fit_rotation(x, y)(x)  # orthonormal rows: an isometry into the wider space
    np.testing.assert_allclose(z @ z.T, x @ x.T, atol=1e-5)


@pytest.mark.parametrize("d, k", ((6, 6), (8, 5), (5, 8)))
def test_no_random_rotation_does_better(getkey, d, k):
    x, y, _ = noisy_copy(getkey(), d=d, k=k, noise=1.0)
    gain = lambda r: jnp.sum((x @ r) * y)
    best = jfm.fit_rotation(x, y).rotation
    side = max(d, k)
    others = jr.orthogonal(getkey(), side, (500,))
    others = jax.vmap(proper)(others)
    assert gain(best) > jax.vmap(gain)(others[:, :d, :k]).max()
    near = jax.vmap(lambda e: jax.scipy.linalg.expm(1e-2 * (e - e.T)))(
        jr.normal(getkey(), (200, k, k))
    )
    assert gain(best) > jax.vmap(lambda t: gain(best @ t))(near).max()
    eye = best @ best.T if d < k else best.T @ best
    np.testing.assert_allclose(eye, jnp.eye(min(d, k)), atol=1e-6)


@pytest.mark.parametrize("d, k", ((6, 6), (8, 5)))
def test_the_way_back_is_the_transpose(getkey, d, k):
    x, y, _ = noisy_copy(getkey(), d=d, k=k)
    there, back = jfm.fit_rotation(x, y), jfm.fit_rotation(y, x)
    np.testing.assert_allclose(there.rotation, back.rotation.T, atol=1e-6)


def test_solve_weights_and_vmap(getkey):
    x, y, _ = noisy_copy(getkey())
    w = jr.uniform(getkey(), (80,))
    ours = jfm.fit_rotation(x, y, weights=w)
    root = jnp.sqrt(w)[:, None]
    assert tree_allclose(ours, jfm.fit_rotation(root * x, root * y), atol=1e-6)
    assert tree_allclose(ours, jfm.solve_rotation(jfm.pair_moments(x, y, w)), atol=1e-6)
    halves = jnp.stack([w, 1 - w])
    batch = eqx.filter_vmap(lambda w: jfm.fit_rotation(x, y, weights=w))(halves)
    np.testing.assert_allclose(batch.rotation[0], ours.rotation, atol=1e-6)


def test_fewer_rows_than_width_warns_and_stays_orthogonal(getkey):
    x, y, _ = noisy_copy(getkey(), n=3)
    with pytest.warns(UserWarning, match="3 rows do not determine a rotation"):
        ours = jfm.fit_rotation(x, y).rotation
    np.testing.assert_allclose(ours.T @ ours, jnp.eye(6), atol=1e-6)
    with pytest.warns(UserWarning):
        np.testing.assert_array_equal(ours, jfm.fit_rotation(x, y).rotation)


@pytest.mark.parametrize("d, k", ((6, 6), (5, 8), (8, 5)))
def test_similarity_recovers_scale_turn_and_shift(getkey, d, k):
    x, _, q = noisy_copy(getkey(), d=d, k=k)
    if d == k:
        q = proper(q)
    if d > k:  # rows within the directions the target sees
        x = x @ q @ q.T
    y = 2.5 * x @ q + 3
    ours = jfm.fit_similarity(x, y)
    np.testing.assert_allclose(ours(x), y, atol=1e-4)
    np.testing.assert_allclose(ours.scale, 2.5, rtol=1e-5)
    if d == k:
        np.testing.assert_allclose(ours.bias, 3, atol=1e-4)
        np.testing.assert_allclose(ours.rotation, q, atol=1e-5)
        np.testing.assert_allclose(ours.inverse(y), x, atol=1e-5)


def test_similarity_lies_between_rotation_and_affine(getkey):
    x, y, _ = noisy_copy(getkey())
    y = 1.7 * y + 1
    loss = lambda m: float(jnp.sum((m(x) - y) ** 2))
    fits = jfm.fit_rotation, jfm.fit_similarity, jfm.fit_affine
    rotation, similarity, affine = (loss(fit(x, y)) for fit in fits)
    assert affine < similarity < rotation
    m = jfm.fit_similarity(x, y)
    for other in (m.scale * 1.01, m.scale * 0.99):
        assert loss(eqx.tree_at(lambda m: m.scale, m, other)) > similarity
    assert tree_allclose(m, jfm.solve_similarity(jfm.pair_moments(x, y)), atol=1e-5)


def test_gradient_flows_through_a_rotation_fit(getkey):
    x, y, _ = noisy_copy(getkey())
    loss = lambda x: jnp.sum(jnp.sin(jfm.fit_rotation(x, y).rotation))
    slope = jax.grad(loss)(x)
    step = jr.normal(getkey(), x.shape)
    numeric = (loss(x + 1e-2 * step) - loss(x - 1e-2 * step)) / 2e-2
    np.testing.assert_allclose(jnp.sum(slope * step), numeric, rtol=2e-3)
