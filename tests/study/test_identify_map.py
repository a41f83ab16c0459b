"""1:N through a map, against a search template by template in float64."""

import dataclasses

import jax
import numpy as np
import pytest

import jfacemap as jfm


@pytest.fixture(scope="module")
def world():
    return jfm.data.simulate_ijb(jax.random.key(0), scale=0.005, models=2, width=32)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def slowly(
    m, source, target, protocol, gallery, side="probe", weights=1.0, pool_first=False
):
    """Ranks of mates, scores of mates and best scores of strangers, of each probe."""
    weights = np.broadcast_to(weights, len(source))[:, None]
    weight = np.float64(m.weight)
    source, target = unit(np.float64(source)), unit(np.float64(target))

    def templates(name, roster):
        mapped = side in (name, "both")
        x = unit(source @ weight) if mapped and not pool_first else target
        x = weights * (source if mapped and pool_first else x)
        rows = []
        for which in roster.template:
            mine = protocol.template == which
            media = protocol.media[mine]
            rows.append(sum(x[mine][media == each].mean(0) for each in np.unique(media)))
        rows = unit(np.stack(rows))
        rows = unit(rows @ weight) if mapped and pool_first else rows
        return rows, roster.subject

    enrolled, known = templates("gallery", gallery)
    probes, who = templates("probe", protocol.probes)
    scores = probes @ enrolled.T
    same = who[:, None] == known[None]
    mate = np.where(same, scores, -np.inf).max(axis=1)
    best = np.where(same, -np.inf, scores).max(axis=1)
    rank = np.where(
        same.any(axis=1), 1 + (~same & (scores >= mate[:, None])).sum(axis=1), 0
    )
    order = np.argsort(protocol.probes.template)
    return rank[order], mate[order], best[order]


def test_each_gallery_is_searched_as_by_hand(world):
    source, target = world.embeddings(0), world.embeddings(1)
    m = jfm.fit_linear(jfm.unit(source), jfm.unit(target))
    ours = jfm.identify_map(m, source, target, world.protocol, fpirs=(0.05, 0.2))
    assert set(ours.searches) == {"G1", "G2"}
    hits, rates = [], []
    for name, gallery in world.protocol.galleries.items():
        rank, mate, best = slowly(m, source, target, world.protocol, gallery)
        found = ours.searches[name]
        np.testing.assert_array_equal(found.rank, rank)
        mated = rank > 0
        np.testing.assert_array_equal(found.mated, mated)
        hits.append([np.mean(rank[mated] <= r) for r in (1, 5)])
        falling = np.sort(best[~mated])[::-1]
        bars = [falling[int(far * falling.size)] for far in (0.05, 0.2)]
        rates.append([np.mean(mate[mated] > bar) for bar in bars])
    np.testing.assert_allclose(ours.hit_rate(np.array([1, 5])), np.mean(hits, axis=0))
    np.testing.assert_allclose(ours.tpir_at_fpir, np.mean(rates, axis=0))


@pytest.mark.parametrize("side", ("gallery", "both"))
@pytest.mark.parametrize("pool_first", (False, True))
def test_sides_weights_and_pooling_first_are_as_by_hand(world, side, pool_first):
    source, target = world.embeddings(0), world.embeddings(1)
    m = jfm.fit_linear(jfm.unit(source), jfm.unit(target))
    weights = np.float32(np.random.default_rng(0).random(len(source)))
    given = {"weights": weights, "pool_first": pool_first}
    ours = jfm.identify_map(m, source, target, world.protocol, mapped_side=side, **given)
    assert ours.mapped_side == side and ours.pool_first == pool_first
    for name, gallery in world.protocol.galleries.items():
        rank, mate, best = slowly(
            m, source, target, world.protocol, gallery, side=side, **given
        )
        found = ours.searches[name]
        np.testing.assert_array_equal(found.rank, rank)
        mated = rank > 0
        np.testing.assert_allclose(found.mate_score[mated], mate[mated], atol=1e-5)
        np.testing.assert_allclose(found.best_score, best, atol=1e-5)


def test_the_native_model(world):
    target = world.embeddings(1)
    native = jfm.identify_map(jfm.identity_map(32), target, target, world.protocol)
    assert native.hit_rate(np.array([1]))[0] > 0.5


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input(world):
    x, m = world.embeddings(0), jfm.identity_map(32)
    with pytest.raises(ValueError, match="one row an image"):
        jfm.identify_map(m, x[:-1], x, world.protocol)
    with pytest.raises(ValueError, match="'probe', 'gallery' or 'both'"):
        jfm.identify_map(m, x, x, world.protocol, mapped_side="left")
    with pytest.raises(ValueError, match="weights are"):
        jfm.identify_map(m, x, x, world.protocol, weights=np.ones(3, np.float32))
    bare = dataclasses.replace(world.protocol, galleries={}, probes=None)
    with pytest.raises(ValueError, match="no 1:N lists"):
        jfm.identify_map(m, x, x, bare)
