import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.fit.few_rows import fit_few_rows


def rows(n=7, dims=(12, 12, 20), seed=0):
    rng = np.random.default_rng(seed)
    return [np.float32(rng.normal(size=(n, d))) for d in dims]


def test_linear_is_the_pseudo_inverse():
    spaces = rows()
    maps = fit_few_rows(spaces, "linear")
    for i, j in itertools.product(range(3), repeat=2):
        truth = np.linalg.pinv(np.float64(spaces[i])) @ np.float64(spaces[j])
        np.testing.assert_allclose(maps[i, j].weight, truth, atol=1e-6)


def test_repeated_rows_still_give_the_least_norm():
    spaces = [np.concatenate([x, x[:2]]) for x in rows(5)]
    weight = fit_few_rows(spaces, "linear")[0, 2].weight
    truth = np.linalg.pinv(np.float64(spaces[0])) @ np.float64(spaces[2])
    np.testing.assert_allclose(weight, truth, atol=1e-5)


def test_rotations_are_optimal_and_proper():
    spaces = rows()
    maps = fit_few_rows(spaces, "rotation", names=("a", "b", "c"))
    for i, j in itertools.permutations(range(3), 2):
        r = np.float64(maps[i, j].rotation)
        d, k = r.shape
        small = r @ r.T if d <= k else r.T @ r
        np.testing.assert_allclose(small, np.eye(min(d, k)), atol=1e-6)
        cross = np.float64(spaces[i]).T @ np.float64(spaces[j])
        best = np.linalg.svd(cross, compute_uv=False).sum()
        np.testing.assert_allclose(np.sum(r * cross), best, rtol=1e-6)
        if d == k:
            np.testing.assert_allclose(np.linalg.det(r), 1, atol=1e-5)
        np.testing.assert_array_equal(r, maps[j, i].rotation.T)
    np.testing.assert_array_equal(maps["a", "a"].rotation, jnp.eye(12))


def test_on_what_the_rows_see_it_is_the_rotation_of_fit_all_pairs():
    spaces = rows()
    few = fit_few_rows(spaces, "rotation")
    joint = jfm.joint_moments(spaces)
    with pytest.warns(UserWarning, match="do not determine"):
        jfm.fit_all_pairs(joint, "linear")
    whole = jfm.fit_all_pairs(joint, "rotation")
    for i, j in itertools.permutations(range(3), 2):
        np.testing.assert_allclose(few[i, j](spaces[i]), whole[i, j](spaces[i]), atol=2e-5)


def test_enough_rows_and_other_kinds_are_refused():
    with pytest.raises(ValueError, match="12 rows are not fewer than 12 dimensions"):
        fit_few_rows(rows(12), "linear")
    with pytest.raises(ValueError, match="kind is one of linear, rotation; got 'affine'"):
        fit_few_rows(rows(), "affine")
