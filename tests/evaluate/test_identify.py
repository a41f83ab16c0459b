import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.evaluate import identify as module
from jfacemap.evaluate.identify import identify


def sides(seed=0, m=20, n=90, d=6, people=30):
    rng = np.random.default_rng(seed)
    centre = rng.integers(-4, 5, (people, d))
    left, right = rng.integers(0, people // 2, m), rng.integers(0, people, n)
    a, b = (np.float32(centre[w] + rng.integers(-3, 4, (w.size, d))) for w in (left, right))
    ids = lambda k: np.arange(k) + 100
    return jfm.Templates(ids(m), a), jfm.Templates(ids(n), b), left, right


def slowly(a, b, left, right):
    rank, mate, best = [], [], []
    for x, who in zip(b.vectors, right, strict=True):
        scores = np.float64(a.vectors) @ np.float64(x)
        own, others = scores[left == who], scores[left != who]
        mate.append(own.max(initial=-np.inf))
        best.append(others.max(initial=-np.inf))
        ahead = np.unique(left[left != who][others >= mate[-1]])
        rank.append(1 + ahead.size if own.size else 0)
    return map(np.array, (rank, mate, best))


@pytest.mark.parametrize("tile", (2**22, 100), ids=("one tile", "many"))
def test_matches_a_search_probe_by_probe(tile, monkeypatch):
    monkeypatch.setattr(module, "tile_scores", tile)
    a, b, left, right = sides()
    found = identify(a, b, left, right, fpirs=(0.05, 0.3))
    rank, mate, best = slowly(a, b, left, right)
    np.testing.assert_array_equal(found.rank, rank)
    np.testing.assert_array_equal(found.mate_score, mate)
    np.testing.assert_array_equal(found.best_score, best)
    mated = np.isin(right, left)
    np.testing.assert_array_equal(found.mated, mated)
    for r in (1, 5, 20):
        assert found.hit_rate(r) == np.mean(rank[mated] <= r)
    assert found.cmc[0] == found.hit_rate(1) and found.cmc.size == len(np.unique(left))
    for far, tar, bar in zip(
        (0.05, 0.3), found.tpir_at_fpir, found.open_set.threshold, strict=True
    ):
        every = np.unique(np.concatenate([best[~mated], mate[mated]]))
        loosest = next(t for t in every if np.mean(best[~mated] >= t) <= far)
        assert bar == loosest and 0 < tar == np.mean(mate[mated] >= bar)


def test_a_subject_counts_once_by_the_best_template():
    """Two templates of another person are one rank ahead, and one of many is one."""
    vectors = np.float32([[5], [4], [3], [2], [1]])
    gallery = jfm.Templates(np.arange(5), vectors)
    probe = jfm.Templates([9], np.ones((1, 1), np.float32))
    who = np.array(["a", "a", "b", "c", "a"])
    ranks = [identify(gallery, probe, who, [name]).rank[0] for name in "abcd"]
    assert ranks == [1, 2, 3, 0]
    found = identify(gallery, probe, who, ["c"])
    assert found.gallery_size == 3 and found.cmc.tolist() == [0, 0, 1]


def test_numbers_and_strings_are_not_the_same_people():
    a, b, left, right = sides()
    with pytest.raises(ValueError, match="int64 on one side and <U21 on the other"):
        identify(a, b, left, right.astype(str))
    pandas = identify(a, b, left.astype(str).astype(object), right.astype(str))
    np.testing.assert_array_equal(pandas.rank, identify(a, b, left, right).rank)


def test_ties_count_against_the_mate():
    a = jfm.Templates([1, 2, 3], np.ones((3, 2), np.float32))
    b = jfm.Templates([9], np.ones((1, 2), np.float32))
    assert identify(a, b, [7, 8, 9], [8]).rank == 3


def test_a_mate_beyond_the_candidates_is_no_hit():
    a, b, left, right = sides()
    free, first = (identify(a, b, left, right, fpirs=0.3, within=w) for w in (None, 1))
    bar = first.open_set.threshold
    mated = first.mated
    hit = (first.mate_score >= bar) & (first.rank == 1)
    assert first.tpir_at_fpir == np.mean(hit[mated]) <= free.tpir_at_fpir


def test_nan_is_never_a_hit():
    a, b, left, right = sides()
    vectors = b.vectors.copy()
    broken = np.flatnonzero(np.isin(right, left))[0]
    vectors[broken] = np.nan
    found = identify(a, jfm.Templates(np.asarray(b.ids), vectors), left, right)
    assert found.rank[broken] == 0 and found.cmc[-1] < 1


@pytest.mark.parametrize("each", (1, 3), ids=("people", "several templates"))
def test_nan_is_never_a_hit_among_many(each):
    """A compiler's maximum of many numbers passes NaN over."""
    rows = np.random.default_rng(0).normal(size=(2, 240, 6)).astype(np.float32)
    rows[:, 6] = np.nan
    who = np.arange(240) // each
    a, b = (jfm.Templates(np.arange(240), x) for x in rows)
    found = identify(a, b, who, who)
    lost = who == 6 // each  # of the person who has that template in the gallery
    assert (found.rank[lost] == 0).all() and (found.rank[~lost] > 0).all()
    assert np.isnan(found.mate_score[lost]).all()
    assert np.isnan(found.best_score[6]) and np.isnan(found.best_score[~lost]).all()


def test_without_strangers_there_is_no_open_set():
    a, b, left, right = sides()
    mated = np.isin(right, left)
    mates = jfm.Templates(np.asarray(b.ids)[mated], b.vectors[mated])
    found = identify(a, mates, left, right[mated])
    assert found.open_set is None and 0 < found.cmc[0] < 1
    with pytest.raises(ValueError, match="needs probes of both kinds"):
        _ = found.tpir_at_fpir


def test_wrong_shapes_are_refused():
    a, b, left, right = sides()
    with pytest.raises(ValueError, match=r"90 templates need a subject each; got \(89,\)"):
        identify(a, b, left, right[1:])
    narrow = jfm.Templates(np.asarray(b.ids), b.vectors[:, 1:])
    with pytest.raises(ValueError, match=r"\(90, 5\) do not compare"):
        identify(a, narrow, left, right)
