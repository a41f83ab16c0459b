import numpy as np
import pytest
from sklearn.svm import LinearSVC

import jfacemap as jfm


rng = np.random.default_rng(0)
n, d = 300, 12
scales = np.geomspace(1, 1e-2, d)
x = np.float32(rng.normal(size=(n, d)) * scales + 0.3 * scales)
hyperplanes = rng.normal(size=(d, 3)) / scales[:, None]
score = x @ hyperplanes + rng.normal(size=(n, 3)) * 3
bars = np.diag(np.quantile(score, (0.5, 0.8, 0.97), axis=0))
labels = np.where(score > bars, 1, -1)
test = np.float32(rng.normal(size=(2000, d)) * scales + 0.3 * scales)
grid = np.float32([1e-2, 1.0, 100.0])


def objective(w, b, x, y, C, balanced):
    """The formula in float64."""
    counts = {c: np.sum(y == c) for c in (-1, 1)}
    s = np.array([len(y) / (2 * counts[c]) for c in y]) if balanced else np.ones(len(y))
    slack = np.maximum(0, 1 - y * (np.float64(x) @ w + b))
    return (w @ w + b * b) / 2 + C * np.sum(s * slack**2)


def oracle(x, y, C, balanced):
    weight = "balanced" if balanced else None
    svc = LinearSVC(dual=False, C=C, class_weight=weight, tol=1e-9, max_iter=100_000)
    return svc.fit(np.float64(x), y)


@pytest.mark.parametrize("balanced", (True, False))
def test_like_liblinear(balanced):
    svm = jfm.fit_svm(x, labels, grid, balanced=balanced)
    assert svm.weight.shape == (3, 3, d) and svm.weight.dtype == np.float32
    decision = np.asarray(svm.decision(test))
    for a, i in np.ndindex(3, 3):
        y, C = labels[:, a], float(grid[i])
        svc = oracle(x, y, C, balanced)
        best = objective(svc.coef_[0], svc.intercept_[0], x, y, C, balanced)
        w, b = np.float64(svm.weight[a, i]), float(svm.bias[a, i])
        ours = objective(w, b, x, y, C, balanced)
        assert abs(ours / best - 1) < 1e-6
        assert abs(svm.objective[a, i] / best - 1) < 1e-6 and svm.gap[a, i] < 1e-6
        assert np.mean((decision[:, a, i] > 0) == (svc.predict(test) > 0)) >= 0.999


def test_steep_uncentred_rows():
    """Condition 1e5 from a common offset, as real embeddings have it."""
    steep = np.float32(rng.normal(size=(n, d)) * np.geomspace(1, 1e-3, d) + 50)
    y = np.where((steep - 50) @ hyperplanes[:, 0] > 0, 1, -1)
    svm = jfm.fit_svm(steep, y[:, None], np.float32([1.0]))
    svc = oracle(steep, y, 1.0, True)
    best = objective(svc.coef_[0], svc.intercept_[0], steep, y, 1.0, True)
    ours = objective(np.float64(svm.weight[0, 0]), float(svm.bias[0, 0]), steep, y, 1, True)
    assert ours < best * (1 + 1e-4)  # weights rounded to float32 lose as much
    assert abs(svm.objective[0, 0] / best - 1) < 1e-6
    tested = np.float32(rng.normal(size=(5000, d)) * np.geomspace(1, 1e-3, d) + 50)
    alike = (svm.decision(tested)[:, 0, 0] > 0) == (svc.predict(tested) > 0)
    assert np.mean(alike) >= 0.999


def test_unknown_labels_are_left_out_and_one_class_is_nan():
    some = labels.copy()
    some[::3, 0] = 0
    some[:, 2] = 1
    svm = jfm.fit_svm(x, some, grid)
    used = some[:, 0] != 0
    pad = np.int8(0) * labels[: n - used.sum()]  # rows to the same shape, labels unknown
    alone = jfm.fit_svm(
        np.concatenate([x[used], 0 * x[: len(pad)]]),
        np.concatenate([labels[used], pad]),
        grid,
    )
    np.testing.assert_allclose(svm.weight[0], alone.weight[0], rtol=1e-3, atol=1e-4)
    assert np.isnan(svm.weight[2]).all() and np.isnan(svm.objective[2]).all()
    assert np.isfinite(svm.weight[1]).all()


def test_booleans_are_labels_and_rows_without_one_may_be_nan():
    svm, signed = (jfm.fit_svm(x, y, grid) for y in (labels > 0, labels))
    np.testing.assert_array_equal(svm.weight, signed.weight)
    some, rows = labels.copy(), x.copy()
    some[:7], rows[:7] = 0, np.nan
    zero = np.where(np.isnan(rows), 0, rows)
    svm, wanted = (jfm.fit_svm(each, some, grid) for each in (rows, zero))
    np.testing.assert_array_equal(svm.weight, wanted.weight)
    assert np.isfinite(svm.weight).all()


def test_choice_of_penalty():
    svm = jfm.fit_svm(x, labels, grid)
    truth = np.where(test @ hyperplanes > bars, 1, -1)
    best = np.asarray(jfm.choose_penalty(svm, test, truth))
    decision = np.asarray(svm.decision(test)) > 0
    missed = decision != (truth[..., None] > 0)
    share = lambda c: np.stack([missed[truth[:, a] == c, a].mean(axis=0) for a in range(3)])
    balanced = (share(1) + share(-1)) / 2
    np.testing.assert_array_equal(best, balanced.argmin(axis=1))
    chosen = svm.choose(best)
    assert chosen.weight.shape == (3, 1, d)
    ours, one = np.asarray(chosen.decision(test)), np.asarray(svm.decision(test))
    np.testing.assert_allclose(ours[:, 1, 0], one[:, 1, best[1]], atol=1e-5)


bad = {
    "rows": ((x, labels[1:], grid), "pair up"),
    "one attribute": ((x, labels[:, 0], grid), "labels\\[:, None\\]"),
    "grid": ((x, labels, np.float32(1)), "grid"),
    "labels": ((x, labels * 2, grid), "2 \\* present - 1"),
    "0 and 1": ((x, (labels > 0).astype(int), grid), "2 \\* present - 1"),
    "NaN": ((np.where(x == x[4, 0], np.nan, x), labels, grid), "1 of 300 rows"),
    "nothing": ((x[:0], labels[:0], grid), "no row"),
    "no penalty": ((x, labels, grid[:0]), "grid"),
    "penalty": ((x, labels, np.float32([0.0])), "positive"),
}


@pytest.mark.parametrize("fault", bad)
def test_bad_input(fault, unchecked_types):
    args, words = bad[fault]
    with pytest.raises(ValueError, match=words):
        jfm.fit_svm(*args)


def test_bad_rows_of_a_decision(unchecked_types):
    svm = jfm.LinearSvm(np.zeros((1, 1, d)), np.zeros((1, 1)), None, None, None)
    with pytest.raises(ValueError, match=f"takes rows \\(n, {d}\\)"):
        svm.decision(test[:, 1:])
