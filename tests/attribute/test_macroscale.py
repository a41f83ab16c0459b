import math
from fractions import Fraction

import jax
import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from scipy.stats import gaussian_kde, ks_2samp, kstwo

import jfacemap as jfm
from jfacemap.attribute.histogram import PairHistogram
from jfacemap.attribute.ks import _log_smirnov, ks_p_value, ks_statistic
from jfacemap.attribute.relabel import largest_statistics, relabellings, SortedPairs


def test_golden_statistic():
    a, b = np.array([0.0, 1, 3]), np.array([2.0, 4, 7])
    across = np.abs(a[:, None] - b[None]).ravel()
    within = [pdist(x[:, None]) for x in (a, b)]
    assert ks_statistic(within[0], across) == pytest.approx(4 / 9)
    assert ks_statistic(within[1], across) == pytest.approx(1 / 3)


def test_golden_p():
    assert ks_p_value(0.033003, 6216, 12544)[0] == pytest.approx(2.2850e-4, rel=1e-4)


def test_statistic_and_p_match_scipy():
    rng = np.random.default_rng(0)
    for m, n, shift in ((50, 80, 0.2), (400, 300, 0.0), (30, 30, 3.0)):
        a, b = rng.normal(size=m).round(2), rng.normal(shift, size=n).round(2)
        theirs = ks_2samp(a, b, method="asymp")
        found = ks_statistic(a, b)
        assert found == pytest.approx(theirs.statistic, abs=1e-12)
        p, log_p = ks_p_value(found, m, n)
        assert p == pytest.approx(theirs.pvalue) and log_p == pytest.approx(math.log(p))


def log_tail(d: float, n: int) -> float:
    """Logarithm of the two-sided tail: Smirnov's sum, doubled, in whole fractions."""
    d, total = Fraction(d), Fraction(0)
    for j in range(math.floor(n * (1 - d)) + 1):
        below = d + Fraction(j, n)
        total += math.comb(n, j) * (1 - below) ** (n - j) * below ** (j - 1)
    total *= 2 * d
    return math.log(total.numerator) - math.log(total.denominator)


def test_the_tail_goes_on_below_the_smallest_float():
    for d, n in ((0.37, 2000), (0.25, 900)):  # where both ways are at hand
        wanted = kstwo.logsf(d, n)
        assert math.log(2) + _log_smirnov(d, n) == pytest.approx(wanted, rel=1e-9)
    p, log_p = ks_p_value(0.6, 4000, 4000)
    assert p == 0 and log_p == pytest.approx(log_tail(0.6, 2000), rel=1e-9)
    assert np.isnan(ks_p_value(np.nan, 3, 3)).all()


def world(seed=0, people=40, images=6, d=5, effect=1.5):
    """An attribute of the identity that moves embeddings, and one that is noise."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), images)
    trait = np.where(np.arange(people) % 2 == 0, 1, -1)[who]
    noise = rng.choice([-1, 1], who.size)
    centre = rng.normal(size=(people, d))[who]
    x = centre + 0.3 * rng.normal(size=(who.size, d))
    x[:, 0] += effect * trait
    return x.astype(np.float32), np.stack([trait, noise], axis=1), who


@pytest.mark.parametrize("exclude_same", (False, True))
@pytest.mark.parametrize("metric", ("cosine", "euclidean"))
def test_statistics_are_those_of_the_clouds_drawn(metric, exclude_same):
    x, a, who = world()
    found = jfm.attribute_ks(
        jax.random.key(0), x, a, who, metric=metric, cap=18, exclude_same=exclude_same
    )
    np.testing.assert_array_equal(found.size, 18)
    np.testing.assert_array_equal(found.people[0], [20, 20])
    for j in range(2):
        rows = found.clouds[j]
        for side, sign in zip(rows, (1, -1), strict=True):
            assert (a[side, j] == sign).all() and len(np.unique(who[side])) == 18
        across = cdist(*x[rows].astype(float), metric)
        differ = who[rows[0]][:, None] != who[rows[1]][None]
        across = across[differ | (not exclude_same)]
        for m in range(2):
            within = pdist(np.float64(x[rows[m]]), metric)
            wanted = ks_2samp(within, across, method="asymp")
            assert found.statistic[j, m] == pytest.approx(wanted.statistic, abs=1e-12)
            assert found.p[j, m] == pytest.approx(wanted.pvalue, rel=1e-6)


def test_permutation_tells_a_trait_from_noise():
    x, a, who = world()
    found = jfm.attribute_ks(
        jax.random.key(0), x, a, who, metric="euclidean", draws=3, permutations=1999
    )
    assert found.draws.shape == (3, 2, 2) and found.null.shape == (2, 1999)
    assert found.permutation_p[0] < 0.005 < 0.02 < found.permutation_p[1]
    # Max-T: each attribute in units of its own null, against the largest of all.
    centre, spread = found.null.mean(axis=1), found.null.std(axis=1, ddof=1)
    largest = ((found.null - centre[:, None]) / spread[:, None]).max(axis=0)
    own = (found.observed - centre) / spread
    wanted = (1 + (largest[None] >= own[:, None]).sum(axis=1)) / 2000
    np.testing.assert_allclose(found.permutation_p_max, wanted, atol=2e-3)
    assert found.median_largest[0] > found.median_largest[1]
    # Every place is compared where pairs are few.
    np.testing.assert_allclose(found.observed, found.statistic.max(axis=1), atol=1e-6)


def test_relabelled_statistics_match_the_slow_way():
    rng = np.random.default_rng(1)
    n = 20
    points = rng.normal(size=(2 * n, 3)).round(1)  # many ties
    d = cdist(points, points)
    identity = np.stack([rng.permutation(30)[:n] for _ in range(2)])
    flat = identity.ravel()
    labels = relabellings(rng, identity, 40)
    for excluded in (np.zeros_like(d, bool), flat[:, None] == flat[None]):
        found = largest_statistics(SortedPairs(d, excluded), labels)
        for value, row in zip(found, labels, strict=True):
            a, b = np.flatnonzero(row), np.flatnonzero(~row)
            across = d[np.ix_(a, b)][~excluded[np.ix_(a, b)]]
            within = [d[np.ix_(c, c)][np.triu_indices(n, 1)] for c in (a, b)]
            wanted = max(ks_2samp(w, across, method="asymp").statistic for w in within)
            assert value == pytest.approx(wanted, abs=1e-6)


def test_relabelling_keeps_sizes_and_swaps_the_shared():
    rng = np.random.default_rng(2)
    identity = np.array([[0, 1, 2, 3, 4], [9, 3, 1, 7, 8]])
    labels = relabellings(rng, identity, 500)
    assert (labels.sum(axis=1) == 5).all()
    np.testing.assert_array_equal(labels[0], np.arange(10) < 5)
    np.testing.assert_array_equal(labels[:, 1], ~labels[:, 5 + 2])
    np.testing.assert_array_equal(labels[:, 3], ~labels[:, 5 + 1])
    assert np.abs(labels[1:].mean(axis=0) - 0.5).max() < 0.1


def test_what_is_missing_is_nan_and_counted():
    x, a, who = world(people=6)
    a = np.concatenate([a, np.ones((len(a), 1), int)], axis=1)
    x[5], x[9] = np.nan, 0
    found = jfm.attribute_ks(jax.random.key(0), x, a, who, metric="cosine", permutations=31)
    assert found.skipped == 2 and found.size[2] == 0
    for values in (found.statistic, found.p, found.permutation_p, found.permutation_p_max):
        assert np.isnan(values[2]).all() and not np.isnan(values[:2]).any()


def test_class_distances():
    golden = jfm.class_distances(
        np.float32([[0], [1], [10], [12]]), np.array(list("aabb")), metric="euclidean"
    )
    np.testing.assert_allclose(golden.within, [0.5, 1.0], rtol=1e-6)
    np.testing.assert_allclose(golden.between, [10.5, 10.5], rtol=1e-6)
    x, _, who = world(people=9)
    x, who = x[:-4], who[:-4]
    x[0] = np.nan
    for metric in ("cosine", "euclidean"):
        for itself in (True, False):
            found = jfm.class_distances(x, who, metric=metric, include_self=itself)
            live = np.arange(1, len(x))
            d = cdist(np.float64(x[live]), np.float64(x[live]), metric)
            same = who[live][:, None] == who[live][None]
            for i in range(9):
                own = who[live] == i
                block = d[np.ix_(own, own)]
                k = own.sum()
                wanted = block.sum() / (k * k if itself else k * (k - 1))
                np.testing.assert_allclose(found.within[i], wanted, rtol=1e-5)
                means = [d[np.ix_(own, who[live] == j)].mean() for j in range(9) if j != i]
                np.testing.assert_allclose(found.between[i], np.mean(means), rtol=1e-5)
            assert found.skipped == 1 and same.any()
    alone = jfm.class_distances(x[-2:], np.arange(2), include_self=False)
    assert np.isnan(alone.within).all() and alone.between[0] > 0


def test_pair_histogram_and_overlap():
    x, _, who = world(people=9)
    x[3] = 0
    found = jfm.pair_histogram(x, who, bins=90)
    live = np.arange(len(x)) != 3
    cos = 1 - pdist(np.float64(x[live]), "cosine")
    degrees = np.degrees(np.arccos(np.clip(cos, -1, 1)))
    same = pdist(who[live][:, None].astype(float)) == 0
    for counts, which in ((found.matched, same), (found.unmatched, ~same)):
        wanted, _ = np.histogram(degrees[which], found.edges)
        np.testing.assert_array_equal(counts, wanted)


@pytest.mark.parametrize(
    "unit, bandwidth, default",
    (("degrees", 0.5, False), ("degrees", 1.0, True), ("cosine", 0.05, True),
     ("cosine", 0.2, False), ("euclidean", 0.05, True)),
)  # fmt: skip
def test_overlap_is_that_of_kernel_densities(unit, bandwidth, default):
    x, _, who = world(people=9)
    found = jfm.pair_histogram(x, who, unit=unit, bins=20_000)
    d = pdist(np.float64(x), "euclidean" if unit == "euclidean" else "cosine")
    d = np.degrees(np.arccos(1 - d)) if unit == "degrees" else d
    same = pdist(who[:, None].astype(float)) == 0
    at = np.linspace(d.min() - 6 * bandwidth, d.max() + 6 * bandwidth, 20_000)
    kernel = lambda d: gaussian_kde(d, bandwidth / d.std(ddof=1))(at)
    densities = np.stack([kernel(d[same]), kernel(d[~same])])
    given = () if default else (bandwidth,)
    top = densities.max()
    np.testing.assert_allclose(found.densities(at, *given), densities, atol=0.01 * top)
    wanted = np.trapezoid(densities.min(axis=0), at)
    assert 0.01 < wanted < 0.99
    np.testing.assert_allclose(found.overlap(*given), wanted, atol=2e-3)


@pytest.mark.parametrize("unit, bins", (("degrees", 720), ("cosine", 10), ("cosine", 1)))
@pytest.mark.parametrize("bandwidth", (1e-3, 0.05, 10.0))
def test_densities_that_are_alike_overlap_wholly(unit, bins, bandwidth):
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, bins).astype(float)
    edges = np.linspace(0, 2, bins + 1)
    alike = PairHistogram(counts, 3 * counts, edges, unit)
    np.testing.assert_allclose(alike.overlap(bandwidth), 1, atol=1e-3)


def test_people_apart_do_not_overlap():
    x, who = np.eye(4, dtype=np.float32).repeat(3, 0), np.arange(4).repeat(3)
    assert jfm.pair_histogram(x, who).overlap() < 1e-6
    with pytest.raises(ValueError, match="bandwidth is above 0"):
        jfm.pair_histogram(x, who).overlap(0.0)


def test_bad_input_is_refused(unchecked_types):
    x, a, who = world(people=4)
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="24 embeddings, 23 rows"):
        jfm.attribute_ks(key, x, a[1:], who, metric="cosine")
    with pytest.raises(ValueError, match="'cosine' or 'euclidean'"):
        jfm.attribute_ks(key, x, a, who, metric="angle")
    with pytest.raises(ValueError, match="one attribute or more; got none"):
        jfm.attribute_ks(key, x, a[:, :0], who, metric="cosine")
    with pytest.raises(ValueError, match="cap of 2 or more"):
        jfm.attribute_ks(key, x, a, who, metric="cosine", cap=1)
    with pytest.raises(ValueError, match="key is a JAX key"):
        jfm.attribute_ks(0, x, a, who, metric="cosine")
    with pytest.raises(ValueError, match=r"identity is \(23,\)"):
        jfm.class_distances(x, who[1:])
    with pytest.raises(ValueError, match="at least one bin"):
        jfm.pair_histogram(x, who, unit="metres")
