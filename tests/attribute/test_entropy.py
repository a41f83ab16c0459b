import jax
import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

import jfacemap as jfm


@pytest.mark.parametrize(
    "counts, entropy", (((13, 13), 0.6931472), ((1, 3), 0.5623351), ((9, 17), 0.6450332))
)
def test_golden_intra(counts, entropy):
    a = np.repeat([-1, 1], counts)[:, None]
    found = jfm.intra_entropy(a, np.zeros(len(a), int))
    assert found[0] == pytest.approx(entropy, abs=1e-6)


@pytest.mark.parametrize(
    "means, entropy",
    (((-1,), 2.3750481), ((0,), 3.0283764), ((-1, 1), 3.0681953), ((-1, 0, 1), 3.7414591)),
)
def test_golden_inter(means, entropy):
    """Two images an identity: both signs for a mean of 0."""
    a = np.array([[min(2 * m + 1, 1), max(2 * m - 1, -1)] for m in means]).reshape(-1, 1)
    found = jfm.inter_entropy(a, np.repeat(np.arange(len(means)), 2))
    assert found[0] == pytest.approx(entropy, abs=1e-6)


def people(seed=0, n=300, a=4):
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 25, n)
    odds = rng.uniform(size=(25, a)) ** 2
    return np.where(rng.uniform(size=(n, a)) < odds[who], 1, -1), who.astype(str)


@pytest.mark.parametrize("bandwidth", (0.05, 0.1))
def test_matches_slow_ways(bandwidth):
    a, who = people()
    names = np.unique(who)
    means = np.array([a[who == w].mean(axis=0) for w in names])
    p = np.stack([(1 + means) / 2, (1 - means) / 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        h = -np.nansum(p * np.log(p), axis=0)
    np.testing.assert_allclose(jfm.intra_entropy(a, who), h.mean(axis=0), rtol=1e-6)
    grid = np.linspace(-1, 1, 101)[:, None]
    for j, found in enumerate(jfm.inter_entropy(a, who, bandwidth=bandwidth)):
        density = KernelDensity(bandwidth=bandwidth, rtol=1e-12).fit(means[:, j : j + 1])
        f = np.exp(density.score_samples(grid))
        f = f / f.sum()
        wanted = -np.sum(f[f > 0] * np.log(f[f > 0]))
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_spellings_of_two_values_are_one():
    a, who = people()
    for same in (a > 0, (a > 0).astype(int), a.astype(np.float32)):
        np.testing.assert_array_equal(
            jfm.intra_entropy(same, who), jfm.intra_entropy(a, who)
        )


def test_an_attribute_of_the_identity_has_no_entropy_within():
    _, who = people()
    fixed = (who.astype(int) % 2)[:, None]
    assert jfm.intra_entropy(fixed, who)[0] == 0
    assert 0 < jfm.inter_entropy(fixed, who)[0] < np.log(101)


def test_jits_over_attributes_and_bandwidth():
    a, who = people()
    many = jax.jit(jax.vmap(lambda b: jfm.inter_entropy(a, who, bandwidth=b)))
    found = many(np.float32([0.05, 0.1]))
    np.testing.assert_allclose(found[1], jfm.inter_entropy(a, who), rtol=1e-6)


def test_a_weight_is_so_many_copies_of_an_identity():
    a, who = people()
    names = np.unique(who)
    weights = np.random.default_rng(1).integers(0, 3, len(names)).astype(np.float32)
    copies = [np.flatnonzero(who == names[i]) for i in range(len(names))]
    rows, twins = [], []
    for i, w in enumerate(weights.astype(int)):
        for k in range(w):
            rows.append(copies[i])
            twins.append(np.full(len(copies[i]), f"{names[i]}-{k}"))
    rows, twins = np.concatenate(rows), np.concatenate(twins)
    for f in (jfm.intra_entropy, jfm.inter_entropy):
        np.testing.assert_allclose(f(a, who, weights=weights), f(a[rows], twins), rtol=1e-6)


def test_bad_input_is_refused(unchecked_types):
    a, who = people()
    with pytest.raises(ValueError, match="attribute 1 of row 7 is 2"):
        wrong = a.copy()
        wrong[7, 1] = 2
        jfm.intra_entropy(wrong, who)
    with pytest.raises(ValueError, match="is 0 'no' or 'not known'"):
        jfm.intra_entropy(np.array([[-1], [0], [1]]), np.zeros(3, int))
    with pytest.raises(ValueError, match=r"identity is \(299,\)"):
        jfm.intra_entropy(a, who[1:])
    with pytest.raises(ValueError, match="one an identity"):
        jfm.intra_entropy(a, who, weights=np.ones(3, np.float32))
    for width in (0.0, -0.1, np.float32(np.nan)):
        with pytest.raises(ValueError, match="bandwidth of a density is above 0"):
            jfm.inter_entropy(a, who, bandwidth=width)
    with pytest.raises(ValueError, match=r"\(n, A\)"):
        jfm.intra_entropy(a[:, 0], who)
