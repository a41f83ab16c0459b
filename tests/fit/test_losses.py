import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

import jfacemap as jfm


rng = np.random.default_rng(0)
guess = np.float32(rng.normal(size=(6, 3)))
target = guess + np.float32(rng.normal(size=(6, 3)) * np.linspace(0, 4, 6)[:, None])
r = np.linalg.norm(np.float64(guess) - target, axis=1)
unit = lambda a: a / np.linalg.norm(a, axis=1, keepdims=True)
table = unit(np.float64(guess)) @ unit(np.float64(target)).T
label = np.array([0, 0, 1, 1, 2, 3])
other = label[:, None] != label


def contrast(temperature, among):
    logits = np.where(among | np.eye(6, dtype=bool), table / temperature, -np.inf)
    return logsumexp(logits, axis=1) - np.diag(logits)


def triplets(margin, among):
    nearest = np.where(among, table, -np.inf).max(axis=1)
    return np.maximum(0, 2 * (nearest - np.diag(table)) + margin)


apart = ~np.eye(6, dtype=bool)
cases = {
    "squared": (jfm.losses.squared(guess, target), r**2),
    "distance": (jfm.losses.distance(guess, target), r),
    "huber": (
        jfm.losses.huber(guess, target, delta=2.0),
        np.where(r <= 2, r**2 / 2, 2 * (r - 1)),
    ),
    "cosine": (jfm.losses.cosine(guess, target), 1 - np.diag(table)),
    "info_nce": (jfm.losses.info_nce(guess, target, temperature=0.5), contrast(0.5, apart)),
    "info_nce by label": (jfm.losses.info_nce(guess, target, label), contrast(0.07, other)),
    "triplet": (jfm.losses.triplet(guess, target), triplets(0.2, apart)),
    "triplet by label": (
        jfm.losses.triplet(guess, target, label, margin=0.5),
        triplets(0.5, other),
    ),
}


@pytest.mark.parametrize("case", cases.values(), ids=cases)
def test_is_the_formula(case):
    np.testing.assert_allclose(*case, rtol=2e-5, atol=1e-6)


def test_some_pairs_are_near_and_some_far():
    """Else the two branches of the formulas above would not both be seen."""
    assert (r > 2).any() and (r < 2).any()
    assert (triplets(0.2, apart) == 0).any() and (triplets(0.2, apart) > 0).any()


@pytest.mark.parametrize("loss", ("squared", "distance", "huber", "cosine"))
def test_slopes_are_finite_where_rows_agree_or_vanish(loss):
    slope = jax.grad(lambda a, b: getattr(jfm.losses, loss)(a, b).sum())
    for a in (target, 0 * target):
        assert np.isfinite(slope(jnp.asarray(a), jnp.asarray(target))).all()


def test_one_person_alone_has_no_negatives():
    same = jnp.zeros(6, jnp.int32)
    np.testing.assert_allclose(jfm.losses.info_nce(guess, target, same), 0, atol=1e-6)
    np.testing.assert_array_equal(jfm.losses.triplet(guess, target, same), 0)
    slope = jax.grad(lambda a: jfm.losses.triplet(a, target, same).sum())(guess)
    assert np.isfinite(slope).all()
