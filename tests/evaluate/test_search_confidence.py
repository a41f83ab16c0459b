import jax
import numpy as np
import pytest

from jfacemap.evaluate.confidence import bootstrap_weights
from jfacemap.evaluate.identify import identify
from jfacemap.evaluate.search_confidence import search_confidence
from jfacemap.evaluate.templates import Templates

from . import oracles
from .test_identify import sides


key, fpirs, ranks = jax.random.key(0), (0.05, 0.3), (1, 2, 6)


def take(found, rows):
    """Rates of some probes, each as often as it is listed; NaN where a kind is missing."""
    mated, rank = found.mated[rows], found.rank[rows]
    if not mated.any() or mated.all():
        return None
    hits = [np.mean((rank[mated] > 0) & (rank[mated] <= r)) for r in ranks]
    scores = np.where(mated, found.mate_score[rows], found.best_score[rows])
    return hits, [oracles.tar_at_far(scores, mated, far, "strict")[3] for far in fpirs]


def test_draws_are_those_of_literal_resampling():
    a, b, left, right = sides()
    found = identify(a, b, left, right, fpirs=fpirs)
    ours = search_confidence(key, found, right, ranks=ranks, replicates=30)
    people, code = np.unique(right, return_inverse=True)
    for i, drawn in enumerate(np.asarray(bootstrap_weights(key, people.size, 30))):
        hits, tpir = take(found, np.repeat(np.arange(90), drawn[code]))
        np.testing.assert_allclose(ours.hit_rate.replicates[i], hits, rtol=1e-12)
        np.testing.assert_allclose(ours.tpir.replicates[i], tpir, rtol=1e-12)
    np.testing.assert_allclose(ours.hit_rate.tar, found.hit_rate(ranks))
    np.testing.assert_allclose(ours.tpir.tar, found.tpir_at_fpir)
    ends = np.quantile(ours.tpir.replicates, [0.025, 0.975], axis=0)
    np.testing.assert_allclose([ours.tpir.lower, ours.tpir.upper], ends)
    assert ours.hit_rate.n_identities == people.size and ours.ranks == ranks


def test_several_galleries_are_averaged_draw_by_draw():
    a, b, left, right = sides()
    other = Templates(np.asarray(a.ids), a.vectors[::-1].copy())
    each = [identify(x, b, left, right, fpirs=fpirs) for x in (a, other)]
    alone = [search_confidence(key, found, right, replicates=20) for found in each]
    both = search_confidence(key, each, right, replicates=20)
    for rate in ("hit_rate", "tpir"):
        parts = [getattr(one, rate).replicates for one in alone]
        ours = getattr(both, rate)
        np.testing.assert_allclose(ours.replicates, np.mean(parts, axis=0))
        assert np.ptp(np.stack(parts), axis=0).max() > 0.05


def test_only_mates_within_the_ranks_that_count():
    a, b, left, right = sides()
    found = identify(a, b, left, right, fpirs=0.9, within=1)
    ours = search_confidence(key, found, right)
    assert ours.tpir.tar == found.tpir_at_fpir
    assert ours.tpir.tar < identify(a, b, left, right, fpirs=0.9).tpir_at_fpir


def test_draws_that_lack_a_kind_are_skipped():
    gallery = Templates([0, 1], np.eye(2, dtype=np.float32))
    probes = Templates([0, 1], np.eye(2, dtype=np.float32))
    found = identify(gallery, probes, ["a", "b"], ["a", "x"], fpirs=1.0)
    ours = search_confidence(key, found, ["a", "x"], replicates=50)
    drawn = np.asarray(bootstrap_weights(key, 2, 50))
    assert ours.hit_rate.n_skipped == np.sum(drawn[:, 0] == 0) > 0
    assert ours.tpir.n_skipped == np.sum(drawn != 1) / 2 > ours.hit_rate.n_skipped
    assert ours.tpir.lower == ours.tpir.upper == 1
    mates = identify(gallery, probes, ["a", "b"], ["a", "b"])
    assert search_confidence(key, mates, ["a", "b"]).tpir is None


def test_bad_input_is_refused():
    a, b, left, right = sides()
    found = identify(a, b, left, right)
    with pytest.raises(ValueError, match=r"90 probes need a subject each; got \(89,\)"):
        search_confidence(key, found, right[1:])
    with pytest.raises(ValueError, match="at least one draw"):
        search_confidence(key, found, right, replicates=0)
