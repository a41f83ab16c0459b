"""Streamed counts against `tar_at_far` and `roc_curve` of the scores themselves.

Vectors are small whole numbers over a power of two: their inner products are exact, in
whatever order a product adds them up.
"""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import jfacemap as jfm
from jfacemap.evaluate import match_tiles
from jfacemap.evaluate.match_counts import FineCounts, MatchCounts, scores_of
from jfacemap.evaluate.match_tiles import count_bins
from jfacemap.evaluate.rules import rules
from jfacemap.evaluate.selection import sortable
from jfacemap.evaluate.target import count_limits


fars = [0.0, 1e-4, 1e-3, 0.01, 0.1, 0.5, 1.0]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(match_tiles, "tile_rows", 16)
    monkeypatch.setattr(match_tiles, "tile_columns", 32)


def sides(seed=0, m=37, n=83, digits=256, people=9):
    rng = np.random.default_rng(seed)
    who = rng.integers(0, people, m), rng.integers(0, people, n)
    centre = rng.integers(-digits, digits, (people, 8))
    draw = lambda w: (centre[w] + rng.integers(-digits, digits, (w.size, 8))) // 2
    a, b = (np.float32(draw(w) / digits) for w in who)
    ids = lambda k: np.arange(k) * 3 + 5
    return jfm.Templates(ids(m), a), jfm.Templates(ids(n), b), *who


def truth(a, b, left, right, rule):
    scores = np.float32(np.float64(a.vectors) @ np.float64(b.vectors).T)
    return jfm.tar_at_far(scores, left[:, None] == right[None], fars, rule=rule)


def assert_same(ours, theirs):
    for name in ("genuine_accepts", "impostor_accepts", "threshold", "supported"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)
    for name in ("genuine_at_zero", "n_genuine", "n_impostor", "n_nan"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("tar", "far", "target", "tar_at_zero"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)


@pytest.mark.parametrize("digits", (2, 256), ids=("ties", "few ties"))
@pytest.mark.parametrize("rule", rules)
def test_equals_tar_at_far_to_the_last_bit(rule, digits):
    for seed in range(3):
        a, b, left, right = sides(seed, digits=digits)
        ours = jfm.cross_match(a, b, left, right, fars, rule=rule)
        assert_same(ours.tar, truth(a, b, left, right, rule))


@settings(max_examples=12, deadline=None)  # each shape compiles anew
@given(seed=st.integers(0, 2**20), m=st.sampled_from([1, 2, 7, 40]),
       n=st.sampled_from([1, 5, 70]), rule=st.sampled_from(list(rules)))  # fmt: skip
def test_any_sizes(seed, m, n, rule):
    a, b, left, right = sides(seed, m, n, digits=4, people=3)
    ours = jfm.cross_match(a, b, left, right, fars, rule=rule)
    assert_same(ours.tar, truth(a, b, left, right, rule))


def test_scores_that_share_bins_are_told_apart():
    """All scores within one bin of 1/128: the thresholds are in the lower bits."""
    rng = np.random.default_rng(0)
    a = np.float32(1 + rng.integers(0, 2000, (40, 1)) / 2**22)
    b = np.ones((60, 1), np.float32)
    left, right = rng.integers(0, 5, 40), rng.integers(0, 5, 60)
    sides = jfm.Templates(np.arange(40), a), jfm.Templates(np.arange(60), b)
    assert np.count_nonzero(count_bins(a, b, (left, right), lambda *_: None).genuine) == 1
    for rule in rules:
        ours = jfm.cross_match(*sides, left, right, fars, rule=rule)
        assert_same(ours.tar, truth(*sides, left, right, rule))


def test_several_sets_of_probes_at_once():
    a, b, left, right = sides()
    other = jfm.Templates(np.asarray(b.ids), b.vectors[:, ::-1].copy())
    ours = jfm.cross_match(a, [b, other], left, right, fars)
    assert ours.tar.tar.shape == (2, len(fars)) and ours.counts.genuine.shape[0] == 2
    for i, side in enumerate((b, other)):
        theirs = truth(a, side, left, right, "strict")
        np.testing.assert_array_equal(ours.tar.tar[i], theirs.tar)
        np.testing.assert_array_equal(ours.tar.threshold[i], theirs.threshold)


def test_nan_is_counted_and_never_accepted():
    a, b, left, right = sides()
    broken = b.vectors.copy()
    broken[[3, 50]] = np.nan
    b = jfm.Templates(np.asarray(b.ids), broken)
    ours = jfm.cross_match(a, b, left, right, fars)
    assert ours.tar.n_nan == 2 * 37
    total = ours.counts.genuine.sum() + ours.counts.impostor.sum()
    assert total == 37 * 83 == ours.tar.n_genuine + ours.tar.n_impostor
    scores = np.float32(np.float64(a.vectors) @ np.float64(broken).T)
    theirs = jfm.tar_at_far(scores, left[:, None] == right[None], fars)
    assert_same(ours.tar, theirs)


def test_vectors_of_any_precision_are_scored_in_float32():
    a, b, left, right = sides()
    theirs = truth(a, b, left, right, "strict")
    of = lambda t, dtype: jfm.Templates(np.asarray(t.ids), t.vectors.astype(dtype))
    with jax.enable_x64(True):
        wide = jfm.cross_match(of(a, np.float64), of(b, np.float64), left, right, fars)
    assert_same(wide.tar, theirs)
    halves = jfm.cross_match(of(a, np.float16), of(b, np.float16), left, right, fars)
    assert_same(halves.tar, theirs)  # whose scores float16 could not hold


@pytest.mark.parametrize("rule", rules)
def test_parts_counted_apart_give_what_the_whole_gives(rule):
    a, b, left, right = sides()
    cut = lambda t, which: jfm.Templates(np.asarray(t.ids)[which], t.vectors[which])
    parts = [(cut(a, rows), b, left[rows], right) for rows in (slice(0, 11), slice(11, 37))]
    merge = lambda each: ft.reduce(jfm.merge, each)
    counts = merge([MatchCounts.zero(), *(jfm.count_matches(*part) for part in parts)])
    inside, fine = jfm.bins_in_doubt(counts, fars, rule=rule), None
    assert inside
    with pytest.raises(ValueError, match="Thresholds may lie inside the bins"):
        jfm.tar_of_counts(counts, None, fars, rule=rule)
    while inside:
        fine = merge([jfm.count_matches(*part, inside=inside) for part in parts])
        inside = jfm.bins_in_doubt(counts, fars, fine, rule=rule)
    ours = jfm.tar_of_counts(counts, fine, fars, rule=rule)
    assert_same(ours, truth(a, b, left, right, rule))
    whole = jfm.cross_match(a, b, left, right, fars, rule=rule)
    for name in ("genuine", "impostor"):
        np.testing.assert_array_equal(getattr(counts, name), getattr(whole.counts, name))


def test_the_curve_is_exact_at_the_edges_of_bins():
    a, b, left, right = sides()
    curve = jfm.cross_match(a, b, left, right, fars).counts.curve
    scores = np.float64(a.vectors) @ np.float64(b.vectors).T
    same = left[:, None] == right[None]
    real = np.isfinite(curve.thresholds)
    for accepts, which in ((curve.genuine_accepts, same), (curve.impostor_accepts, ~same)):
        above = np.searchsorted(np.sort(-scores[which]), -curve.thresholds[real], "right")
        np.testing.assert_array_equal(accepts[real], above)
    exact = jfm.roc_curve(np.float32(scores), same)
    assert abs(curve.area - exact.area) < 2e-3
    assert abs(curve.equal_error_rate - exact.equal_error_rate) < 2e-2


def test_more_than_two_to_the_31_impostors():
    """Counts such as a billion probes would leave: 4.2e9 impostors, 20 genuine."""
    genuine, impostor = np.zeros((2, 2, 2**16), np.int64)
    genuine[:, [40_000, 30_000]] = 5, 15
    impostor[:, [39_000, 20_000]] = 10**6, 4_200_000_000
    genuine[1] = genuine[1, ::-1]
    counts = MatchCounts(genuine, impostor)
    targets = np.array([[1e-5, 1e-3], [0.5, 1.0]])
    ours = counts.curve.tar_at(targets)
    assert ours.shape == (2, 2, 2)
    np.testing.assert_array_equal(ours[0], [[0.25, 1], [1, 1]])
    np.testing.assert_array_equal(ours[1], [[0, 1], [1, 1]])
    one = MatchCounts(genuine[0], impostor[0])
    np.testing.assert_array_equal(one.curve.tar_at(targets), ours[0])
    assert one.curve.tar_at(1e-3) == 1
    inside = jfm.bins_in_doubt(one, [1e-5, 1e-3])
    fine = np.zeros((2, len(inside), 2**16), np.int64)
    for counted, whole in zip(fine, (genuine[0], impostor[0]), strict=True):
        counted[:, 7] = whole[inside]  # all scores of a bin are one
    found = jfm.tar_of_counts(one, FineCounts(np.array(inside), *fine), [1e-5, 1e-3])
    np.testing.assert_array_equal(found.tar, [0.25, 1])
    np.testing.assert_array_equal(found.impostor_accepts, [0, 10**6])
    assert found.n_impostor == 4_201_000_000


def test_curves_of_several_maps_take_traced_targets():
    a, b, left, right = sides()
    curve = jfm.cross_match(a, [b, b], left, right, fars).counts.curve
    targets = jnp.asarray([0.011, 0.11])
    np.testing.assert_array_equal(
        np.float32(curve.tar_at([0.011, 0.11])), np.float32(curve.tar_at(targets))
    )


def test_keys_and_scores_are_inverse():
    scores = np.float32([-np.inf, -2.5, -1e-40, 0, 1e-40, 0.3, np.inf])
    np.testing.assert_array_equal(
        scores_of(np.asarray(sortable(jnp.asarray(scores)))), scores
    )


@given(n=st.integers(1, 10**12), far=st.floats(0, 1))
def test_limits_are_those_of_float64_division(n, far):
    (k,) = count_limits(n, np.array([far]))
    assert k / n <= far and (k == n or (k + 1) / n > far)


def test_without_targets_there_are_counts_alone():
    a, b, left, right = sides()
    none = jfm.cross_match(a, b, left, right, [])
    assert none.tar.tar.shape == none.tar.threshold.shape == (0,)
    some = jfm.cross_match(a, b, left, right, [0.1])
    np.testing.assert_array_equal(none.counts.genuine, some.counts.genuine)
    assert none.tar.tar_at_zero == some.tar.tar_at_zero


def test_counts_of_several_maps_are_taken_one_by_one():
    a, b, left, right = sides()
    counts = jfm.cross_match(a, [b, b], left, right, fars).counts
    with pytest.raises(ValueError, match=r"Counts of several maps, \(2,\): take those of"):
        jfm.bins_in_doubt(counts, fars)
    one = jax.tree.map(lambda x: x[1], counts)
    with pytest.raises(ValueError, match="Thresholds may lie inside"):
        jfm.tar_of_counts(one, None, fars)


def test_progress_counts_tiles():
    a, b, left, right = sides()
    seen = []
    jfm.cross_match(a, b, left, right, fars, progress=lambda *done: seen.append(done))
    assert seen[:9] == [(i, 9) for i in range(1, 10)] and len(seen) % 9 == 0


def test_bad_input_is_refused():
    a, b, left, right = sides()
    with pytest.raises(ValueError, match=r"rule is one of strict.*; got 'loose'"):
        jfm.cross_match(a, b, left, right, fars, rule="loose")
    with pytest.raises(ValueError, match=r"83 probe templates need .* got \(82,\)"):
        jfm.cross_match(a, b, left, right[1:], fars)
    with pytest.raises(ValueError, match="rates from 0 to 1"):
        jfm.cross_match(a, b, left, right, [2.0])
    with pytest.raises(ValueError, match="int64 on one side and <U21 on the other"):
        jfm.cross_match(a, b, left, right.astype(str), fars)
    narrow = jfm.Templates(np.asarray(b.ids), b.vectors[:, 1:])
    with pytest.raises(ValueError, match=r"\(83, 7\) do not compare .*\(37, 8\)"):
        jfm.cross_match(a, narrow, left, right, fars)


@pytest.mark.usefixtures("unchecked_types")
def test_arrays_are_no_templates():
    rows, who = np.ones((3, 2), np.float32), np.arange(3)
    with pytest.raises(ValueError, match=r"pass jfm.Templates\(ids, vectors\)"):
        jfm.cross_match(rows, rows, who, who, [0.1])
