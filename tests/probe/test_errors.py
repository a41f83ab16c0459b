import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

import jfacemap as jfm


signs = hnp.arrays(np.int8, (30, 2), elements=st.sampled_from([-1, 1]))


@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(signs, signs)
def test_like_sklearn(pred, truth):
    split = jfm.error_split(pred, truth)
    for a in range(2):
        table = confusion_matrix(truth[:, a], pred[:, a], labels=[-1, 1])
        negatives, positives = table.sum(axis=1)
        assert (int(split.negatives[a]), int(split.positives[a])) == (negatives, positives)
        with np.errstate(invalid="ignore"):
            rates = table[0, 1] / negatives, table[1, 0] / positives
        ours = split.false_positive_rate[a], split.false_negative_rate[a]
        np.testing.assert_allclose(ours, rates, rtol=1e-6)


def test_scores_masks_grids_and_unknown():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(40, 2, 3)).astype(np.float32)
    truth = rng.choice([-1, 0, 1], (40, 2))
    split = jfm.error_split(scores, truth)
    assert split.false_positive_rate.shape == (2, 3)
    one = jfm.error_split(scores[:, :, 1], truth)
    np.testing.assert_array_equal(split.false_negative_rate[:, 1], one.false_negative_rate)
    known = truth[:, 0] != 0
    masks = scores[known, 0, 1] > 0, truth[known, 0] > 0
    masked = jfm.error_split(*masks)
    np.testing.assert_array_equal(masked.false_positive_rate, one.false_positive_rate[0])


def test_intervals_cover_and_widen_where_people_vary_together():
    rng = np.random.default_rng(1)
    truth = np.ones((400, 1), int)
    person = np.arange(400) // 20
    p = np.repeat(rng.beta(1, 3, 20), 20)  # each person's own rate
    pred = np.where(rng.random(400) < p, -1, 1)[:, None]
    rows = jfm.error_intervals(pred, truth).false_negative
    people = jfm.error_intervals(pred, truth, person).false_negative
    assert rows.rate == people.rate == np.mean(pred < 0)
    assert people.lower < rows.lower < rows.rate < rows.upper < people.upper
    assert people.effective[0] < 0.5 * rows.effective[0]
    nothing = jfm.error_intervals(pred, truth).false_positive
    assert np.isnan(nothing.rate).all()


def test_bad_input(unchecked_types):
    x = np.ones((4, 2))
    with pytest.raises(ValueError, match="begin with the shape of the truth"):
        jfm.error_split(x, x[:3])
    with pytest.raises(ValueError, match="not one a truth"):
        jfm.error_intervals(x, x[:3])
    with pytest.raises(ValueError, match="not one a row"):
        jfm.error_intervals(x, x, np.arange(3))
