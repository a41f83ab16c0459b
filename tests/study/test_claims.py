import numpy as np
import pytest

from jfacemap.study import claims


def table(*cells):
    """TAR of two models at one FAR: native, there, back, native."""
    return np.array(cells, float).reshape(2, 2, 1)


@pytest.mark.parametrize(
    "tar, held, cases",
    [
        (table(0.9, 0.8, 0.7, 0.8), 2, 2),
        (table(0.9, 0.95, 0.85, 0.8), 1, 2),
        (table(0.9, np.nan, 0.85, 0.8), 1, 1),
    ],
)
def test_no_map_beats_both_its_models(tar, held, cases):
    claim = claims.none_beats_both(tar)
    assert (claim.held, claim.cases, claim.holds) == (held, cases, held == cases)
    # .85 is above .8 and below .9; .7 is below both.
    assert claim.note == f"{np.sum(tar[[0, 1], [1, 0]] > 0.8)} beat the lesser of the two"


def test_rotation_costs_more():
    linear, rotation = table(1, 0.8, 0.7, 1), table(1, 0.7, 0.75, 1)
    claim = claims.rotation_costs_more(linear, rotation)
    assert (claim.held, claim.cases) == (1, 2) and "-0.025" in claim.note
    assert claims.rotation_costs_more(linear, linear).note.startswith("2 ties")


def test_rotation_is_ahead_below_a_bound():
    linear = np.array([[0.1, 0.2], [0.5, 0.6], [0.9, 0.9]])
    rotation = np.array([[0.3, 0.4], [0.5, 0.5], [0.8, 0.8]])
    claim = claims.rotation_is_ahead_below(linear, rotation, (8, 64, 512), 100)
    assert (claim.held, claim.cases) == (2, 3) and claim.note.endswith("ahead at 8")
    assert claims.rotation_is_ahead_below(linear, rotation, (8, 64, 512), 64).holds
    untested = claims.rotation_is_ahead_below(linear, rotation, (8, 64, 512), 1024)
    assert untested.note.endswith("; not tested from there on")


def test_symmetry_counts_each_pair_once():
    rotation = table(1, 0.7, 0.71, 1)
    claim = claims.rotation_is_symmetric(rotation, table(1, 0.5, 0.9, 1))
    assert (claim.held, claim.cases) == (1, 1)
    assert claim.note == "mean gap 0.010, of linear maps 0.400"
    assert not claims.rotation_is_symmetric(rotation, rotation, within=0.001).holds


def test_without_a_map_tar_is_nearly_far():
    tar = np.concatenate([table(1, 0.15, 0.25, 1), table(1, 0.0029, 0.0031, 1)], axis=-1)
    claim = claims.unmapped_is_random(tar, (0.1, 1e-3), 1000)
    assert (claim.held, claim.cases) == (2, 4)
    assert not claims.unmapped_is_random(table(1, 0.009, 0.009, 1), (1e-6,), 20_000).held


def test_few_dimensions():
    tar = np.array([[0.1, 0.1], [0.8, 0.2], [0.805, 0.9]])
    claim = claims.few_dimensions_suffice(tar, (2, 4, 8))
    assert (claim.held, claim.cases) == (1, 2)
    assert claim.note == "least rank 6 of 8 in the median"


def test_nothing_holds_where_there_is_no_case():
    assert not claims.none_beats_both(np.full((2, 2, 1), np.nan)).holds
