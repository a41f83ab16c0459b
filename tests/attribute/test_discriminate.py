import jax
import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

import jfacemap as jfm
from jfacemap.attribute.correlate import _weighted_statistics, _weights
from jfacemap.attribute.dimension import tree_length
from jfacemap.attribute.discriminate import fit_logistic

from .test_macroscale import world


def test_planes_match_sklearn():
    x, a, _ = world(d=8)
    x[:, 3] = 7  # a constant
    a[:, 1] = np.where(x[:, 1] + 0.5 * x[:, 2] > 0, 1, -1)  # separable
    used = (np.arange(len(x)) % 3 > 0).astype(np.float32)
    planes = fit_logistic(x, a.astype(np.float32), used, 1.0)
    rows = used > 0
    x = np.float64(x)
    z = (x - x[rows].mean(0)) / np.where(x[rows].std(0) > 1e-9, x[rows].std(0), 1)
    for j in range(2):
        theirs = LogisticRegression(tol=1e-12, solver="newton-cholesky").fit(
            z[rows], a[rows, j]
        )
        np.testing.assert_allclose(planes.weight[:, j], theirs.coef_[0], atol=1e-4)
        np.testing.assert_allclose(planes.bias[j], theirs.intercept_[0], atol=1e-4)
        np.testing.assert_allclose(
            planes.decide(np.float32(x))[:, j], theirs.decision_function(z), atol=1e-3
        )


def test_power_is_of_people_not_seen():
    """An attribute that is the person's alone, with no trace of it in others, is chance."""
    x, a, who = world(people=30, d=12, effect=3.0)
    odd = np.random.default_rng(0).choice([-1, 1], 30)[who]
    a = np.stack([a[:, 0], odd, np.ones(len(a), int)], axis=1)
    found = jfm.discriminative_power(jax.random.key(0), x, a, who)
    assert found.accuracy[0] > 0.85 and found.balanced[0] > 0.85
    assert found.balanced[1] < 0.75
    assert found.majority[2] == 1 and np.isnan(found.accuracy[2])


def test_correlations_and_their_draws():
    rng = np.random.default_rng(3)
    x, _, who = world(people=24, d=6)
    odds = rng.uniform(size=(24, 6))
    sharp = np.linspace(0.3, 6, 6)
    odds = odds**sharp / (odds**sharp + (1 - odds) ** sharp)
    a = np.where(rng.uniform(size=(len(who), 6)) < odds[who], 1, -1)
    key = jax.random.key(0)
    found = jfm.attribute_ks(key, x, a, who, metric="cosine", exclude_same=True)
    options = {"metric": "cosine", "replicates": 30}
    table = jfm.correlate_entropy(key, found, x, a, who, **options)
    entropies = jfm.inter_entropy(a, who), jfm.intra_entropy(a, who)
    people = found.people
    assert (people[:, 0] != people[:, 1]).any()
    sums = (found.statistic * people).sum(axis=1)
    rows = found.statistic.max(1), found.statistic.mean(1), sums, sums / people.sum(axis=1)
    for i, values in enumerate(rows):
        for j, entropy in enumerate(entropies):
            theirs = spearmanr(values, entropy)
            assert table.rho[i, j] == pytest.approx(theirs.statistic)
            assert table.p[i, j] == pytest.approx(theirs.pvalue)
    assert table.aggregates == ("max", "mean", "weighted", "weighted mean")
    assert table.replicates.shape == (30, 4, 2)
    # Two draws, the slow way: the entropies and statistics of the people drawn.
    w = _weights(key, 24, 30)
    ks = _weighted_statistics(found, x, who, w, "cosine")
    for b in (0, 29):
        drawn = [f(a, who, weights=w[b]) for f in (jfm.inter_entropy, jfm.intra_entropy)]
        for j, entropy in enumerate(drawn):
            wanted = spearmanr(ks[b].max(axis=1), entropy).statistic
            assert table.replicates[b, 0, j] == pytest.approx(wanted, abs=1e-6)
    low, high = table.interval(0.9)
    wanted = np.quantile(table.replicates, [0.05, 0.95], axis=0)
    np.testing.assert_allclose([low, high], wanted)


def test_statistics_of_people_drawn_are_those_of_their_pairs():
    x, a, who = world(people=24)
    found = jfm.attribute_ks(
        jax.random.key(0), x, a, who, metric="euclidean", exclude_same=True
    )
    rng = np.random.default_rng(0)
    w = np.stack([np.ones(24), rng.integers(0, 4, 24)]).astype(np.float32)
    ks = _weighted_statistics(found, x, who, w, "euclidean")
    np.testing.assert_allclose(ks[0], found.statistic, atol=1e-6)
    for j, rows in enumerate(found.clouds):
        rows = rows[:, : found.size[j]]
        sides = [(rows[0], rows[0]), (rows[1], rows[1]), tuple(rows)]
        values = [cdist(np.float64(x[p]), np.float64(x[q])) for p, q in sides]
        often = [np.outer(w[1][who[p]], w[1][who[q]]) * (who[p][:, None] != who[q][None])
                 for p, q in sides]  # fmt: skip
        at = np.unique(np.concatenate([v.ravel() for v in values]))
        share = [np.array([o[v <= t].sum() for t in at]) / o.sum()
                 for v, o in zip(values, often, strict=True)]  # fmt: skip
        for m in range(2):
            wanted = np.abs(share[m] - share[2]).max()
            assert ks[1, j, m] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("metric", ("cosine", "euclidean"))
def test_tree_length_matches_scipy(metric):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5)).astype(np.float32)
    for size in (20, 60):
        d = cdist(np.float64(x[:size]), np.float64(x[:size]), metric)
        wanted = minimum_spanning_tree(d).sum()
        np.testing.assert_allclose(tree_length(x, size, metric=metric), wanted, rtol=1e-5)


def test_dimension_of_a_cube():
    rng = np.random.default_rng(0)
    for d, low, high in ((1, 0.8, 1.2), (3, 2.3, 3.6)):
        x = np.zeros((300, 5), np.float32)
        x[:, :d] = rng.uniform(size=(300, d))
        found = jfm.ph_dimension(jax.random.key(0), x, repeats=3)
        assert low < found.mean < high and found.lengths.shape == (3, 8)


def test_bad_input_is_refused(unchecked_types):
    x, a, who = world(people=6)
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="folds are from 2 to the 6"):
        jfm.discriminative_power(key, x, a, who, folds=7)
    with pytest.raises(ValueError, match="ten points"):
        jfm.ph_dimension(key, x[:5])
    with pytest.raises(ValueError, match="sizes are two or more"):
        jfm.ph_dimension(key, x, sizes=(5, 5))
    x[0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        jfm.ph_dimension(key, x)
    with pytest.raises(ValueError, match=r"1 of .* embeddings are not finite"):
        jfm.discriminative_power(key, x, a, who)


def test_points_of_one_distance_have_no_dimension():
    # Trees of n points are (n - 1) times as long: in logarithms a slope above 1.
    found = jfm.ph_dimension(jax.random.key(0), np.eye(12, dtype=np.float32), repeats=2)
    np.testing.assert_allclose(found.lengths[0], (np.array(found.sizes) - 1) * np.sqrt(2))
    assert np.isnan(found.dimension).all() and np.isnan(found.mean)
