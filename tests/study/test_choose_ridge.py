import numpy as np
import pytest

import jfacemap as jfm


ridges = 1e-6, 1e-2, 1e3


def parts(seed=0, n=40, dims=(6, 9)):
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 4))
    rows = [
        np.float32(latent @ rng.normal(size=(4, d)) + 0.3 * rng.normal(size=(n, d)))
        for d in dims
    ]
    fold = np.arange(n) % 3
    return rows, [jfm.joint_moments([x[fold == i] for x in rows]) for i in range(3)], fold


def test_it_is_a_loop_over_folds_ridges_and_pairs_in_float64():
    rows, folds, fold = parts()
    ours = jfm.choose_ridge(folds, ridges)
    truth = np.zeros((3, 3, 2))
    for i in range(3):
        for j, ridge in enumerate(ridges):
            for k, (a, b) in enumerate(((0, 1), (1, 0))):
                x, y = np.float64(rows[a]), np.float64(rows[b])
                fit, held = fold != i, fold == i
                gram = x[fit].T @ x[fit] + ridge * fit.sum() * np.eye(x.shape[1])
                w = np.linalg.solve(gram, x[fit].T @ y[fit])
                left = np.sum((x[held] @ w - y[held]) ** 2)
                truth[i, j, k] = left / np.sum((y[held] - y[held].mean(axis=0)) ** 2)
    mean = truth.mean(axis=(0, 2))
    np.testing.assert_allclose(ours.error, mean, rtol=1e-5)
    assert ours.ridge == ridges[int(mean.argmin())]


def test_bad_input_is_refused():
    _, folds, _ = parts()
    with pytest.raises(ValueError, match="got 1 folds and 3 ridges"):
        jfm.choose_ridge(folds[:1], ridges)
    with pytest.raises(ValueError, match="got 3 folds and 0 ridges"):
        jfm.choose_ridge(folds, [])
