"""Every index against NumPy on the rows, and what it is invariant to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.evaluate.compare import neighbours, ranks

from ...helpers import steep_rows
from . import oracles


compare = jfm.compare
r = np.random.default_rng(0)
seen = r.normal(size=(60, 4))
spaces = [
    np.float32(seen @ r.normal(size=(4, d)) + 0.5 * r.normal(size=(60, d)) + 1)
    for d in (5, 7, 5)  # one program for all tests
]
joint, energy = jfm.joint_moments(spaces), compare.energy_moments(spaces)
tables = {
    "linear_cka": lambda s: compare.linear_cka(jfm.joint_moments(s)),
    "debiased_cka": lambda s: compare.debiased_cka(compare.energy_moments(s)),
    "mean_cca": lambda s: compare.mean_cca(jfm.joint_moments(s)),
    "svcca": lambda s: compare.svcca(jfm.joint_moments(s), share=0.9),
    "pwcca": lambda s: compare.pwcca(jfm.joint_moments(s)),
    "procrustes_distance": lambda s: compare.procrustes_distance(jfm.joint_moments(s)),
    "rsa": lambda s: compare.rsa(compare.energy_moments(s)),
    "rank_rsa": compare.rank_rsa,
    "mutual_neighbours": lambda s: compare.mutual_neighbours(s, 5),
}
truths = {
    "svcca": lambda x, y: oracles.svcca(x, y, 0.9),
    "mutual_neighbours": lambda x, y: oracles.mutual_neighbours(x, y, 5, "cosine"),
}
each = pytest.mark.parametrize("name", tables)


def truth(name, spaces):
    index = truths.get(name) or getattr(oracles, name)
    return np.array([[index(x, y) for y in spaces] for x in spaces])


@each
def test_all_pairs_are_those_of_numpy(name):
    ours, true = tables[name](spaces), truth(name, spaces)
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, true, atol=3e-6 if name == "rank_rsa" else 1e-6)
    assert np.ptp(true[~np.eye(3, dtype=bool)]) > 0.05  # a constant would not pass


@each
def test_a_turned_scaled_space_is_the_same(name):
    turn, _ = np.linalg.qr(r.normal(size=(5, 5)))
    x = spaces[0]
    table = tables[name]([x, spaces[1], np.float32(3 * x @ turn)])
    same = 0 if name == "procrustes_distance" else 1
    # A distance of spaces as close as float32 rows is the root of their rounding.
    np.testing.assert_allclose(table[0, 2], same, atol=2e-3 if same == 0 else 2e-6)
    np.testing.assert_allclose(table[1, 0], table[1, 2], atol=2e-6)
    if name != "pwcca":  # whose weights go by the columns of the first
        np.testing.assert_allclose(table[0, 1], table[2, 1], atol=2e-6)


@pytest.mark.parametrize("name", ("mean_cca", "pwcca"))
def test_correlations_see_no_regular_map(name):
    x, y = steep_rows(0, 60, 5, 1e4), steep_rows(1, 60, 7, 1e4)
    skew = np.float32(x @ np.diag(np.geomspace(1, 1e2, 5)))
    table = tables[name]([x, y, skew])
    np.testing.assert_allclose(table[0, 2], 1, atol=1e-4)
    np.testing.assert_allclose(table, truth(name, [x, y, skew]), atol=1e-4)
    assert table[0, 1] < 0.9


def test_debiased_is_zero_where_nothing_is_shared():
    """Few rows, many dimensions: the biased index sees likeness, this one does not."""
    keys = jax.random.split(jax.random.key(0), 40)
    draw = lambda key: tuple(jax.random.normal(k, (30, 20)) for k in jax.random.split(key))

    @jax.jit
    @jax.vmap
    def of(key):
        moments = compare.energy_moments(draw(key))
        debiased = compare.debiased_cka(moments)
        return debiased[0, 1], compare.linear_cka(moments.joint)[0, 1]

    debiased, biased = of(keys)
    spread = np.std(debiased) / np.sqrt(len(keys))
    assert abs(np.mean(debiased)) < 4 * spread
    assert np.mean(biased) > 0.3


def test_angles_and_distances_tell_the_same():
    distance = compare.procrustes_distance(joint)
    angle = compare.procrustes_distance(joint, angular=True)
    np.testing.assert_allclose(2 - 2 * np.cos(angle), distance**2, atol=1e-6)
    for d in (distance, angle):  # metrics
        assert np.all(d[:, None] <= d[:, :, None] + d.T[None] + 1e-6)


def test_lacking_rank_is_left_out():
    flat = np.concatenate([spaces[0], spaces[0][:, :2]], axis=1)
    for name in ("mean_cca", "pwcca"):
        table = tables[name]([spaces[0], flat, spaces[2]])
        np.testing.assert_allclose(table[0, 1], 1, atol=1e-6)
        np.testing.assert_allclose(table[2, 0], table[2, 1], atol=1e-6)


@each
def test_a_space_that_says_nothing_has_no_index(name):
    dull = np.ones((60, 7), np.float32)
    table = np.asarray(tables[name]([spaces[0], dull, spaces[2]]))
    if name == "mutual_neighbours":  # all are equally near: the first are taken
        assert table[1, 1] == 1 and table[0, 1] < 0.5
    else:
        assert np.isnan(table[0, 1]) and np.isnan(table[1]).all()
        np.testing.assert_allclose(table[0, 0], name != "procrustes_distance", atol=1e-6)
        assert np.isfinite(table[0, 2])


@each
def test_nan_is_seen(name):
    holed = spaces[1].copy()
    holed[3, 2] = np.nan
    table = np.asarray(tables[name]([spaces[0], holed, spaces[2]]))
    assert np.isnan(table[0, 1]) and np.isfinite(table[0, 2])


@pytest.mark.parametrize("metric", ("cosine", "euclidean"))
def test_tiles_that_do_not_divide(monkeypatch, metric):
    """Tiles of 7 of 45 rows: the last overlaps the one before."""
    monkeypatch.setattr(neighbours, "tile_numbers", 7 * 45)
    monkeypatch.setattr(ranks, "tile_numbers", 7 * 45)
    some = [x[:45] for x in spaces[:2]]  # as no other test has: compiled here
    ours = compare.mutual_neighbours(some, 6, metric=metric)
    true = [[oracles.mutual_neighbours(x, y, 6, metric) for y in some] for x in some]
    np.testing.assert_allclose(ours, true, atol=1e-6)
    if metric == "cosine":
        ours = compare.rank_rsa(some)
        # Of 990 crowded cosines those that share a bin move it by 4e-6.
        np.testing.assert_allclose(ours, truth("rank_rsa", some), atol=1e-5)


def test_layout_has_the_distances():
    points = np.float32(r.normal(size=(5, 2)) * (3, 1))
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    found = compare.classical_mds(gaps)
    ours = np.asarray(found.points)
    np.testing.assert_allclose(
        np.linalg.norm(ours[:, None] - ours[None], axis=-1), gaps, atol=1e-5
    )
    np.testing.assert_allclose(found.share, 1, atol=1e-5)
    assert compare.classical_mds(gaps, 1).share < 0.999
    assert np.ptp(ours[:, 0]) > np.ptp(ours[:, 1])


def test_says_what_is_wrong(unchecked_types):
    with pytest.raises(ValueError, match="Of 60 rows each has 59 neighbours; got k=60"):
        compare.mutual_neighbours(spaces, 60)
    with pytest.raises(ValueError, match="'cosine' or 'euclidean'; got 'l1'"):
        compare.mutual_neighbours(spaces, 6, metric="l1")
    for index in (compare.rank_rsa, compare.mutual_neighbours):
        with pytest.raises(ValueError, match="at least one model; got none"):
            index([])
    with pytest.raises(ValueError, match="from 3 rows on; got 2"):
        compare.rank_rsa([x[:2] for x in spaces])
    with pytest.raises(ValueError, match=r"at most 1; got 1\.5"):
        compare.svcca(joint, share=1.5)
    with pytest.raises(ValueError, match="got dim=6"):
        compare.classical_mds(np.ones((5, 5), np.float32), 6)
    with pytest.raises(ValueError, match=r"table \(N, N\); got \(5, 4\)"):
        compare.classical_mds(np.ones((5, 4), np.float32))
    joints = "linear_cka", "mean_cca", "svcca", "pwcca", "procrustes_distance"
    for name in joints:
        for wrong, kind in ((energy, "EnergyMoments"), (spaces, "list")):
            with pytest.raises(
                ValueError, match=rf"{name} takes jfm\.joint_m.* got {kind}"
            ):
                getattr(compare, name)(wrong)
    for index in (compare.debiased_cka, compare.rsa):
        for wrong, kind in ((joint, "JointMoments"), (spaces, "list")):
            with pytest.raises(ValueError, match=rf"compare\.energy_moments .* got {kind}"):
                index(wrong)
