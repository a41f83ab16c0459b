import numpy as np
import pytest

import jfacemap as jfm
from tests.helpers import relative_error


def sources(seed=0, n=40, m=30, d=5, k=4, people=8, noise=0.2, offset=0.0):
    """Two sources: person 0 is in x alone, the last one in y alone."""
    rng = np.random.default_rng(seed)
    who = rng.normal(size=(people, d))
    turn = rng.normal(size=(d, k))
    a, b = rng.integers(0, people - 1, n), rng.integers(1, people, m)
    a[: people - 1], b[: people - 1] = range(people - 1), range(1, people)
    x = offset + who[a] + noise * rng.normal(size=(n, d))
    y = offset + (who @ turn)[b] + noise * rng.normal(size=(m, k))
    return np.float32(x), np.float32(y), a, b


def written_out(x, y, a, b):
    """Every pair of rows of one person, and its weight."""
    i, j = np.nonzero(a[:, None] == b[None])
    size = {p: np.sum(a == p) * np.sum(b == p) for p in set(a[i])}
    return np.float64(x)[i], np.float64(y)[j], np.array([1 / size[p] for p in a[i]])


@pytest.mark.parametrize("offset", (0.0, 30.0))
def test_moments_are_those_of_the_pairs_written_out(offset):
    x, y, a, b = sources(offset=offset)
    left, right, w = written_out(x, y, a, b)
    pairing = jfm.pair_by_identity(a, b)
    m = jfm.identity_moments(x, y, pairing)
    mean_x, mean_y = (np.average(z, axis=0, weights=w) for z in (left, right))
    p, q = left - mean_x, right - mean_y
    assert pairing.n_pairs == w.size == np.asarray(m.count)
    truth = {
        "mass": len(pairing.people),
        "mean_x": mean_x,
        "mean_y": mean_y,
        "xx": (p * w[:, None]).T @ p,
        "xy": (p * w[:, None]).T @ q,
        "yy": np.sum(w[:, None] * q**2, axis=0),
    }
    for name, value in truth.items():
        assert relative_error(getattr(m, name), value) < 1e-12, name


def test_of_means_is_a_pair_a_person():
    x, y, a, b = sources()
    pairing = jfm.pair_by_identity(a, b)
    mean = lambda rows, of: np.stack(
        [np.float64(rows)[of == p].mean(axis=0) for p in pairing.people]
    )
    means, others = mean(x, a), mean(y, b)
    m = jfm.identity_moments(x, y, pairing, of="means")
    centred = means - means.mean(axis=0)
    assert relative_error(m.xx, centred.T @ centred) < 1e-12
    assert relative_error(m.xy, centred.T @ (others - others.mean(axis=0))) < 1e-12
    assert np.asarray(m.count) == np.asarray(m.mass) == len(pairing.people)


def test_rotations_do_not_tell_pairs_from_means_and_least_squares_shrinks():
    x, y, a, b = sources(k=5, noise=1.0)
    pairing = jfm.pair_by_identity(a, b)
    pairs, means = (jfm.identity_moments(x, y, pairing, of=of) for of in ("pairs", "means"))
    turns = [np.asarray(jfm.solve_rotation(m).rotation) for m in (pairs, means)]
    np.testing.assert_allclose(*turns, atol=1e-6)
    small, large = (np.linalg.norm(jfm.solve_linear(m).weight) for m in (pairs, means))
    assert small < 0.9 * large


def test_one_row_a_person_is_an_ordinary_fit():
    x, y, *_ = sources(n=30)
    order = np.random.default_rng(1).permutation(30)
    pairing = jfm.pair_by_identity(np.arange(30), order)
    ours = jfm.solve_affine(jfm.identity_moments(x, y, pairing))
    truth = jfm.fit_affine(x[order], y)
    np.testing.assert_allclose(ours.weight, truth.weight, atol=1e-6)
    np.testing.assert_allclose(ours.bias, truth.bias, atol=1e-6)


def test_people_of_one_source_leave_no_trace_and_others_do():
    x, y, a, b = sources()
    pairing = jfm.pair_by_identity(a, b)
    clean = jfm.identity_moments(x, y, pairing)
    x[a == 0], y[b == b.max()] = np.nan, np.nan
    holed = jfm.identity_moments(x, y, pairing)
    np.testing.assert_array_equal(np.asarray(clean.xx), np.asarray(holed.xx))
    np.testing.assert_array_equal(np.asarray(clean.yy), np.asarray(holed.yy))
    x[np.flatnonzero(a == 3)[0]] = np.nan
    broken = jfm.identity_moments(x, y, pairing)
    assert np.isnan(np.asarray(broken.xx)).all()


def test_moments_of_disjoint_people_merge():
    x, y, a, b = sources()
    whole = jfm.identity_moments(x, y, jfm.pair_by_identity(a, b))
    half = []
    for some in (lambda who: who < 4, lambda who: who >= 4):
        p, q = some(a), some(b)
        pairing = jfm.pair_by_identity(a[p], b[q])
        half.append(jfm.identity_moments(x[p], y[q], pairing))
    merged = jfm.merge(*half)
    for name in ("mass", "mean_x", "xx", "xy", "yy"):
        assert (
            relative_error(getattr(merged, name), np.asarray(getattr(whole, name))) < 1e-12
        )


@pytest.mark.parametrize("kind", ("linear", "affine", "rotation"))
def test_many_sources_are_fitted_pair_by_pair(kind):
    x, y, a, b = sources()
    labels = [np.array([f"p{i}" for i in each]) for each in (a, b, a)]
    maps = jfm.fit_by_identity([x, y, 2 * x], labels, kind, names="xyz")
    pairing = jfm.pair_by_identity(labels[1], labels[2])
    moments = jfm.identity_moments(y, 2 * x, pairing)
    truth = getattr(jfm, f"solve_{kind}")(moments)
    np.testing.assert_allclose(maps["y", "z"](y), truth(y), atol=1e-5)
    np.testing.assert_array_equal(maps["x", "x"](x), x)


def test_bad_input_is_refused(unchecked_types):
    x, y, a, b = sources()
    with pytest.raises(ValueError, match="no label in common"):
        jfm.pair_by_identity([1, 2], [3, 4])
    with pytest.raises(ValueError, match=r"one a row of each source; got \(2, 1\)"):
        jfm.pair_by_identity([[1], [2]], [1])
    pairing = jfm.pair_by_identity(a, b)
    with pytest.raises(
        ValueError, match=r"x has shape \(39, 5\), but 40 rows were labelled"
    ):
        jfm.identity_moments(x[1:], y, pairing)
    with pytest.raises(ValueError, match="'pairs' or 'means'; got 'rows'"):
        jfm.identity_moments(x, y, pairing, of="rows")
    with pytest.raises(ValueError, match="kind is one of linear, affine, rotation"):
        jfm.fit_by_identity([x, y], [a, b], "identity")
    with pytest.raises(ValueError, match="2 sources but labels of 1"):
        jfm.fit_by_identity([x, y], [a])
