import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

import jfacemap as jfm


rng = np.random.default_rng(0)
n, d = 90, 6
x = np.float32(rng.normal(size=(n, d)) * np.geomspace(1, 1e-2, d) + 3)
y = np.float32(x @ rng.normal(size=(d, 2)) + rng.normal(size=(n, 2)) * 0.1)
groups = np.repeat(np.arange(18), 5)


def penalty(rows, ridge):
    centred = np.float64(rows) - np.float64(rows).mean(axis=0)
    return ridge * np.sum(centred**2) / d


@pytest.mark.parametrize("ridge", (0.0, 1e-3, 1.0))
def test_like_sklearn(ridge):
    ours = jfm.fit_ridge(x, y, ridge=ridge)
    alpha = penalty(x, ridge)
    theirs = Ridge(alpha) if alpha else LinearRegression()
    theirs.fit(np.float64(x), np.float64(y))
    np.testing.assert_allclose(ours.weight.T, theirs.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours(x), theirs.predict(np.float64(x)), atol=2e-4)
    assert ours.weight.dtype == np.float32 and ours.ridge == np.float32(ridge)


def test_one_target_is_a_vector_and_scale_does_not_matter():
    one = jfm.fit_ridge(x, y[:, 0], ridge=0.1)
    assert one.weight.shape == (d,) and one(x).shape == (n,)
    both = jfm.fit_ridge(1000 * x, y, ridge=0.1)
    np.testing.assert_allclose(both(1000 * x)[:, 0], one(x), atol=1e-3)


def test_penalty_by_folds_that_keep_groups_together():
    ridges = (1e-4, 1e-2, 1.0, 100.0)
    found = jfm.fit_ridge(x, y, ridges=ridges, groups=groups, folds=3)
    errors = np.zeros(4)
    for fold in range(3):
        out = groups % 3 == fold
        for i, ridge in enumerate(ridges):
            model = Ridge(penalty(x[~out], ridge)).fit(np.float64(x[~out]), y[~out])
            errors[i] += np.sum((model.predict(np.float64(x[out])) - y[out]) ** 2) / y.size
    np.testing.assert_allclose(found.error, errors, rtol=1e-4)
    assert found.ridge == np.float32(ridges[errors.argmin()])


def test_rows_of_no_weight_leave_no_trace():
    rows, w = x.copy(), np.ones(n, np.float32)
    rows[:10], w[:10] = np.nan, 0
    some = jfm.fit_ridge(rows, y, weights=w, ridge=0.01)
    truth = Ridge(penalty(x[10:], 0.01)).fit(np.float64(x[10:]), y[10:])
    np.testing.assert_allclose(some.weight.T, truth.coef_, rtol=1e-4, atol=1e-5)
    folded = jfm.fit_ridge(rows, y, weights=w, folds=3, ridges=(1e-3, 1.0))
    assert np.isfinite(folded.error).all() and np.isfinite(folded.weight).all()


def test_fewer_rows_than_features():
    found = jfm.fit_ridge(x[:4], y[:4], ridge=0.0)
    np.testing.assert_allclose(found(x[:4]), y[:4], atol=1e-4)


def test_table_1_by_hand():
    truth = np.float32([0, 14.9, 15, 29, 44, 45, 80, -3, np.nan, 20])
    pred = np.float32([1, 10.9, 18, 20, 44, 40, 60, 0, 3, np.nan])
    found = jfm.binned_absolute_error(pred, truth, (0, 15, 30, 45, np.inf))
    np.testing.assert_allclose(found.error, [2.5, 6, 0, 12.5], rtol=1e-6)
    assert list(found.count) == [2, 2, 1, 2]
    np.testing.assert_allclose(found.total, (1 + 4 + 3 + 9 + 0 + 5 + 20) / 7, rtol=1e-6)
    assert (found.outside, found.unknown) == (1, 2)
    empty = jfm.binned_absolute_error(pred, truth, (100, 200))
    assert np.isnan(empty.error).all() and np.isnan(empty.total)


def test_bad_input(unchecked_types):
    with pytest.raises(ValueError, match="pair up"):
        jfm.fit_ridge(x, y[1:])
    with pytest.raises(ValueError, match="penalty from 0 on"):
        jfm.fit_ridge(x, y, ridge=-1.0)
    with pytest.raises(ValueError, match="from 0 on, one at least"):
        jfm.fit_ridge(x, y, ridges=(-1.0, 1.0))
    with pytest.raises(ValueError, match=r"1 of .* rows or their targets are not finite"):
        jfm.fit_ridge(np.where(np.arange(len(x))[:, None] == 2, np.inf, x), y)
    with pytest.raises(ValueError, match="there are 3"):
        jfm.fit_ridge(x, y, groups=groups // 6)
    with pytest.raises(ValueError, match="not one a row"):
        jfm.fit_ridge(x, y, groups=groups[1:])
    with pytest.raises(ValueError, match="takes rows"):
        jfm.fit_ridge(x, y, ridge=1.0)(x[:, 1:])
    with pytest.raises(ValueError, match="Edges ascend"):
        jfm.binned_absolute_error(x[:, 0], x[:, 0], (1, 0))
    with pytest.raises(ValueError, match="not one a truth"):
        jfm.binned_absolute_error(x[:, 0], x[1:, 0], (0, 1))
