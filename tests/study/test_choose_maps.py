"""A setting for each pair: that of a loop over folds, and what a choice must do."""

import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.study.composition import pair_residuals


ridges = 0.0, 3.0, 300.0


def fit(joint):
    return [jfm.fit_all_pairs(joint, "affine", ridge=r) for r in ridges]


def make_rows(n=60):
    r = np.random.default_rng(0)
    core = r.normal(size=(n, 4))
    noise = lambda s, d: s * r.normal(size=(n, d))
    models = (0.1, 5), (3, 9), (0.1, 6)
    return [np.float32(core @ r.normal(size=(4, d)) + noise(s, d)) for s, d in models]


def in_folds(rows, number=3):
    fold = np.arange(len(rows[0])) % number
    return [jfm.joint_moments([x[fold == k] for x in rows]) for k in range(number)]


def test_each_pair_has_the_map_of_least_held_out_error():
    rows = make_rows()
    found = jfm.choose_maps(in_folds(rows), ridges, fit)
    error = np.zeros((3, 3, 3))
    fold = np.arange(60) % 3
    for k in range(3):
        used = [x[fold != k] for x in rows]
        held = [x[fold == k] for x in rows]
        for i, j in np.ndindex(3, 3):
            for s, ridge in enumerate(ridges):
                m = jfm.fit_affine(used[i], used[j], ridge=ridge)
                missed = np.sum((np.asarray(m(held[i])) - held[j]) ** 2)
                error[s, i, j] += missed / np.sum((held[j] - held[j].mean(axis=0)) ** 2) / 3
    np.testing.assert_allclose(found.error, error, rtol=1e-3, atol=1e-9)
    np.testing.assert_array_equal(found.chosen, np.asarray(ridges)[error.argmin(axis=0)])
    assert len(np.unique(found.chosen)) > 1
    for i, j in np.ndindex(3, 3):
        whole = jfm.fit_affine(rows[i], rows[j], ridge=float(found.chosen[i, j]))
        np.testing.assert_allclose(found.maps[i, j].weight, whole.weight, atol=1e-5)


def test_of_one_setting_all_maps_are_of_that():
    folds = in_folds(make_rows())
    found = jfm.choose_maps(folds, [2.0], lambda m: [jfm.fit_all_pairs(m, "rotation")])
    joint = jfm.merge(jfm.merge(*folds[:2]), folds[2])
    whole = jfm.fit_all_pairs(joint, "rotation")
    np.testing.assert_allclose(found.maps[0, 2].rotation, whole[0, 2].rotation, atol=1e-6)
    assert np.all(found.chosen == 2)
    assert found.error.shape == (1, 3, 3)
    held = pair_residuals(jfm.fit_all_pairs(jfm.merge(*folds[1:]), "rotation"), folds[0])
    assert np.all(np.asarray(held)[~np.eye(3, dtype=bool)] > 0)


def test_bad_input_is_told():
    folds = in_folds(make_rows())
    with pytest.raises(ValueError, match="two folds or more, and a setting"):
        jfm.choose_maps(folds[:1], ridges, fit)
    with pytest.raises(ValueError, match="two folds or more, and a setting"):
        jfm.choose_maps(folds, [], fit)
