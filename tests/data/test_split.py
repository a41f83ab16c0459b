import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import jfacemap as jfm


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), people=st.integers(12, 60), strata=st.integers(1, 3))
def test_sets_share_nobody_and_have_their_shares(seed, people, strata):
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.repeat(np.arange(people), rng.integers(1, 5, people)))
    layer = rows % strata
    masks = jfm.data.split_identities(jax.random.key(seed), rows, strata=layer)
    assert len(masks) == 3
    np.testing.assert_array_equal(sum(m.astype(int) for m in masks), 1)
    sets = [set(rows[m]) for m in masks]
    assert len(set.union(*sets)) == people == sum(map(len, sets))
    for name in range(strata):
        mine = set(rows[layer == name])
        for share, each in zip((0.5, 0.25, 0.25), sets, strict=True):
            assert abs(len(each & mine) - share * len(mine)) <= 1


def test_a_key_is_a_deal_and_names_may_be_strings():
    who = np.repeat([f"p{i}" for i in range(40)], 3)
    deal = lambda seed: jfm.data.split_identities(jax.random.key(seed), who, (0.5, 0.4))
    np.testing.assert_array_equal(deal(0), deal(0))
    assert np.any(deal(0)[0] != deal(1)[0])
    assert [m.sum() for m in deal(0)] == [60, 48]  # four people are in no set


def test_bad_input_is_refused(unchecked_types):
    key, who = jax.random.key(0), np.arange(10) // 2
    split = jfm.data.split_identities
    with pytest.raises(ValueError, match="sum to at most 1"):
        split(key, who, (0.8, 0.3))
    with pytest.raises(ValueError, match=r"5 people .* leave set 1 empty"):
        split(key, who, (0.95, 0.02))
    with pytest.raises(ValueError, match="Person 2 is in more than one stratum"):
        split(key, who, (0.5, 0.5), strata=np.arange(10) // 5)
    with pytest.raises(ValueError, match=r"Strata \(3,\)"):
        split(key, who, (0.5, 0.5), strata=np.zeros(3, int))
