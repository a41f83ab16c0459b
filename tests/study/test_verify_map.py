import warnings

import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.data.protocol import Protocol
from jfacemap.study.pooled import pool_protocol, pool_rows
from jfacemap.study.verify_map import plan_verification, verify_map
from jfacemap.study.verify_pairs import verify_pairs


fars = 1e-3, 1e-2, 1e-1, 0.5


def small_protocol(seed=0, people=12, probes=30):
    """A gallery template a person, some probes; frames of several media, all shuffled."""
    rng = np.random.default_rng(seed)
    who = np.concatenate([np.arange(people), rng.integers(0, people, probes)])
    ids = rng.permutation(500)[: who.size]
    frames = rng.integers(1, 7, who.size)
    template = np.repeat(ids, frames)
    order = rng.permutation(template.size)
    left, right = np.meshgrid(ids[:people], ids[people:], indexing="ij")
    same = who[:people, None] == who[None, people:]
    protocol = Protocol(
        name="small",
        image=[f"{i}.jpg" for i in range(template.size)],
        template=template[order],
        media=rng.integers(0, 3, template.size),
        pairs=np.stack([left.ravel(), right.ravel()], axis=1),
        genuine=same.ravel(),
    )
    return protocol, np.repeat(who, frames)[order]


def models(who, dims, seed=1):
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(12, 6))[who] + 0.7 * rng.normal(size=(who.size, 6))
    mix = lambda d: latent @ rng.normal(size=(6, d)) + 0.3 * rng.normal(size=(who.size, d))
    return [np.float32(mix(d)) for d in dims]


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def slowly(m, source, target, protocol, mapped_side, weights=None):
    """Paper 000, 3.3, template by template and pair by pair, in float64."""
    a = m.as_affine()
    mapped = unit(np.float64(source) @ np.float64(a.weight) + np.float64(a.bias))
    native = unit(np.float64(target))
    if weights is not None:
        mapped, native = mapped * weights[:, None], native * weights[:, None]

    def template(x, which):
        mine = protocol.template == which
        media = protocol.media[mine]
        total = sum(x[mine][media == each].mean(0) for each in np.unique(media))
        return total / np.linalg.norm(total)

    left = mapped if mapped_side in ("gallery", "both") else native
    right = mapped if mapped_side in ("probe", "both") else native
    return [template(left, a) @ template(right, b) for a, b in protocol.pairs]


@pytest.mark.parametrize("side", ("probe", "gallery", "both"))
@pytest.mark.parametrize("kind", ("linear", "affine", "rotation"))
def test_matches_the_paper_step_by_step(kind, side):
    protocol, who = small_protocol()
    x, y = models(who, (8, 10))
    m = getattr(jfm, f"fit_{kind}")(unit(x), unit(y))
    weights = np.float32(np.random.default_rng(3).random(who.size))
    ours = verify_map(m, x, y, protocol, mapped_side=side, fars=fars, weights=weights)
    theirs = slowly(m, x, y, protocol, side, weights)
    np.testing.assert_allclose(ours.scores, theirs, atol=3e-6)
    at = jfm.tar_at_far(np.asarray(ours.scores), protocol.genuine, fars)
    np.testing.assert_array_equal(ours.tar.tar, at.tar)
    assert ours.mapped_side == side


def test_templates_of_the_source_can_be_mapped_instead():
    protocol, who = small_protocol()
    x, y = models(who, (8, 8))
    rotation = jfm.fit_rotation(unit(x), unit(y))
    linear = jfm.fit_linear(unit(x), unit(y))
    scores = lambda m, first: verify_map(m, x, y, protocol, pool_first=first).scores
    np.testing.assert_allclose(scores(rotation, True), scores(rotation, False), atol=2e-6)
    assert np.abs(scores(linear, True) - scores(linear, False)).max() > 1e-4


def fitted(spaces, *kinds):
    names = tuple("abc"[: len(spaces)])
    joint = jfm.joint_moments([unit(x) for x in spaces], names=names)
    return {kind: jfm.fit_all_pairs(joint, kind) for kind in kinds}


@pytest.mark.parametrize("side", ("probe", "gallery", "both"))
@pytest.mark.parametrize("load", (False, True), ids=("arrays", "one at a time"))
def test_all_pairs_equal_a_loop(load, side):
    protocol, who = small_protocol()
    dims = 8, 8, 11
    spaces = models(who, dims)
    maps = fitted(spaces, "linear", "rotation")
    plan, seen, scores = plan_verification(protocol), [], {}
    weights = np.float32(np.random.default_rng(3).random(who.size))
    options = {"fars": fars, "mapped_side": side, "weights": weights}
    given = (lambda i: spaces[i]) if load else spaces
    found = verify_pairs(
        maps,
        given,
        plan,
        **options,
        inspect=lambda *cell: scores.update({cell[:3]: np.asarray(cell[3])}),
        progress=lambda *done: seen.append(done),
    )
    assert seen[-1] == (15, 15) and found.names == ("a", "b", "c")
    assert found.mapped_side == side and found.spread is None
    for kind in maps:
        assert found.tar[kind].tar.shape == (3, 3, 4)
        for i, j in np.ndindex(3, 3):
            m = jfm.identity_map(dims[i]) if i == j else maps[kind][i, j]
            alone = verify_map(m, spaces[i], spaces[j], plan, **options)
            mine = scores["native" if i == j else kind, i, j]
            np.testing.assert_allclose(mine, alone.scores, atol=2e-6)
            exact = jfm.tar_at_far(mine, protocol.genuine, fars)
            np.testing.assert_array_equal(found.tar[kind].tar[i, j], exact.tar)


def test_intervals_of_a_table_are_paired_with_the_targets_own():
    protocol, who = small_protocol(probes=80)
    spaces = models(who, (8, 8, 11))
    maps = fitted(spaces, "rotation")
    key, draws = jax.random.key(0), {"replicates": 60, "level": 0.9}
    found = verify_pairs(maps, spaces, protocol, fars=fars, key=key, **draws)
    less = found.less_native("rotation")
    assert found.spread["rotation"].replicates.shape == (60, 3, 3, 4)
    m = maps["rotation"][0, 2]
    alone = verify_map(
        m, spaces[0], spaces[2], protocol, fars=fars, key=key, **draws
    ).spread
    subject = protocol.probe_subject
    native = jfm.subject_confidence(
        key,
        verify_map(jfm.identity_map(11), spaces[2], spaces[2], protocol, fars=fars).scores,
        protocol.genuine,
        subject,
        fars,
        **draws,
    )
    # Scores of another order of sums may swap two that all but tie: one of 80 pairs.
    close = {"atol": 0.03}
    np.testing.assert_allclose(alone.native.replicates, native.replicates, **close)
    truth = alone.mapped.replicates - native.replicates
    np.testing.assert_allclose(less.replicates[:, 0, 2], truth, **close)
    np.testing.assert_allclose(alone.excess.replicates, truth, **close)
    used = ~np.isnan(less.replicates[:, 0, 2]).all(axis=-1)
    ends = np.quantile(less.replicates[used, 0, 2], [0.05, 0.95], axis=0)
    np.testing.assert_allclose([less.lower[0, 2], less.upper[0, 2]], ends, atol=1e-12)
    cell = found.spread["rotation"]
    np.testing.assert_array_equal(less.estimate[0, 2], cell.tar[0, 2] - cell.tar[2, 2])
    diagonal = less.estimate[np.arange(3), np.arange(3)]
    np.testing.assert_array_equal(diagonal[~np.isnan(diagonal)], 0)
    with pytest.raises(ValueError, match="give verify_pairs a key"):
        verify_pairs(maps, spaces, protocol, fars=fars).less_native("rotation")


def test_scores_can_be_inspected():
    protocol, who = small_protocol()
    spaces, seen = models(who, (8, 8)), {}
    joint = jfm.joint_moments([unit(x) for x in spaces])
    maps = {"rotation": jfm.fit_all_pairs(joint, "rotation")}

    def inspect(kind, i, j, scores):
        seen[kind, i, j] = jfm.tar_at_far(scores, protocol.genuine, fars).tar

    found = verify_pairs(maps, spaces, protocol, fars=fars, inspect=inspect)
    assert set(seen) == {("native", 0, 0), ("native", 1, 1), ("rotation", 0, 1),
                         ("rotation", 1, 0)}  # fmt: skip
    for (_, i, j), tar in seen.items():
        np.testing.assert_array_equal(found.tar["rotation"].tar[i, j], tar)


def test_a_protocol_of_templates_is_pooling_first():
    protocol, who = small_protocol()
    spaces = models(who, (8, 10))
    m = jfm.fit_linear(*map(unit, spaces))
    pooled = pool_protocol(protocol)
    assert pooled.n_images == protocol.n_templates == pooled.n_templates
    ours = verify_map(m, *(pool_rows(protocol, x) for x in spaces), pooled, fars=fars)
    theirs = verify_map(m, *spaces, protocol, fars=fars, pool_first=True)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=3e-6)


def test_a_verdict_says_what_was_mapped():
    protocol, who = small_protocol()
    spaces = models(who, (8, 8))
    maps = fitted(spaces, "rotation")
    for first in (False, True):
        options = {"fars": fars, "pool_first": first}
        assert (
            verify_map(maps["rotation"][0, 1], *spaces, protocol, **options).pool_first
            == first
        )
        assert verify_pairs(maps, spaces, protocol, **options).pool_first == first


def test_wrong_rows_widths_and_sides_are_refused(unchecked_types):
    protocol, who = small_protocol()
    x, y = models(who, (8, 10))
    m = jfm.fit_linear(x, y)
    with pytest.raises(ValueError, match=r"source embeddings are \(\d+, 8\)"):
        verify_map(m, x[1:], y, protocol)
    with pytest.raises(ValueError, match="ends in width 10, the target has 8"):
        verify_map(m, x, x, protocol)
    with pytest.raises(ValueError, match="mapped_side is 'probe', 'gallery' or 'both'"):
        verify_map(m, x, y, protocol, mapped_side="left")  # type: ignore
    joint = jfm.joint_moments([x, y])
    maps = {"linear": jfm.fit_all_pairs(joint, "linear")}
    with pytest.raises(ValueError, match=r"embeddings of 1 are"):
        verify_pairs(maps, [x, y[1:]], protocol)
    for given in ([x], [x, y, y]):
        with pytest.raises(ValueError, match=rf"2 models but {len(given)} embeddings"):
            verify_pairs(maps, given, protocol)
    with pytest.raises(ValueError, match="No kind of maps"):
        verify_pairs({}, [x, y], protocol)
    short = {"weights": np.ones(who.size - 1, np.float32)}
    with pytest.raises(ValueError, match=rf"\({who.size},\), .* got \({who.size - 1},\)"):
        verify_map(m, x, y, protocol, **short)
    with pytest.raises(ValueError, match="weights are"):
        verify_pairs(maps, [x, y], protocol, **short)


def test_subject_bootstrap_sees_one_draw_for_all_maps():
    protocol, who = small_protocol(probes=80)
    x, y = models(who, (8, 8))
    subject = np.array([who[protocol.template == t][0] for t in protocol.pairs[:, 1]])
    m = jfm.fit_rotation(unit(x), unit(y))
    native = verify_map(jfm.identity_map(8), y, y, protocol, fars=fars)
    mapped = verify_map(m, x, y, protocol, fars=fars)
    spreads = [
        jfm.subject_confidence(
            jax.random.key(0), v.scores, protocol.genuine, subject, fars, replicates=300
        )
        for v in (native, mapped)
    ]
    paired = np.std(spreads[0].replicates - spreads[1].replicates, axis=0)[2]
    apart = np.hypot(*(np.std(s.replicates, axis=0)[2] for s in spreads))
    assert 0 < paired < apart


def test_a_bias_meets_rows_of_unit_length():
    protocol, *_ = small_protocol()
    rng = np.random.default_rng(1)
    source, target = (
        np.float32(rng.normal(size=(len(protocol.template), 8))) for _ in range(2)
    )
    unit = np.asarray(jfm.unit(source))
    m = jfm.fit_affine(unit, jfm.unit(target))
    with pytest.warns(UserWarning, match=r"pass jfm.unit\(source\)"):
        verify_map(m, source, target, protocol)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verify_map(m, unit, target, protocol)
        verify_map(jfm.fit_linear(unit, unit), source, target, protocol)


@pytest.mark.usefixtures("unchecked_types")
def test_embeddings_by_name_and_weights_that_cannot_be():
    protocol, *_ = small_protocol()
    rng = np.random.default_rng(2)
    given = {
        name: np.float32(rng.normal(size=(len(protocol.template), 6))) for name in "ab"
    }
    maps = {"linear": jfm.fit_all_pairs(jfm.joint_moments(given), "linear")}
    by_name = verify_pairs(maps, dict(reversed(given.items())), protocol, fars=fars)
    in_order = verify_pairs(maps, list(given.values()), protocol, fars=fars)
    np.testing.assert_array_equal(by_name.tar["linear"].tar, in_order.tar["linear"].tar)
    with pytest.raises(ValueError, match="Maps are of a, b, embeddings of a, c"):
        verify_pairs(maps, {"a": given["a"], "c": given["b"]}, protocol)
    for bad in (-1, np.nan):
        weights = np.full(len(protocol.template), bad, np.float32)
        with pytest.raises(ValueError, match="not be negative, nor NaN"):
            verify_pairs(maps, given, protocol, weights=weights)
