import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm


def scores(seed=0, mated=700, non_mated=5000, gap=1.5):
    rng = np.random.default_rng(seed)
    s = np.concatenate([rng.normal(gap, 1, mated), rng.normal(0, 1, non_mated)])
    return s, np.arange(s.size) < mated


def slowly(s, genuine, prior, bins):
    """The authors' definition: densities, likelihood ratio, D(s), and its integral."""
    edges = np.linspace(s.min(), s.max(), bins + 1)
    width = edges[1] - edges[0]
    p = np.histogram(s[genuine], edges, density=True)[0]
    q = np.histogram(s[~genuine], edges, density=True)[0]
    local = np.zeros(bins)
    for i in range(bins):
        if q[i] == 0:
            local[i] = p[i] > 0
        elif prior * p[i] / q[i] > 1:
            ratio = prior * p[i] / q[i]
            local[i] = 2 * ratio / (1 + ratio) - 1
    return local, np.sum(p * local) * width


@pytest.mark.parametrize("prior", (0.1, 1.0, 5.0))
@pytest.mark.parametrize("bins", (None, 17))
def test_matches_the_definition(prior, bins):
    s, genuine = scores()
    found = jfm.linkability(s, genuine, prior=prior, bins=bins)
    local, d_sys = slowly(s, genuine, prior, bins or 70)
    np.testing.assert_allclose(found.local, local, atol=1e-12)
    np.testing.assert_allclose(found.d_sys, d_sys, rtol=1e-12)
    np.testing.assert_allclose(found.edges[[0, -1]], [s.min(), s.max()])


def test_nothing_is_linked_by_equal_distributions_and_all_by_separate_ones():
    s, _ = scores()
    twice = np.concatenate([s, s])
    genuine = np.arange(twice.size) < s.size
    assert jfm.linkability(twice, genuine).d_sys == 0
    assert jfm.linkability(twice + 1e3 * genuine, genuine).d_sys == 1
    assert jfm.linkability(twice - 1e3 * genuine, genuine).d_sys == 1  # needs no order
    assert jfm.linkability(np.ones(40), np.arange(40) < 20).d_sys == 0


def test_chance_differences_count_as_documented():
    s, genuine = scores(mated=1000, non_mated=100_000, gap=0)
    by_chance = jfm.linkability(s, genuine).d_sys
    assert 0.03 < by_chance < 0.08


def test_it_rises_with_the_gap_and_does_not_see_monotone_units():
    rising = [jfm.linkability(*scores(gap=gap)).d_sys for gap in (0.5, 1, 2, 4)]
    assert (np.diff(rising) > 0.05).all() and rising[-1] > 0.9
    s, genuine = scores()
    a, b = (jfm.linkability(x, genuine).d_sys for x in (s, 3 * s - 7))
    np.testing.assert_allclose(a, b, atol=1e-3)


def test_what_is_not_valid_or_not_a_number_is_in_no_bin():
    s, genuine = scores()
    valid = np.arange(s.size) % 3 > 0
    some = jfm.linkability(s, genuine, valid=valid, bins=20)
    alone = jfm.linkability(s[valid], genuine[valid], bins=20)
    np.testing.assert_array_equal(some.mated, alone.mated)
    np.testing.assert_array_equal(some.non_mated, alone.non_mated)
    holed = np.where(valid, s, np.nan)
    found = jfm.linkability(holed, genuine, bins=20)
    np.testing.assert_array_equal(found.mated, alone.mated)
    assert found.n_nan == np.sum(~valid)
    s[0] = -np.inf
    assert jfm.linkability(s, genuine, bins=20).mated.sum() == genuine.sum()


def test_a_missing_kind_is_nan():
    s, genuine = scores()
    for which in (genuine, ~genuine):
        assert np.isnan(jfm.linkability(s, genuine, valid=which, bins=20).d_sys)


def test_jits_and_vmaps():
    s, genuine = scores()
    s = np.float32(s)
    f = lambda s, prior: jfm.linkability(s, genuine, prior=prior, bins=20).d_sys
    one = [jfm.linkability(x, genuine, prior=0.5, bins=20).d_sys for x in (s, -s)]
    many = jax.jit(jax.vmap(f, in_axes=(0, None)))(np.stack([s, -s]), jnp.float32(0.5))
    np.testing.assert_allclose(many, one, rtol=1e-5)


def test_bad_input_is_refused(unchecked_types):
    s, genuine = scores()
    with pytest.raises(ValueError, match="have one shape"):
        jfm.linkability(s, genuine[1:])
    with pytest.raises(ValueError, match="at least one bin; got 0"):
        jfm.linkability(s, genuine, bins=0)
