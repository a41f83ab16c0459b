import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.spatial.distance import cdist

import jfacemap as jfm
from jfacemap.attribute import nearest, tiles


def weights(d, neighbours, scale):
    """Float64 truth: weights from a whole distance matrix, the diagonal by index."""
    n = len(d)
    off = ~np.eye(n, dtype=bool)
    if isinstance(neighbours, jfm.KNearest):
        w = np.zeros((n, n))
        order = np.argsort(np.where(off, d, np.inf), axis=1, kind="stable")
        for i in range(n):
            w[i, order[i, : min(neighbours.k, n - 1)]] = 1
        return w
    if isinstance(neighbours, jfm.AllPairs):
        with np.errstate(divide="ignore"):
            return np.where(off & (d > 0), 1 / d, 0)
    near = neighbours.radius if isinstance(neighbours, jfm.Ball) else neighbours.eps * scale
    return np.where(off, d <= near, neighbours.include_self).astype(float)


def truth(points, vectors, neighbours, metric, scale=None):
    """Energy, pooled energy and coverage by the definition."""
    p, v = np.float64(points), np.float64(vectors)
    d = cdist(p, p, metric)
    same = (p[:, None] == p[None]).all(-1)
    d = np.where(same, 0, d)
    scale = scale or d[~np.eye(len(d), dtype=bool)].mean()
    w = weights(d, neighbours, scale)
    u = v / np.linalg.norm(v, axis=1, keepdims=True)
    c = np.clip(1 - u @ u.T, 0, None)
    per, total = (w * c).sum(1), w.sum(1)
    with np.errstate(invalid="ignore"):
        each = per / total
    return np.nanmean(each), per.sum() / total.sum(), (total > 0).mean(), scale


cases = (
    (jfm.KNearest(5), "cosine"),
    (jfm.Ball(0.9), "euclidean"),
    (jfm.RelativeBall(0.8), "cosine"),
    (jfm.RelativeBall(0.6, include_self=True), "euclidean"),
    (jfm.AllPairs(), "cosine"),
    (jfm.AllPairs(), "euclidean"),
)
"""Of one shape in most tests: a program each."""

each_case = pytest.mark.parametrize("neighbours, metric", cases, ids=str)


def rows(seed, n=60, d=6, a=2, duplicates=True):
    rng = np.random.default_rng(seed)
    p = rng.normal(size=(n, d)) + 0.5
    if duplicates:
        p[n // 2 : n // 2 + 5] = p[:5]
    v = rng.normal(size=(a, n, d)) + p[None]
    return p.astype(np.float32), v.astype(np.float32)


def check(found, p, v, neighbours, metric, scale=None, atol=2e-5):
    """Energies of both attributes against the definition."""
    for a in range(2):
        energy, pooled, coverage, mean = truth(p, v[a], neighbours, metric)
        np.testing.assert_allclose(found.energy[a], energy, atol=atol)
        np.testing.assert_allclose(found.pooled[a], pooled, atol=atol)
        np.testing.assert_allclose(found.coverage[a], coverage, rtol=1e-6)
        np.testing.assert_allclose(found.scale, scale or mean, rtol=1e-5)


@each_case
def test_matches_the_definition_in_float64(neighbours, metric):
    p, v = rows(0)
    found = jfm.field_energy(p, v, neighbours=neighbours, metric=metric)
    check(found, p, v, neighbours, metric)
    length = np.linalg.norm(np.float64(v), axis=2)
    if metric == "cosine":
        length = length / np.linalg.norm(np.float64(p), axis=1)
    want = length.mean(axis=1) / found.scale
    np.testing.assert_allclose(found.displacement, want, rtol=1e-5)


@pytest.mark.parametrize("dtype", (np.float16, np.float32, np.float64))
def test_rows_of_any_float(dtype):
    p, v = (x.astype(dtype) for x in rows(0))
    with jax.enable_x64(True):
        found = jfm.field_energy(p, v, neighbours=jfm.KNearest(5))
    check(found, np.float64(p), np.float64(v), jfm.KNearest(5), "cosine")


@pytest.mark.parametrize("neighbours", (jfm.KNearest(5), jfm.RelativeBall(0.8)), ids=str)
def test_tiles_change_nothing(neighbours, monkeypatch):
    monkeypatch.setattr(tiles, "most_rows", 7)
    assert tiles.tile_rows(59) == 7
    p, v = rows(3, n=59)  # a shape of its own: compiled under the small tile
    found = jfm.field_energy(p, v, neighbours=neighbours)
    check(found, p, v, neighbours, "cosine")


@pytest.mark.parametrize("repeats", (1, 40), ids=("apart", "duplicates"))
def test_candidates_in_float32_are_ranked_in_float64(repeats, monkeypatch):
    """The way of many points, and what it falls back to where they coincide."""
    monkeypatch.setattr(nearest, "many", 100)
    p, v = rows(9, n=121)
    p[:repeats] = p[0]
    p[-20:] = p[-1] + 1e-6 * p[-20:]  # too near for float32
    found = jfm.field_energy(p, v, neighbours=jfm.KNearest(5))
    check(found, p, v, jfm.KNearest(5), "cosine", atol=1e-3)


def test_candidates_do_not_depend_on_the_unit(monkeypatch):
    """Of points whose squares float32 does not have."""
    factor = 2.0**66
    monkeypatch.setattr(nearest, "many", 100)
    p, v = rows(9, n=121)
    energy = lambda p: jfm.field_energy(
        p, v, neighbours=jfm.KNearest(5), metric="euclidean"
    )
    found, wanted = energy(p * np.float32(factor)), energy(p)
    np.testing.assert_allclose(found.energy, wanted.energy, atol=1e-6)
    np.testing.assert_allclose(found.scale, wanted.scale * factor, rtol=1e-6)


e1, e2 = np.eye(2, dtype=np.float32)
line = np.stack([np.arange(10), np.zeros(10)], 1).astype(np.float32)
alternating = e1 * (-1.0) ** np.arange(10, dtype=np.float32)[:, None]


def golden(neighbours, p=line, v=alternating, metric="euclidean"):
    """Of ten points: what is missing is not a number, and so not a point."""
    fill = ((0, 10 - len(p)), (0, 0))
    p, v = (np.pad(np.float32(x), fill, constant_values=np.nan) for x in (p, v))
    return jfm.field_energy(p, v, neighbours=neighbours, metric=metric)


def test_golden_numbers_of_a_line():
    near = golden(jfm.KNearest((1, 2)))
    assert near.energy[1] == pytest.approx(1.8, abs=1e-6)
    balls = golden(jfm.Ball(np.float32([0.5, 1.0])))
    np.testing.assert_allclose(balls.energy, [np.nan, 2.0])
    np.testing.assert_allclose(balls.coverage, [0, 1])
    np.testing.assert_allclose(balls.neighbours, [0, 1.8], rtol=1e-6)
    balls = golden(jfm.Ball(np.float32([0.5, 1.0]), include_self=True))
    np.testing.assert_allclose(balls.energy, [0, 1.266667], atol=1e-6)
    pairs = golden(jfm.AllPairs())
    assert pairs.energy == pytest.approx(1.3324897, abs=1e-6)
    assert pairs.pooled == pytest.approx(1.3347048, abs=1e-6)


def test_golden_numbers_of_few_points():
    p = np.float32([[0, 0], [1, 0], [3, 0]])
    found = golden(jfm.AllPairs(), p, np.stack([e1, e1, e2]))
    assert found.energy == pytest.approx(0.5277778, abs=1e-6)
    assert found.pooled == pytest.approx(0.4545455, abs=1e-6)
    p, u = np.stack([e1, e1, e2, -e1]), np.stack([e1, -e1, e1, e1])
    nearest = golden(jfm.KNearest((1, 2)), p, u, "cosine")
    assert nearest.energy[0] == pytest.approx(1.0, abs=1e-6)
    pairs = golden(jfm.AllPairs(), p, u, "cosine")
    assert pairs.energy == pytest.approx(0.7916667, abs=1e-6)


@pytest.mark.parametrize("radial", (False, True), ids=("tangential", "radial"))
def test_golden_numbers_of_a_ring(radial):
    n = 10
    t = 2 * np.pi * np.arange(n) / n
    p = np.stack([np.cos(t), np.sin(t)], 1)
    v = p if radial else np.stack([-np.sin(t), np.cos(t)], 1)
    cosine = golden(jfm.AllPairs(), p, v, "cosine").energy
    assert cosine == pytest.approx(6 / (n + 1), abs=1e-6)
    chord = golden(jfm.AllPairs(), p, v).energy
    j = np.arange(1, n)
    wanted = 2 / np.tan(np.pi / 2 / n) / np.sum(1 / np.sin(np.pi * j / n))
    assert chord == pytest.approx(wanted, abs=1e-5)


def test_ties_go_to_the_lowest_index():
    p = np.float32([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [0, 0]])
    v = np.stack([e1, e1, e2, -e1, e2, -e1])
    found = golden(jfm.KNearest((1, 2)), p, v).per_point
    np.testing.assert_allclose(found[0], [2, 1], atol=1e-6)  # its twin, then row 1
    np.testing.assert_allclose(found[1], [0, 1], atol=1e-6)  # rows 0 and 5 tie


def test_few_points():
    """All others where they are fewer than k; alone there is no energy."""
    three = golden(jfm.KNearest((1, 2)), line[:2], alternating[:2])
    np.testing.assert_allclose(three.neighbours, 1)
    np.testing.assert_allclose(three.energy, 2, atol=1e-6)
    for neighbours in (jfm.KNearest((1, 2)), jfm.AllPairs()):
        alone = golden(neighbours, line[:1], alternating[:1])
        assert np.isnan(alone.energy).all() and np.isnan(alone.scale)
        assert (np.asarray(alone.coverage) == 0).all() and alone.skipped == 9
    p, v = rows(6, n=1, d=2, duplicates=False)
    assert np.isnan(jfm.field_energy(p, v).energy).all()


@pytest.mark.parametrize("neighbours", (jfm.KNearest((1, 2)), jfm.AllPairs()), ids=str)
def test_no_points_have_no_energy(neighbours):
    p, v = np.zeros((0, 3), np.float32), np.zeros((2, 0, 3), np.float32)
    s = (2,) if isinstance(neighbours, jfm.KNearest) else ()
    found = jfm.field_energy(p, v, neighbours=neighbours)
    assert np.isnan(found.energy).all() and found.energy.shape == (2, *s)
    assert found.per_point.shape == (2, 0, *s)
    np.testing.assert_array_equal(found.skipped, [0, 0])
    null = jfm.field_null(jax.random.key(0), p, v, neighbours=neighbours, repeats=2)
    assert np.isnan(null.null).all() and null.null.shape == (2, 2, *s)
    pull = jfm.gravity(p, v)
    assert np.isnan(pull.mean).all() and not np.asarray(pull.skipped).any()


@each_case
def test_a_constant_field_has_none(neighbours, metric):
    p, v = rows(1)
    v = np.broadcast_to(np.float32([1, 2, 3, 4, 5, 6]), v.shape)
    found = jfm.field_energy(p, v, neighbours=neighbours, metric=metric)
    assert (np.asarray(found.energy) < 1e-6).all()


def test_random_directions_have_one():
    rng = np.random.default_rng(0)
    p, v = rng.normal(size=(2, 1000, 512)).astype(np.float32)
    found = jfm.field_energy(p, v, neighbours=jfm.AllPairs()).energy
    assert found == pytest.approx(1, abs=0.005)


@each_case
def test_invariances(neighbours, metric):
    p, v = rows(2)
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.normal(size=(6, 6)))[0].astype(np.float32)
    order = rng.permutation(len(p))
    rescaled = rng.uniform(0.1, 9, (1, len(p), 1)).astype(np.float32)
    energy = lambda p, v: (
        jfm.field_energy(p, v, neighbours=neighbours, metric=metric).energy
    )
    base = energy(p, v)
    same = {
        "field rescaled": energy(p, v * rescaled),
        "joint rotation": energy(p @ q, v @ q),
        "sign": energy(p, -v),
    }
    if not isinstance(neighbours, jfm.KNearest):  # ties among duplicates go by index
        same["permutation"] = energy(p[order], v[:, order])
    if not isinstance(neighbours, jfm.Ball):
        same["points rescaled"] = energy(p * 7, v)
    for name, value in same.items():
        np.testing.assert_allclose(value, base, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("spread", (1.0, 1e-3, 1e-5), ids=str)
@each_case
def test_float32_is_within_a_thousandth_of_float64(spread, neighbours, metric):
    """Tight clusters, an offset, duplicates: where a distance in float32 is rounding."""
    rng = np.random.default_rng(4)
    centre = rng.normal(size=(6, 1, 6)) + 3
    p = (centre + spread * rng.normal(size=(6, 10, 6))).reshape(60, 6).astype(np.float32)
    p[40:44] = p[:4]
    v = (rng.normal(size=(2, 60, 6)) + p).astype(np.float32)
    found = jfm.field_energy(p, v, neighbours=neighbours, metric=metric)
    check(found, p, v, neighbours, metric, atol=1e-3)


@each_case
def test_bad_rows_are_left_out_and_counted(neighbours, metric):
    p, v = rows(5)
    p[3], p[4] = np.nan, np.inf
    v[0, 10], v[0, 11, 0], v[1, 12] = 0, np.inf, 0
    found = jfm.field_energy(p, v, neighbours=neighbours, metric=metric)
    np.testing.assert_array_equal(found.skipped, [4, 3])
    scale = float(found.scale)
    for a, gone in enumerate(([3, 4, 10, 11], [3, 4, 12])):
        keep = np.setdiff1d(np.arange(60), gone)
        energy, _, coverage, _ = truth(p[keep], v[a, keep], neighbours, metric, scale)
        np.testing.assert_allclose(found.energy[a], energy, atol=1e-5)
        np.testing.assert_allclose(found.coverage[a], coverage, atol=1e-6)
        assert np.isnan(found.per_point[a, gone]).all()
    if metric == "cosine":  # no direction, no cosine
        p[5] = 0
        zero = jfm.field_energy(p, v, neighbours=neighbours, metric=metric)
        np.testing.assert_array_equal(zero.skipped, [5, 4])


@pytest.mark.parametrize("neighbours", (jfm.KNearest(3), jfm.Ball(1.0)))
def test_one_bad_number_of_many_leaves_its_row_out(neighbours):
    p, v = np.random.default_rng(0).normal(size=(2, 100, 128)).astype(np.float32)
    v[3, 7] = p[5, 9] = np.nan
    v[4, 8] = np.inf
    keep = ~np.isin(np.arange(100), (3, 4, 5))
    found = jfm.field_energy(p, v, neighbours=neighbours, scale=1.0)
    assert found.skipped == 3 and np.isnan(found.per_point[~keep]).all()
    true = jfm.field_energy(p[keep], v[keep], neighbours=neighbours, scale=1.0)
    if not isinstance(neighbours, jfm.KNearest):
        np.testing.assert_allclose(found.energy, true.energy, 1e-5)
    assert np.isfinite(found.energy)


def test_several_scales_and_attributes_are_one_call():
    p, v = rows(7)
    lifted = v.reshape(2, 1, *v.shape[1:])
    curve = jfm.field_energy(p, lifted, neighbours=jfm.KNearest((1, 3)))
    assert curve.energy.shape == (2, 1, 2) and curve.displacement.shape == (2, 1)
    eps = np.float32([0.4, 0.8])
    sweep = jfm.field_energy(p, v, neighbours=jfm.RelativeBall(eps))
    for a in range(2):
        for s in range(2):
            one = jfm.KNearest((1, 3)[s])
            wanted = truth(p, v[a], one, "cosine")[0]
            np.testing.assert_allclose(curve.energy[a, 0, s], wanted, atol=2e-5)
            wanted = truth(p, v[a], jfm.RelativeBall(float(eps[s])), "cosine")[0]
            np.testing.assert_allclose(sweep.energy[a, s], wanted, atol=2e-5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(cases))
def test_is_between_zero_and_two(seed, case):
    p, v = rows(seed)
    found = jfm.field_energy(p, v, neighbours=case[0], metric=case[1])
    known = np.asarray(found.per_point)[np.isfinite(found.per_point)]
    assert ((known >= 0) & (known < 2 + 1e-5)).all()


def test_bad_input_is_refused(unchecked_types):
    p, v = rows(8)
    with pytest.raises(ValueError, match=r"\(..., 60, k\) floats"):
        jfm.field_energy(p, v[:, 1:])
    with pytest.raises(ValueError, match=r"\(n, d\) array of floats"):
        jfm.field_energy(p[0], v)
    with pytest.raises(ValueError, match="'cosine' or 'euclidean'"):
        jfm.field_energy(p, v, metric="manhattan")
    with pytest.raises(ValueError, match=r"neighbours is jfm\.KNearest"):
        jfm.field_energy(p, v, neighbours=10)
    with pytest.raises(ValueError, match="k of at least 1"):
        jfm.KNearest(0)
    for k in (2.5, (1, 2.5), None, "5"):
        with pytest.raises(ValueError, match="a whole number k, or a tuple"):
            jfm.KNearest(k)


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert jfm.KNearest(np.int64(5)) == jfm.KNearest(5)
    several = jfm.KNearest(np.array([1, 3]))
    assert several == jfm.KNearest((1, 3)) and several.sizes == (1, 3)
