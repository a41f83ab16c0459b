import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfacemap import defences
from jfacemap.core.linalg import unit


key = jax.random.key(0)
x = np.asarray(jax.random.normal(jax.random.key(1), (200, 32)))
user = np.arange(200, dtype=np.int32) // 4


def cosines(rows):
    rows = np.float64(unit(rows))
    return rows @ rows.T


def test_noise_is_as_long_as_it_says_and_every_row_has_its_own():
    clean = np.asarray(unit(x))
    noisy = np.asarray(defences.Noise(key, 0.5)(x, user))
    # unit(x + e) with |e| = size has cosine 1 / sqrt(1 + size^2), as e is orthogonal to x.
    expected = 1 / np.sqrt(1 + 0.5**2)
    np.testing.assert_allclose(np.mean(np.sum(clean * noisy, axis=1)), expected, atol=0.02)
    left = noisy / np.sum(clean * noisy, axis=1, keepdims=True) - clean
    others = cosines(left)[~np.eye(200, dtype=bool)]
    assert np.abs(others.mean()) < 0.01
    np.testing.assert_allclose(defences.Noise(key, 0.0)(x, user), clean, atol=1e-6)


def test_quantising_has_its_levels_and_one_bit_keeps_signs():
    for bits in (1, 2, 3):
        rows = np.asarray(defences.Quantise(bits)(x, user))
        for row in rows[:20]:
            assert len(np.unique(np.round(row / np.abs(row).min(), 3))) <= 2**bits
    signs = np.asarray(defences.Quantise(1)(x, user))
    np.testing.assert_array_equal(np.sign(signs), np.sign(x))
    np.testing.assert_allclose(np.abs(signs), 1 / np.sqrt(32), rtol=1e-5)
    errors = [
        np.abs(np.asarray(defences.Quantise(b)(x, user)) - unit(x)).max() for b in (2, 4, 8)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_truncating_keeps_the_first_coordinates():
    rows = defences.Truncate(5)(x, user)
    np.testing.assert_allclose(rows, unit(x[:, :5]), atol=1e-6)


def test_rotations_are_orthogonal_and_drawn_evenly():
    turn = lambda i: defences.random_rotation(jax.random.key(i), 6)
    many = np.asarray(jax.vmap(lambda i: turn(i))(jnp.arange(2000)))
    np.testing.assert_allclose(many[0] @ many[0].T, np.eye(6), atol=1e-5)
    # Haar: every entry has mean 0 and variance 1 / d.
    assert np.abs(many.mean(axis=0)).max() < 0.05
    np.testing.assert_allclose(many.var(axis=0), 1 / 6, atol=0.02)


def test_a_key_keeps_a_users_comparisons_and_breaks_all_others():
    turned = defences.UserKeys(key)(x, user)
    before, after = cosines(x), cosines(turned)
    same = user[:, None] == user[None]
    np.testing.assert_allclose(after[same], before[same], atol=1e-5)
    assert np.corrcoef(before[~same], after[~same])[0, 1] < 0.05
    claims = defences.UserKeys(key)(x, np.full(200, 3, np.int32))
    np.testing.assert_allclose(cosines(claims), before, atol=1e-5)  # all under one key
    np.testing.assert_allclose(claims[user == 3], turned[user == 3], atol=1e-6)


@pytest.mark.parametrize(
    "defence",
    (defences.Noise(key, 1.0), defences.Quantise(2), defences.Truncate(8),
     defences.Rotate(key), defences.UserKeys(key)),
    ids=lambda d: type(d).__name__,
)  # fmt: skip
def test_they_jit_and_leave_unit_rows(defence):
    rows = defence(x, user)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    again = jax.jit(lambda d, x: d(x, user))(defence, x)
    np.testing.assert_allclose(rows, again, atol=1e-5)


@pytest.mark.usefixtures("unchecked_types")
def test_what_does_not_fit_the_rows_is_refused():
    for width in (0, 33):
        with pytest.raises(ValueError, match=rf"cut to 1 to 32 coordinates, not {width}"):
            defences.Truncate(width)(x, user)
    with pytest.raises(ValueError, match=r"rows are \(200, 32\), users \(150,\)"):
        defences.UserKeys(key)(x, user[:150])
