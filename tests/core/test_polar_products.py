"""The polar factor by products, as accelerators find it, run here on a CPU."""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.core.polar import by_decompositions, polar
from jfacemap.core.polar_products import by_products
from jfacemap.core.wide import Wide

from ..helpers import relative_error, steep_rows
from .test_polar import spectrum


compiled = jax.jit(by_products, static_argnums=1)


def as_wide(c):
    high = jnp.asarray(c, jnp.float32)
    return Wide(high, jnp.asarray(c - np.asarray(high, np.float64), jnp.float32))


@pytest.mark.parametrize("least", (1.0, 1e-3, 1e-10))
def test_matches_the_singular_vectors_in_float64(least):
    c, truth = spectrum(0, 9, 6, np.geomspace(1, least, 6))
    with jax.enable_x64(True):
        ours = np.asarray(compiled(jnp.asarray(7 * c), True))
    np.testing.assert_allclose(ours, truth, atol=1e-14 / least + 1e-13)
    np.testing.assert_allclose(ours.T @ ours, np.eye(6), atol=1e-13)


@pytest.mark.parametrize("least, bound", ((1.0, 1e-6), (1e-7, 1e-6), (1e-9, 1e-4)))
def test_of_a_wide_matrix_it_has_digits_that_float32_lacks(least, bound):
    c, truth = spectrum(0, 6, 6, np.geomspace(1, least, 6))
    ours = np.asarray(compiled(as_wide(c), True))
    np.testing.assert_allclose(ours, truth, atol=bound)
    if least < 1:
        plain = by_decompositions(jnp.asarray(c, jnp.float32), True)
        assert relative_error(plain, truth) > 10 * bound


@pytest.mark.parametrize("least", (0.5, 1e-5))
@pytest.mark.parametrize("wide", (False, True))
def test_a_proper_rotation_gives_up_the_least_direction(wide, least):
    c, q = spectrum(1, 5, 5, [2.0, 1.5, 1.2, 1.0, least])
    flipped = c if np.linalg.det(q) < 0 else c * np.array([-1, 1, 1, 1, 1])[:, None]
    u, s, vt = np.linalg.svd(flipped)
    best = (u * [1, 1, 1, 1, -1]) @ vt
    with jax.enable_x64(not wide):
        given = as_wide(flipped) if wide else jnp.asarray(flipped)
        ours = np.asarray(compiled(given, False), np.float64)
    np.testing.assert_allclose(ours, best, atol=2e-6 if wide else 1e-9)
    np.testing.assert_allclose(np.linalg.det(ours), 1, rtol=1e-5)
    assert np.trace(ours.T @ flipped) > (1 - 1e-6) * (s.sum() - 2 * s[-1])


def test_lacking_rank_is_completed_under_vmap_too():
    rng = np.random.default_rng(2)
    full = rng.normal(size=(6, 6))
    short = full[:, :2] @ full[:2]
    batch = np.stack([full, short, 0 * full])
    with jax.enable_x64(True):
        ours = jax.jit(jax.vmap(ft.partial(by_products, reflection=True)))(batch)
    for c, q in zip(batch, np.asarray(ours), strict=True):
        np.testing.assert_allclose(q.T @ q, np.eye(6), atol=1e-12)
        np.testing.assert_allclose(np.trace(q.T @ c), np.linalg.svd(c)[1].sum(), rtol=1e-12)


def test_nan_stays_nan():
    assert np.isnan(compiled(jnp.full((4, 4), jnp.nan), False)).all()


def test_a_wide_one_has_the_slope_of_the_other():
    c, _ = spectrum(4, 3, 5, [2.0, 1.0, 0.7])
    loss = lambda c: jnp.sum(jnp.sin(polar(c)))
    ours, theirs = jax.grad(loss)(as_wide(c)), jax.grad(loss)(jnp.asarray(c, jnp.float32))
    np.testing.assert_allclose(ours.high, theirs, atol=1e-5)
    np.testing.assert_array_equal(ours.high, ours.low)


def test_rotations_at_condition_1e4(no_float64):
    """Of rows: the cross product's condition is its square."""
    x = steep_rows(0, 300, 8, 1e4)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    y = (x @ turn).astype(np.float32)
    u, _, vt = np.linalg.svd(np.float64(x).T @ np.asarray(y, np.float64))
    sign = np.ones(8)
    sign[-1] = np.linalg.det(u @ vt)
    truth, joint = (u * sign) @ vt, jfm.joint_moments((x, y))
    ours = jfm.fit_all_pairs(joint, "rotation")
    assert relative_error(ours[0, 1].as_affine().weight, truth) < 1e-6
    np.testing.assert_array_equal(
        ours[1, 0].as_affine().weight, ours[0, 1].as_affine().weight.T
    )
    for solved in (jfm.solve_rotation(joint.pair(0, 1)), jfm.fit_rotation(x, y)):
        assert relative_error(solved.rotation, truth) < 1e-6
