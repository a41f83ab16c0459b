import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.fit.margin import (
    adaface_logits,
    arcface_logits,
    margin_loss,
    NormStatistics,
)


def batch(seed=0, n=12, c=5, d=6):
    rng = np.random.default_rng(seed)
    x, centres = rng.normal(size=(n, d)) * 3, rng.normal(size=(c, d))
    return np.float32(x), np.float32(centres), rng.integers(0, c, n).astype(np.int32)


def slowly(x, centres, label, angle, less):
    x, c = np.float64(x), np.float64(centres)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ (c / np.linalg.norm(c, axis=1, keepdims=True)).T
    for i, y in enumerate(label):
        theta = np.clip(np.arccos(cosine[i, y]) + angle[i], 0, np.pi)
        cosine[i, y] = np.cos(theta) - less[i]
    return 64 * cosine


def test_arcface_matches_the_formula():
    x, centres, label = batch()
    wanted = slowly(x, centres, label, np.full(12, 0.5), np.zeros(12))
    np.testing.assert_allclose(arcface_logits(x, centres, label), wanted, atol=1e-3)
    loss = -np.log(np.exp(wanted) / np.exp(wanted).sum(1, keepdims=True))
    loss = loss[np.arange(12), label].mean()
    found = margin_loss(arcface_logits(x, centres, label), label)
    np.testing.assert_allclose(found, loss, rtol=1e-4)


def test_adaface_matches_the_formula():
    x, centres, label = batch()
    s = NormStatistics(jnp.float32(7.0), jnp.float32(1.5))
    z = np.clip((np.linalg.norm(x, axis=1) - 7) / 1.501 * 0.333, -1, 1)
    wanted = slowly(x, centres, label, -0.4 * z, 0.4 * z + 0.4)
    np.testing.assert_allclose(adaface_logits(x, centres, label, s), wanted, atol=1e-3)


def test_statistics_move_by_the_rate():
    x, _, _ = batch()
    length = np.linalg.norm(x, axis=1)
    s = NormStatistics().update(jnp.asarray(x), 0.25)
    np.testing.assert_allclose(s.mean, 0.75 * 20 + 0.25 * length.mean(), rtol=1e-5)
    np.testing.assert_allclose(s.deviation, 75 + 0.25 * length.std(ddof=1), rtol=1e-5)


@pytest.mark.parametrize("kind", ("arcface", "adaface"))
def test_validation_falls_with_near_variations_and_rises_with_near_people(kind):
    rng = np.random.default_rng(0)
    fixed = np.float32(rng.normal(size=(6, 8)))
    noise = np.float32(rng.normal(size=(6, 2, 8)))
    loss = lambda fixed, spread: float(
        jfm.validation_loss(fixed, fixed[:, None] + spread * noise, kind)
    )
    assert loss(fixed, 0.1) < loss(fixed, 0.5) < loss(fixed, 1.0)
    crowd = np.float32(fixed.mean(0) + 0.3 * (fixed - fixed.mean(0)))
    assert loss(crowd, 0.3) > loss(fixed, 0.3)


@pytest.mark.parametrize("kind", ("arcface", "adaface"))
def test_gradients_are_finite_at_a_centre_and_opposite(kind):
    fixed = jnp.eye(3, dtype=jnp.float32)
    rows = jnp.stack([fixed, -fixed], axis=1)
    slope = jax.grad(lambda v: jfm.validation_loss(fixed, v, kind))(rows)
    assert jnp.isfinite(slope).all()


def test_bad_input_is_refused(unchecked_types):
    with pytest.raises(ValueError, match="A fixed image of each of 3"):
        jfm.validation_loss(np.eye(2, 4), np.zeros((3, 2, 4)))
    with pytest.raises(ValueError, match="'arcface' or 'adaface'"):
        jfm.validation_loss(np.eye(3), np.zeros((3, 2, 3)), "cosface")
