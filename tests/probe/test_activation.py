import numpy as np
import pytest

import jfacemap as jfm


rng = np.random.default_rng(0)
labels = rng.integers(0, 4, 60)
x = np.float32(rng.normal(size=(60, 5)) + 2 * np.eye(5)[labels])


def test_means_and_nearest_by_numpy():
    mavs = jfm.mean_activation_vectors(x, labels)
    truth = np.stack([np.float64(x[labels == c]).mean(axis=0) for c in range(4)])
    np.testing.assert_allclose(mavs.vectors, truth, rtol=1e-6)
    np.testing.assert_array_equal(mavs.count, np.bincount(labels))
    unit = lambda a: a / np.linalg.norm(a, axis=1, keepdims=True)
    cosine = unit(np.float64(x)) @ unit(truth).T
    match = jfm.classify_by_mav(x, mavs)
    np.testing.assert_allclose(match.similarity, cosine, atol=1e-6)
    np.testing.assert_array_equal(match.label, cosine.argmax(axis=1))


def test_only_directions_count():
    mavs = jfm.mean_activation_vectors(x, labels)
    scaled = x * np.float32(rng.uniform(0.1, 10, (60, 1)))
    ours, same = (jfm.classify_by_mav(rows, mavs).label for rows in (scaled, x))
    np.testing.assert_array_equal(ours, same)


def test_a_class_without_rows_is_never_chosen_and_a_dead_row_is_nobodys():
    mavs = jfm.mean_activation_vectors(x, np.where(labels == 2, -1, labels), classes=4)
    assert np.isnan(mavs.vectors[2]).all() and mavs.count[2] == 0
    rows = x.copy()
    rows[0], rows[1, 0] = 0, np.nan
    match = jfm.classify_by_mav(rows, mavs)
    assert list(match.label[:2]) == [-1, -1] and np.isnan(match.similarity[:2]).all()
    assert 2 not in match.label and np.isnan(match.similarity[:, 2]).all()
    assert set(np.asarray(match.label[2:])) == {0, 1, 3}


def test_rows_that_are_not_finite_spoil_their_own_class_alone():
    rows, which = x.copy(), labels.copy()
    rows[3], which[3] = np.nan, -1
    rows[5, 1], which[5] = np.inf, 0
    mavs = jfm.mean_activation_vectors(rows, which)
    clean = jfm.mean_activation_vectors(x, np.where(np.arange(60) == 3, -1, labels))
    assert np.isnan(mavs.vectors[0]).all()
    np.testing.assert_array_equal(mavs.vectors[1:], clean.vectors[1:])
    rows[9, 2] = np.inf
    match = jfm.classify_by_mav(rows, mavs)
    assert list(np.flatnonzero(np.asarray(match.label) < 0)) == [3, 5, 9]
    nothing = jfm.classify_by_mav(x, np.full((2, 5), np.nan, np.float32))
    assert (np.asarray(nothing.label) == -1).all() and np.isnan(nothing.similarity).all()


@pytest.mark.parametrize("factor", (1e-30, 1e30))
def test_length_does_not_matter_however_small_or_large(factor):
    mavs = jfm.mean_activation_vectors(x, labels)
    match, wanted = (
        jfm.classify_by_mav(x * np.float32(f), mavs.vectors * np.float32(f))
        for f in (factor, 1)
    )
    np.testing.assert_array_equal(match.label, wanted.label)
    np.testing.assert_allclose(match.similarity, wanted.similarity, atol=1e-6)


def test_many_rows_are_summed_in_chunks():
    many = np.float32(rng.normal(size=(2500, 3)) + 1000)
    which = rng.integers(0, 2, 2500)
    ours = jfm.mean_activation_vectors(many, which).vectors
    truth = np.stack([np.float64(many[which == c]).mean(axis=0) for c in (0, 1)])
    np.testing.assert_allclose(ours, truth, rtol=2e-7)


def test_bad_input(unchecked_types):
    with pytest.raises(ValueError, match="not one a row"):
        jfm.mean_activation_vectors(x, labels[1:])
    with pytest.raises(ValueError, match="meet vectors"):
        jfm.classify_by_mav(x, x[:, 1:])
