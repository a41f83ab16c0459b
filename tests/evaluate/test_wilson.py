import itertools

import numpy as np
import pytest

from jfacemap.evaluate.identities import identity_pairs
from jfacemap.evaluate.tar import tar_at_far
from jfacemap.evaluate.wilson import wilson_intervals


labels = np.array(list("aaaabbbcccccddeee"))
upper = np.triu(np.ones((labels.size,) * 2, bool), 1)
pairs = identity_pairs(labels[:, None], labels[None], valid=upper)


def symmetric_scores():
    rng = np.random.default_rng(0)
    same = labels[:, None] == labels[None]
    tone = rng.normal(size=labels.shape * 2) + 2 * same
    tone = tone + rng.normal(size=5)[np.unique(labels, return_inverse=True)[1]][:, None]
    return (tone + tone.T) / 2


@pytest.mark.parametrize(
    ("threshold", "fnmr", "fmr"),
    [
        (1.0, (0.0935394890863308, 0.800192556209584), (0.0288108508095, 0.201561487638)),
        (0.5, (0.0590028270659891, 0.551686475147938), (0.0659596784285, 0.278127572689)),
        (2.2, (0.2707738516928605, 0.904470729290542), (0.0016698232132, 0.045493219976)),
    ],
)
def test_equals_cimat(threshold, fnmr, fmr):
    """Intervals that `cimat` 0.1.2, by the authors of the method, finds for this table."""
    found = wilson_intervals(symmetric_scores(), pairs, threshold)
    np.testing.assert_allclose(1 - found.tar.upper, fnmr[0], rtol=1e-9)
    np.testing.assert_allclose(1 - found.tar.lower, fnmr[1], rtol=1e-9)
    np.testing.assert_allclose(found.far.lower, fmr[0], rtol=1e-9)
    np.testing.assert_allclose(found.far.upper, fmr[1], rtol=1e-9)


def test_false_accepts_vary_with_every_pair_that_shares_a_person():
    """The variance from all pairs of pairs, one by one."""
    scores, bar = symmetric_scores(), 0.5
    found = wilson_intervals(scores, pairs, bar).far
    places = [p for p in np.argwhere(upper) if labels[p[0]] != labels[p[1]]]
    people = [{labels[i], labels[j]} for i, j in places]
    excess = np.array([scores[i, j] >= bar for i, j in places]) - float(found.rate)
    total = 0.0
    for a, b in itertools.product(range(len(places)), repeat=2):
        total += excess[a] * excess[b] * bool(people[a] & people[b])
    variance = total / len(places) ** 2
    np.testing.assert_allclose(
        found.effective, found.rate * (1 - found.rate) / variance, rtol=1e-9
    )


def test_where_nothing_varies_people_are_counted_and_not_pairs():
    found = wilson_intervals(symmetric_scores(), pairs, np.array([-99.0, 99.0]))
    for interval in (found.tar, found.far):
        np.testing.assert_array_equal(interval.rate, [1, 0])
        np.testing.assert_array_equal(interval.effective, [5, 5])
        z = 1.959963984540054
        np.testing.assert_allclose(interval.lower, [5 / (5 + z**2), 0], atol=1e-15)
        np.testing.assert_allclose(interval.upper, [1, z**2 / (5 + z**2)], rtol=1e-12)


def test_a_stack_is_its_cells():
    rng = np.random.default_rng(1)
    tables = np.float32(rng.normal(size=(2, 3, *upper.shape)) + (labels == labels[:, None]))
    genuine = labels[:, None] == labels[None]
    bars = np.stack(
        [tar_at_far(t, genuine, [0.5, 0.1], valid=upper).threshold for t in tables[0]]
    )
    bars = np.stack([bars, bars + np.float32(0.1)])
    whole = wilson_intervals(tables, pairs, bars)
    for i, j in np.ndindex(2, 3):
        alone = wilson_intervals(tables[i, j], pairs, bars[i, j])
        np.testing.assert_array_equal(whole.tar.lower[i, j], alone.tar.lower)
        np.testing.assert_array_equal(whole.far.upper[i, j], alone.far.upper)
    exact = tar_at_far(tables[0, 1], genuine, [0.5, 0.1], valid=upper)
    np.testing.assert_array_equal(whole.tar.rate[0, 1], exact.tar)
    np.testing.assert_array_equal(whole.far.rate[0, 1], exact.far)


def test_an_infinite_threshold_accepts_nothing():
    found = wilson_intervals(symmetric_scores(), pairs, np.inf)
    assert found.tar.rate == 0 and found.tar.lower == 0 < found.tar.upper < 1


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 4\) must end in the shape.*\(17, 17\)"):
        wilson_intervals(np.zeros((3, 4)), pairs, 0.0)
    with pytest.raises(ValueError, match=r"\(3,\) must begin with the \(2,\)"):
        wilson_intervals(np.zeros((2, 17, 17)), pairs, np.zeros(3))
