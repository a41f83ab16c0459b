"""Counting in bins against scikit-learn's curve, and against the path without bins."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jfacemap.evaluate import tar, tar_by_counts
from jfacemap.evaluate.match_counts import keys_of, scores_of
from jfacemap.evaluate.tar import tar_at_far

from . import oracles


fars = [0.0, 1e-3, 1e-2, 0.05, 0.29, 0.5, 1.0]
each_rule = pytest.mark.parametrize("rule", oracles.rules)


@pytest.fixture(autouse=True)
def always_count(monkeypatch):
    monkeypatch.setattr(tar, "many_pairs", 0)


def draw(seed, n, decimals=8):
    rng = np.random.default_rng(seed)
    genuine = rng.random(n) < 0.2
    return np.float32(np.round(rng.normal(size=n) + genuine, decimals)), genuine


@each_rule
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**20), n=st.integers(2, 800), decimals=st.sampled_from([0, 1, 8])
)
def test_equals_sklearn_to_the_last_bit(rule, seed, n, decimals):
    scores, genuine = draw(seed, n, decimals)
    if genuine.all() or not genuine.any():
        return
    found = tar_at_far(scores, genuine, fars, rule=rule)
    n_impostor = np.sum(~genuine)
    for q, far in enumerate(fars):
        g, i, threshold, rate = oracles.tar_at_far(scores, genuine, far, rule)
        if far * n_impostor < 1:
            assert not found.supported[q] and np.isnan(found.tar[q])
            continue
        if rule == "interpolate":
            np.testing.assert_allclose(found.tar[q], rate, rtol=1e-12)
        else:
            assert (found.genuine_accepts[q], found.impostor_accepts[q]) == (g, i)
            assert found.threshold[q] == threshold and found.tar[q] == rate


@each_rule
@pytest.mark.parametrize("decimals", (1, 8), ids=("ties", "none"))
def test_equals_the_path_without_bins(rule, decimals, monkeypatch):
    scores, genuine = draw(0, 5000, decimals)
    scores[::97] = np.nan
    scores[5:9] = [np.inf, -np.inf, -0.0, 0.0]
    valid = np.random.default_rng(1).random(5000) < 0.8
    for some in (None, valid):
        counted = tar_at_far(scores, genuine, fars, rule=rule, valid=some)
        with monkeypatch.context() as patch:
            patch.setattr(tar, "many_pairs", 10**9)
            compared = tar_at_far(scores, genuine, fars, rule=rule, valid=some)
        assert type(counted.n_nan) is not type(compared.n_nan)
        for name in (
            "genuine_accepts", "impostor_accepts", "threshold", "supported", "tar",
            "genuine_at_zero", "n_genuine", "n_impostor", "n_nan", "target", "far",
        ):  # fmt: skip
            np.testing.assert_array_equal(
                getattr(counted, name), getattr(compared, name), name
            )


def test_half_precision_counts_too():
    scores, genuine = draw(2, 3000)
    half = scores.astype(np.float16)
    ours = tar_at_far(half, genuine, fars)
    theirs = tar_at_far(half.astype(np.float32), genuine, fars)
    np.testing.assert_array_equal(ours.tar, theirs.tar)


def test_float64_scores_and_flags_of_numbers_are_met():
    scores, genuine = draw(3, 4000, 3)
    wide = np.float64(scores) + np.arange(4000) * 1e-10
    found = tar_at_far(wide, genuine, fars)
    for q, far in enumerate(fars[1:], 1):
        g, i, threshold, _ = oracles.tar_at_far(wide, genuine, far, "strict")
        assert (found.genuine_accepts[q], found.impostor_accepts[q]) == (g, i)
        assert found.threshold[q] == threshold


def test_flags_of_numbers_are_flags(unchecked_types):
    scores, genuine = draw(4, 500)
    ours = tar_at_far(scores, genuine.astype(int), fars)
    np.testing.assert_array_equal(ours.tar, tar_at_far(scores, genuine, fars).tar)


names = "genuine_accepts", "impostor_accepts", "threshold", "tar", "genuine_at_zero", "far"


@each_rule
@pytest.mark.parametrize("decimals", (2, 8), ids=("ties", "none"))
def test_scores_below_the_floor_are_not_looked_at(rule, decimals, monkeypatch):
    scores, genuine = draw(3, 20_000, decimals)
    few = [1e-3, 0.01, 0.1]
    whole = monkeypatch.context()
    floor = tar_by_counts._guess_floor(scores, 0.1)
    assert 0.05 < np.mean(scores > scores_of(np.array(floor << 16))) < 0.5
    seen = []
    settle = tar_by_counts._settle
    monkeypatch.setattr(
        tar_by_counts, "_settle", lambda *args: seen.append(args[-1]) or settle(*args)
    )
    found = tar_at_far(scores, genuine, few, rule=rule)
    assert seen == [floor]
    with whole as patch:
        patch.setattr(tar_by_counts, "_guess_floor", lambda *_: 0)
        expected = tar_at_far(scores, genuine, few, rule=rule)
    for name in names:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


@each_rule
def test_a_floor_above_a_threshold_is_noticed(rule, monkeypatch):
    scores, genuine = draw(4, 5000)
    expected = tar_at_far(scores, genuine, [0.01, 0.3], rule=rule)
    high = int(keys_of(np.float32([2.0]))[0]) >> 16
    monkeypatch.setattr(tar_by_counts, "_guess_floor", lambda *_: high)
    found = tar_at_far(scores, genuine, [0.01, 0.3], rule=rule)
    for name in names:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
