import jax
import numpy as np
import pytest

from jfacemap.evaluate.confidence import bootstrap_weights
from jfacemap.evaluate.subject_bootstrap import subject_confidence
from jfacemap.evaluate.tar import tar_at_far


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
    inside = 0
    scores, genuine, subject = draw(5, 200_000, 2000)
    truth = tar_at_far(scores, genuine, 0.05).tar
    rng = np.random.default_rng(0)
    for i in range(60):
        rows = np.isin(subject, rng.permutation(2000)[:60])
        spread = subject_confidence(
            jax.random.key(i), scores[rows], genuine[rows], subject[rows], 0.05
        )
        inside += spread.lower <= truth <= spread.upper
    assert 50 <= inside <= 60


def test_bad_input_is_refused(unchecked_types):
    scores, genuine, subject = draw(n=20)
    with pytest.raises(ValueError, match=r"one a pair; got \(20,\), \(20,\) and \(19,\)"):
        subject_confidence(jax.random.key(0), scores, genuine, subject[1:], 0.1)
    with pytest.raises(ValueError, match="Of 20 pairs 20 are genuine"):
        subject_confidence(jax.random.key(0), scores, genuine | True, subject, 0.1)
