"""Errors that models share, against SciPy and counting."""

import numpy as np
import pytest
import scipy.stats

import jfacemap as jfm
from jfacemap.evaluate.rank import mean_ranks, rank_correlation


fars = 0.1, 0.01


def make_scores(models=3, pairs=4000):
    r = np.random.default_rng(0)
    genuine = r.uniform(size=pairs) < 0.2
    shared = r.normal(size=pairs)
    scores = [
        np.round(0.5 * shared + r.normal(size=pairs) + 2 * genuine, 2).astype(np.float32)
        for _ in range(models)
    ]
    return scores, genuine


def test_is_that_of_scipy_and_of_counting():
    scores, genuine = make_scores()
    valid = np.arange(len(genuine)) % 7 != 0
    found = jfm.error_agreement(scores, genuine, fars, valid=valid)
    kept = [s[valid] for s in scores]
    for table, of in ((found.impostor_rank, ~genuine), (found.genuine_rank, genuine)):
        truth = scipy.stats.spearmanr(np.stack([s[of[valid]] for s in kept]), axis=1)
        np.testing.assert_allclose(table, truth.statistic, atol=1e-12)
    for k, far in enumerate(fars):
        bars = [float(jfm.tar_at_far(s, genuine[valid], [far]).threshold[0]) for s in kept]
        for i, j in np.ndindex(3, 3):
            both = (kept[i] >= bars[i]) & (kept[j] >= bars[j])
            neither = (kept[i] < bars[i]) & (kept[j] < bars[j])
            same = genuine[valid]
            assert found.false_accepts[i, j, k] == pytest.approx(both[~same].mean())
            assert found.false_rejects[i, j, k] == pytest.approx(neither[same].mean())


def test_independent_errors_have_a_ratio_of_one_and_shared_ones_more():
    r = np.random.default_rng(1)
    genuine = np.arange(40000) < 2000
    noise = r.normal(size=(3, 40000)).astype(np.float32)
    alike = noise[0] + 0.3 * noise[2]
    found = jfm.error_agreement([noise[0], noise[1], alike], genuine, [0.1])
    assert abs(found.accept_lift[0, 1, 0] - 1) < 0.1
    assert abs(found.reject_lift[0, 1, 0] - 1) < 0.1
    assert found.accept_lift[0, 2, 0] > 5
    assert found.impostor_rank[0, 2] > 0.9 > 0.1 > abs(found.impostor_rank[0, 1])


def test_a_model_agrees_with_itself():
    scores, genuine = make_scores(1)
    found = jfm.error_agreement([scores[0]] * 2, genuine, fars)
    np.testing.assert_allclose(found.impostor_rank, 1)
    own = np.diagonal(found.false_accepts)
    np.testing.assert_allclose(found.false_accepts[0, 1], own[:, 0])
    np.testing.assert_allclose(found.accept_lift[0, 1], 1 / own[:, 0])


def test_what_is_not_known_is_nan():
    scores, genuine = make_scores()
    broken = scores[1].copy()
    broken[np.flatnonzero(~genuine)[0]] = np.nan
    flat = np.zeros_like(broken)
    found = jfm.error_agreement([scores[0], broken, flat], genuine, [0.1, 1e-6])
    assert np.isnan(found.impostor_rank[1]).all() and np.isnan(found.impostor_rank[2]).all()
    assert np.isnan(found.false_accepts[..., 1]).all()
    assert np.isfinite(found.false_accepts[..., 0]).all()


def test_bad_input_is_told(unchecked_types):
    scores, genuine = make_scores()
    with pytest.raises(ValueError, match="two models or more"):
        jfm.error_agreement(scores[:1], genuine, fars)
    with pytest.raises(ValueError, match=r"as many as there are pairs, \(4000,\)"):
        jfm.error_agreement([scores[0], scores[1][:-1]], genuine, fars)


def test_ranks_are_those_of_scipy():
    values = np.random.default_rng(0).integers(0, 20, 100).astype(float)
    np.testing.assert_array_equal(mean_ranks(values), scipy.stats.rankdata(values))
    other = values**2 + np.random.default_rng(1).normal(size=100) * 50
    truth = scipy.stats.spearmanr(values, other).statistic
    assert rank_correlation(values, other) == pytest.approx(truth)
    assert np.isnan(rank_correlation(values, np.ones(100)))
    assert np.isnan(rank_correlation(values[:2], other[:2]))
