import jax
import numpy as np
import pytest

from jfacemap.evaluate.confidence import bootstrap_weights
from jfacemap.evaluate.subject_bootstrap import subject_confidence
from jfacemap.evaluate.tar import tar_at_far

from . import oracles


fars = np.array([[0.0, 1e-3], [0.05, 0.3]])


def draw(seed=0, n=3000, subjects=14):
    rng = np.random.default_rng(seed)
    subject, genuine = rng.integers(0, subjects, n), rng.random(n) < 0.2
    tone = rng.normal(size=subjects)[subject]
    scores = np.float32(rng.normal(size=n) + 2 * genuine + 0.5 * tone)
    return scores, genuine, subject


def test_replicates_are_those_of_literal_resampling():
    scores, genuine, subject = draw()
    key, replicates = jax.random.key(1), 12
    ours = subject_confidence(key, scores, genuine, subject, fars, replicates=replicates)
    weights = np.asarray(bootstrap_weights(key, 14, replicates))
    for drawn, found in zip(weights, ours.replicates, strict=True):
        rows = np.repeat(np.arange(scores.size), drawn[subject])
        theirs = tar_at_far(scores[rows], genuine[rows], fars)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(theirs.tar))
        np.testing.assert_allclose(found, theirs.tar, rtol=1e-12)


def strict(scores, genuine, targets):
    """Compiles nothing, as every draw has a shape of its own."""
    return [oracles.tar_at_far(scores, genuine, far, "strict")[3] for far in targets]


def resampled(key, scores, genuine, subject, replicates):
    """The pairs of each draw, as many times as it draws their subject."""
    count = len(np.unique(subject))
    for drawn in np.asarray(bootstrap_weights(key, count, replicates)):
        rows = np.repeat(np.arange(scores.size), drawn[subject])
        yield scores[rows], genuine[rows]


def test_draws_without_the_subject_of_the_best_impostors():
    """Their thresholds lie deeper than any impostor that all subjects' need reaches."""
    scores, genuine, subject = draw(2, 16_000, 8)
    rng = np.random.default_rng(0)
    subject = np.where(rng.random(16_000) < 0.6, 0, subject)
    scores = scores + np.float32(9) * (~genuine & (subject == 0))
    key, targets = jax.random.key(0), np.array([0.05, 0.1])
    ours = subject_confidence(key, scores, genuine, subject, targets, replicates=8)
    without = np.asarray(bootstrap_weights(key, 8, 8))[:, 0] == 0
    assert 0 < without.sum() < 8
    for found, pairs in zip(
        ours.replicates, resampled(key, scores, genuine, subject, 8), strict=True
    ):
        most, least = (strict(*pairs, share * targets) for share in (1, 0.97))
        assert np.all(found <= most) and np.all(least <= found)
    assert ours.replicates[without].min() > 0.3 > ours.replicates[~without].max()


def test_many_impostors_take_the_grid_of_thresholds_that_widens():
    """FAR falls short of its target by 0.3 % and what drawing people adds to that."""
    scores, genuine, subject = draw(3, 60_000, 300)
    key, targets = jax.random.key(2), np.array([1e-3, 0.02, 0.3])
    ours = subject_confidence(key, scores, genuine, subject, targets, replicates=4)
    for found, pairs in zip(
        ours.replicates, resampled(key, scores, genuine, subject, 4), strict=True
    ):
        most, least = (strict(*pairs, share * targets) for share in (1, 0.99))
        assert np.all(found <= most) and np.all(least <= found)


def test_a_target_of_one_impostor_is_supported_however_it_rounds():
    far = 1 / 49
    assert far * 49 < 1
    scores = np.float32(np.arange(60)[::-1])
    genuine, subject = np.arange(60) < 11, np.arange(60) % 5
    ours = subject_confidence(jax.random.key(0), scores, genuine, subject, far)
    assert ours.tar == tar_at_far(scores, genuine, far).tar == 1


def test_nan_is_never_accepted_and_no_impostor_score_leaves_no_limit():
    scores, genuine, subject = draw(4, 200)
    scores[np.flatnonzero(genuine)[:3]] = np.nan
    key = jax.random.key(0)
    ours = subject_confidence(key, scores, genuine, subject, [0.2, 1.0])
    exact = tar_at_far(scores, genuine, [0.2, 1.0]).tar
    np.testing.assert_allclose(ours.tar, exact, rtol=1e-12)
    assert ours.tar[1] < 1
    scores[~genuine] = np.nan
    ours = subject_confidence(key, scores, genuine, subject, 0.2)
    assert ours.tar == np.mean(scores[genuine] > -99) < 1


def test_draws_of_one_class_leave_no_interval():
    scores, genuine = np.float32([2, 1]), np.array([True, False])
    key = next(k for k in map(jax.random.key, range(99)) if not
               (np.asarray(bootstrap_weights(k, 2, 1)) == 1).all())  # fmt: skip
    ours = subject_confidence(key, scores, genuine, np.arange(2), 1.0, replicates=1)
    assert ours.tar == 1 and ours.n_skipped == 1
    assert np.isnan([ours.lower, ours.upper, *ours.replicates]).all()


def test_the_estimate_is_that_of_all_pairs():
    scores, genuine, subject = draw()
    ours = subject_confidence(jax.random.key(0), scores, genuine, subject, fars)
    exact = tar_at_far(scores, genuine, fars).tar
    np.testing.assert_allclose(ours.tar, exact, rtol=1e-12)
    known = ~np.isnan(exact)
    assert (ours.lower <= ours.tar)[known].all() and (ours.tar <= ours.upper)[known].all()
    assert ours.n_identities == 14 and ours.replicates.shape == (200, 2, 2)


def test_an_interval_covers_the_truth_as_often_as_it_says():
    """TAR at FAR 0.05 of many small samples of subjects, against that of all."""
    inside, widths = 0, []
    scores, genuine, subject = draw(5, 200_000, 2000)
    truth = tar_at_far(scores, genuine, 0.05).tar
    rng = np.random.default_rng(0)
    for i in range(60):
        rows = np.isin(subject, rng.permutation(2000)[:60])
        spread = subject_confidence(
            jax.random.key(i), scores[rows], genuine[rows], subject[rows], 0.05
        )
        inside += spread.lower <= truth <= spread.upper
        widths.append(spread.upper - spread.lower)
    assert 50 <= inside <= 60
    assert 0.04 < np.mean(widths) < 0.15  # four standard deviations of TAR over samples


def test_bad_input_is_refused(unchecked_types):
    scores, genuine, subject = draw(n=20)
    with pytest.raises(ValueError, match=r"one a pair; got \(20,\), \(20,\) and \(19,\)"):
        subject_confidence(jax.random.key(0), scores, genuine, subject[1:], 0.1)
    for wrong in (2.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="rates from 0 to 1"):
            subject_confidence(jax.random.key(0), scores, genuine, subject, wrong)
    none = subject_confidence(jax.random.key(0), scores, genuine, subject, [])
    assert none.tar.shape == none.lower.shape == (0,)
    with pytest.raises(ValueError, match="Of 20 pairs 20 are genuine"):
        subject_confidence(jax.random.key(0), scores, genuine | True, subject, 0.1)
