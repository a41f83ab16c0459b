import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm


def rows(seed=0, n=30, d=5):
    rng = np.random.default_rng(seed)
    return np.float32(rng.normal(size=(n, d)) * np.geomspace(1, 0.1, d))


def log_det(x, ridge):
    return np.linalg.slogdet(ridge * np.eye(x.shape[1]) + x.T @ x)[1]


def slow_greedy(x, size, ridge):
    """By a determinant for every row that could come next."""
    x, chosen, gains = np.float64(x), [], []
    for _ in range(size):
        rest = [i for i in range(len(x)) if i not in chosen]
        value = [log_det(x[[*chosen, i]], ridge) for i in rest]
        before = log_det(x[chosen], ridge)
        chosen.append(rest[int(np.argmax(value))])
        gains.append(max(value) - before)
    return chosen, gains


@pytest.mark.parametrize("size", (3, 12, 30))
@pytest.mark.parametrize("ridge", (1e-3, 1.0))
def test_equals_greedy_choice_by_determinants(size, ridge):
    x = rows()
    chosen, gains = slow_greedy(x, size, ridge)
    ours = jfm.choose_pairs(x, size, ridge=ridge)
    np.testing.assert_array_equal(ours.rows, chosen)
    np.testing.assert_allclose(ours.gains, gains, rtol=1e-5)


def test_gains_fall_and_sum_to_the_determinant():
    x = rows(n=200, d=20)
    ours = jfm.choose_pairs(x, 100, ridge=0.1)
    gains = np.asarray(ours.gains)
    assert (np.diff(gains) <= 1e-6).all()  # submodular
    some = np.float64(x)[np.asarray(ours.rows)]
    truth = log_det(some, 0.1) - 20 * np.log(0.1)
    assert gains.sum() == pytest.approx(truth, rel=1e-6)
    assert len(set(ours.rows.tolist())) == 100


def test_a_map_fitted_on_the_chosen_varies_less_than_on_any_of_many_random_sets():
    x = rows(n=200, d=10)
    ours = log_det(x[np.asarray(jfm.choose_pairs(x, 20).rows)], 0)
    rng = np.random.default_rng(0)
    assert all(log_det(x[rng.permutation(200)[:20]], 0) < ours for _ in range(300))


def test_broken_rows_come_last():
    x = rows(n=8)
    x[3, 0], x[5, 1] = np.nan, np.inf
    ours = jfm.choose_pairs(x, 8).rows.tolist()
    assert set(ours[6:]) == {3, 5} and set(ours) == set(range(8))


def test_vmaps_over_spaces_and_over_ridges():
    x = jnp.stack([rows(0), rows(1)])
    both = jax.vmap(lambda x: jfm.choose_pairs(x, 6))(x)
    for i in range(2):
        np.testing.assert_array_equal(both.rows[i], jfm.choose_pairs(x[i], 6).rows)
    ridges = jnp.array([1e-3, 1.0])
    swept = jax.vmap(lambda r: jfm.choose_pairs(x[0], 6, ridge=r))(ridges)
    np.testing.assert_array_equal(swept.rows[0], jfm.choose_pairs(x[0], 6).rows)


@pytest.mark.parametrize("size", (0, 31))
def test_sizes_that_cannot_be_chosen_are_refused(size):
    with pytest.raises(ValueError, match=rf"got {size} of an array of shape \(30, 5\)"):
        jfm.choose_pairs(rows(), size)


@pytest.mark.parametrize("ridge", (0.0, -1.0, float("nan"), jnp.float32(0)))
def test_a_ridge_is_above_nothing(ridge):
    with pytest.raises(ValueError, match=r"ridge above 0|penalty from 0 on"):
        jfm.choose_pairs(rows(), 3, ridge=ridge)
