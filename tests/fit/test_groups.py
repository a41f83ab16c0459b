import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.model_selection import GroupKFold, KFold

import jfacemap as jfm
from jfacemap.fit.folds import as_folds

from ..helpers import tree_allclose


def random_pairs(getkey, n=30):
    draw = lambda *shape: jr.normal(getkey(), shape)
    return draw(n, 5) + 3, draw(n, 3), jnp.abs(draw(n))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**30), folds=st.integers(2, 5))
def test_no_group_is_on_both_sides_and_folds_are_those_of_sklearn(seed, folds):
    label = np.random.default_rng(seed).integers(0, 12, 60).astype(str)
    fold = jfm.assign_folds(label, folds)
    assert all(len(set(fold[label == who])) == 1 for who in label)
    theirs = GroupKFold(folds).split(label, groups=label)
    sizes = sorted(len(held_out) for _, held_out in theirs)
    assert sorted(np.bincount(fold, minlength=folds)) == sizes


def test_without_groups_neighbours_stay_together():
    for k, (_, held_out) in enumerate(KFold(4).split(np.zeros(30))):
        np.testing.assert_array_equal(np.flatnonzero(as_folds(30, 4, None) == k), held_out)


def test_each_group_has_its_own_moments(getkey):
    x, y, w = random_pairs(getkey)
    group = np.arange(30) ** 2 % 4  # 15 rows, 14, none and 1
    group[7] = 3
    ours = jfm.group_moments(x, y, group, w)
    for g in range(4):
        one = jax.tree.map(lambda leaf, g=g: leaf[g], ours)
        theirs = jfm.pair_moments(x, y, jnp.where(group == g, w, 0))
        assert tree_allclose(one, theirs, rtol=1e-6, atol=1e-6)
    assert np.asarray(ours.count).tolist() == np.bincount(group).tolist()


def test_groups_merge_to_the_whole_and_count_as_often_as_told(getkey):
    x, y, w = random_pairs(getkey)
    w = jnp.ceil(w)  # whole, so that float32 holds its multiples
    group = np.arange(30) % 4
    moments = jfm.group_moments(x, y, group, w)
    whole = jfm.merge_groups(moments)
    assert tree_allclose(whole, jfm.pair_moments(x, y, w), rtol=1e-6, atol=1e-5)
    times = np.array([2, 0, 1, 3])
    ours = jfm.merge_groups(moments, jnp.asarray(times, jnp.float32))
    theirs = jfm.pair_moments(x, y, w * times[group].astype(np.float32))
    np.testing.assert_allclose(np.asarray(ours.xx), np.asarray(theirs.xx), rtol=1e-10)
    np.testing.assert_allclose(np.asarray(ours.mean_y), np.asarray(theirs.mean_y))
    np.testing.assert_allclose(np.asarray(ours.mass), np.asarray(theirs.mass))


def test_folds_of_a_stream_merge(getkey):
    x, y, _ = random_pairs(getkey)
    fold = np.arange(30) % 3
    parts = [jfm.group_moments(x[s], y[s], fold[s]) for s in (slice(15), slice(15, 30))]
    merged = jax.vmap(jfm.merge)(*parts)
    whole = jfm.group_moments(x, y, fold)
    assert tree_allclose(merged, whole, rtol=1e-6, atol=1e-5)


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input(getkey):
    x, y, _ = random_pairs(getkey)
    with pytest.raises(ValueError, match="a group for each; got 3 folds of 2 groups"):
        jfm.assign_folds(np.arange(30) % 2, 3)
    for folds in (1, 31):
        with pytest.raises(ValueError, match="2 folds or more"):
            as_folds(30, folds, None)
    with pytest.raises(ValueError, match="label for each of 30 rows"):
        as_folds(30, 3, np.arange(29))
    with pytest.raises(ValueError, match="none empty: "):
        as_folds(4, np.array([0, 2, 2, 0]), None)
    with pytest.raises(ValueError, match="or groups and their number"):
        as_folds(4, np.array([0, 1, 1, 0]), np.arange(4))
    with pytest.raises(ValueError, match="numbers the group"):
        jfm.group_moments(x, y, np.full(30, "a"))
