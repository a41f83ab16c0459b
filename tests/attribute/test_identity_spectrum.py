"""Principal components of each identity against scikit-learn's PCA of its rows."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

import jfacemap as jfm


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    who = np.repeat(["c", "a", "b", "d"], [3, 9, 14, 1])
    x = rng.normal(size=(27, 11)) * np.geomspace(1, 0.05, 11) + 5
    return np.float32(x), who


@pytest.mark.parametrize("d", (4, 11), ids=("fewer columns", "fewer rows"))
def test_pca_of_each(rows, d):
    x, who = rows[0][:, :d], rows[1]
    some = np.random.default_rng(1).permutation(len(x))
    found = jfm.identity_spectrum(x[some], who[some])
    assert found.explained.shape == (4, min(13, d))
    np.testing.assert_array_equal(found.count, [9, 14, 3, 1])
    for i, name in enumerate("abc"):
        fit = PCA().fit(np.float64(x[who == name]))
        k = min(fit.n_components_, found.explained.shape[1])
        wanted = fit.explained_variance_ratio_[:k]
        np.testing.assert_allclose(found.explained[i, :k], wanted, atol=1e-6)
        np.testing.assert_allclose(found.explained[i, k:], 0, atol=1e-6)
        np.testing.assert_allclose(
            found.variance[i], fit.explained_variance_.sum(), rtol=1e-5
        )
        lambdas = fit.explained_variance_
        np.testing.assert_allclose(
            found.dimension[i], lambdas.sum() ** 2 / (lambdas**2).sum(), rtol=1e-5
        )
        enough = 1 + np.searchsorted(np.cumsum(fit.explained_variance_ratio_), 0.9)
        assert found.components(0.9)[i] == enough
    assert np.isnan(found.explained[3]).all() and np.isnan(found.dimension[3])
    assert found.components(0.9)[3] == 0


def test_turning_and_moving_change_nothing(rows):
    x, who = rows
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(11, 11)))[0]
    before = jfm.identity_spectrum(x, who)
    after = jfm.identity_spectrum(np.float32(x @ turn * 3 + 1), who)
    np.testing.assert_allclose(after.explained, before.explained, atol=1e-5)
    np.testing.assert_allclose(after.variance, 9 * before.variance, rtol=1e-4)


def test_rows_that_are_not_finite_are_left_out(rows):
    x, who = rows
    broken = x.copy()
    broken[4, 2] = np.nan
    found = jfm.identity_spectrum(broken, who)
    without = jfm.identity_spectrum(np.delete(x, 4, axis=0), np.delete(who, 4))
    assert found.skipped == 1 and found.count[0] == 8
    k = without.explained.shape[1]
    np.testing.assert_allclose(found.explained[:, :k], without.explained, atol=1e-6)


def test_copies_have_no_spectrum(rows):
    same = np.tile(rows[0][:1], (3, 1))
    found = jfm.identity_spectrum(same, np.zeros(3, int))
    assert np.isnan(found.explained).all() and found.variance[0] == 0


def test_bad_input(rows, unchecked_types):
    x, who = rows
    with pytest.raises(ValueError, match="27 rows of embeddings"):
        jfm.identity_spectrum(x, who[:5])
    with pytest.raises(ValueError, match="n, d"):
        jfm.identity_spectrum(x[0], who[:11])
    with pytest.raises(ValueError, match="no embeddings"):
        jfm.identity_spectrum(x[:0], who[:0])
