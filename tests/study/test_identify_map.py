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
    m, source, target, protocol, gallery, side="probe", weights=None, pool_first=False
):
    """Ranks of mates, scores of mates and best scores of strangers, of each probe."""
    weight = np.float64(m.weight)
    heavy = np.ones((len(source), 1)) if weights is None else np.float64(weights)[:, None]

    def templates(name, roster):
        is_mapped, rows = side in (name, "both"), []
        early = is_mapped and not pool_first
        x = np.float64(source) @ weight if early else np.float64(source)
        x = unit(x if is_mapped else np.float64(target)) * heavy
        for which in roster.template:
            mine = protocol.template == which
            media = protocol.media[mine]
            rows.append(sum(x[mine][media == each].mean(0) for each in np.unique(media)))
        rows = np.stack(rows) @ weight if is_mapped and pool_first else np.stack(rows)
        return unit(rows), roster.subject

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


@pytest.mark.parametrize("pool_first", (False, True))
@pytest.mark.parametrize("side", ("probe", "gallery", "both"))
def test_sides_weights_and_pooling_first(world, side, pool_first):
    source, target, protocol = world.embeddings(0), world.embeddings(1), world.protocol
    rng = np.random.default_rng(0)
    weights = np.float32(rng.uniform(0.1, 3, len(source)))
    m = jfm.fit_linear(jfm.unit(source), jfm.unit(target))
    how = {"weights": weights, "pool_first": pool_first}
    ours = jfm.identify_map(m, source, target, protocol, mapped_side=side, **how)
    assert ours.mapped_side == side
    for name, gallery in protocol.galleries.items():
        truth = slowly(m, source, target, protocol, gallery, side, **how)
        found = ours.searches[name]
        for mine, theirs in zip(
            (found.rank, found.mate_score, found.best_score), truth, strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_the_native_model_and_its_intervals(world):
    target, key = world.embeddings(1), jax.random.key(1)
    m, protocol = jfm.identity_map(32), world.protocol
    ours = jfm.identify_map(m, target, target, protocol, key=key, ranks=(1, 3), level=0.9)
    assert ours.hit_rate(np.array([1]))[0] > 0.5
    spread = ours.spread["mean"]
    np.testing.assert_allclose(spread.hit_rate.tar, ours.hit_rate(np.array([1, 3])))
    np.testing.assert_allclose(spread.tpir.tar, ours.tpir_at_fpir)
    each = [ours.spread[name].hit_rate.replicates for name in ("G1", "G2")]
    np.testing.assert_allclose(spread.hit_rate.replicates, np.mean(each, axis=0))
    assert set(ours.spread) == {"G1", "G2", "mean"} and spread.tpir.level == 0.9


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
