import functools as ft
import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import jfacemap as jfm
from jfacemap.core import gram

from ..helpers import relative_error, tree_allclose


def draw(getkey, n=50, d=6, k=4):
    x = jr.normal(getkey(), (n, d)) + 3
    return x, jr.normal(getkey(), (n, k)), jr.uniform(getkey(), (n,))


def truth(x, y, w):
    x, y, w = (np.float64(a) for a in (x, y, w))
    mean_x, mean_y = w @ x / w.sum(), w @ y / w.sum()
    wx, yc = (w[:, None] * (x - mean_x)).T, y - mean_y
    values = w.sum(), mean_x, mean_y, wx @ (x - mean_x), wx @ yc, w @ yc**2
    return dict(zip(("mass", "mean_x", "mean_y", "xx", "xy", "yy"), values, strict=True))


@pytest.mark.parametrize("n", (1, 7, 50))
def test_weighted_sums(getkey, n):
    x, y, w = draw(getkey, n)
    m = jfm.pair_moments(x, y, w)
    for name, value in truth(x, y, w).items():
        np.testing.assert_allclose(
            np.asarray(getattr(m, name)), value, rtol=1e-12, atol=1e-12
        )
    assert np.asarray(m.count) == n


def test_chunks_add_up(getkey, monkeypatch):
    x, y, w = draw(getkey)
    whole = jfm.pair_moments(x, y, w)
    for rows in (7, 10, 25):
        monkeypatch.setattr(gram, "chunk_rows", rows)
        jax.clear_caches()
        parts = jfm.pair_moments(x, y, w)
        for a, b in zip(jax.tree.leaves(parts), jax.tree.leaves(whole), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert relative_error(parts.xx, truth(x, y, w)["xx"]) < 1e-13
    monkeypatch.undo()
    jax.clear_caches()


@settings(max_examples=10, deadline=None)
@given(
    cuts=st.sets(st.integers(1, 49), max_size=8), order=st.randoms(use_true_random=False)
)
def test_merge_is_associative_commutative_and_equals_the_whole(cuts, order):
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.normal(size=(50, 3)) + 5, jnp.float32) for _ in range(2))
    edges = [0, *sorted(cuts), 50]
    parts = [jfm.pair_moments(x[a:b], y[a:b]) for a, b in itertools.pairwise(edges)]
    order.shuffle(parts)
    merged = ft.reduce(jfm.merge, parts, jfm.PairMoments.zero(3, 3))
    whole = truth(x, y, np.ones(50))
    for name, value in whole.items():
        assert relative_error(getattr(merged, name), value) < 1e-12
    assert np.asarray(merged.count) == 50


def test_rows_of_zero_weight_leave_no_trace_even_if_nan(getkey):
    x, y, w = draw(getkey)
    bad = jnp.concatenate([x, jnp.full((3, 6), jnp.nan)])
    padded = jfm.pair_moments(
        bad, jnp.concatenate([y, jnp.full((3, 4), jnp.inf)]), jnp.append(w, jnp.zeros(3))
    )
    assert tree_allclose(padded, jfm.pair_moments(x, y, w), rtol=1e-5, atol=1e-6)
    assert np.asarray(padded.count) == 50


@pytest.mark.parametrize("precision, bound", (("float64", 1e-12), ("float32", 2e-6)))
@pytest.mark.parametrize("kept", (slice(1, None, 4), [1, 2, 3], [601]))
def test_rows_far_from_zero_of_which_few_count(precision, bound, kept):
    """Whichever rows have no weight: what is subtracted first has one."""
    rng = np.random.default_rng(0)
    x, y = (np.float32(rng.normal(size=(1024, d)) + 300) for d in (6, 4))
    w = np.zeros(1024, np.float32)
    w[kept] = 0.5
    m = jfm.pair_moments(x, y, w, precision=precision)
    for name, value in truth(x, y, w).items():
        close = bound * (1024 if name in ("xx", "xy", "yy") else np.abs(value).max())
        np.testing.assert_allclose(np.asarray(getattr(m, name)), value, 0, close)


def test_an_empty_or_massless_batch_is_zero(getkey):
    x, y, w = draw(getkey)
    none = jfm.pair_moments(x, y, 0 * w)
    assert tree_allclose(none, jfm.PairMoments.zero(6, 4))
    empty = jfm.pair_moments(x[:0], y[:0])
    assert tree_allclose(empty, jfm.PairMoments.zero(6, 4))


@pytest.mark.parametrize("precision, bound", (("float64", 1e-13), ("float32", 1e-6)))
def test_joint_holds_every_pair(getkey, precision, bound):
    x, y, w = draw(getkey)
    z = jr.normal(getkey(), (50, 300)) + 1  # wide enough to be cut into two blocks
    joint = jfm.joint_moments((x, y, z), w, names=("x", "y", "z"), precision=precision)
    assert joint.dims == (6, 4, 300)
    for (a, rows_a), (b, rows_b) in itertools.product(
        {"x": x, "y": y, "z": z}.items(), repeat=2
    ):
        pair = joint.pair(a, b)
        for name, value in truth(rows_a, rows_b, w).items():
            assert relative_error(getattr(pair, name), value) < bound
    scatter = np.asarray(joint.scatter)
    np.testing.assert_array_equal(scatter, scatter.T)


def test_joint_merges_and_vmaps(getkey):
    x, y, w = draw(getkey)
    join = lambda *a: jfm.joint_moments(a[:2], a[2] if len(a) > 2 else None)
    merged = jfm.merge(join(x[:20], y[:20]), join(x[20:], y[20:]))
    merged = jfm.merge(merged, jfm.JointMoments.zero((6, 4)))
    assert relative_error(merged.scatter, np.asarray(join(x, y).scatter)) < 1e-13
    halves = jnp.stack([w, 1 - w])
    batch = jax.vmap(join, (None, None, 0))(x, y, halves)
    for i in range(2):
        one = join(x, y, halves[i])
        assert tree_allclose(jax.tree.map(lambda a, i=i: a[i], batch), one, atol=1e-5)


@pytest.mark.usefixtures("unchecked_types")
def test_refuses_what_does_not_pair_up(getkey):
    x, y, w = draw(getkey)
    with pytest.raises(ValueError, match="Rows must pair up"):
        jfm.pair_moments(x, y[:-1])
    with pytest.raises(ValueError, match=r"weights must be \(50,\)"):
        jfm.pair_moments(x, y, w[:-1])
    with pytest.raises(ValueError, match="rows are samples"):
        jfm.pair_moments(x[0], y)
    with pytest.raises(ValueError, match="same models"):
        jfm.merge(jfm.PairMoments.zero(2, 3), jfm.PairMoments.zero(3, 3))
    with pytest.raises(ValueError, match="unique name"):
        jfm.joint_moments((x, y), names=("a", "a"))
    with pytest.raises(KeyError, match="there are a, b"):
        jfm.joint_moments((x, y), names=("a", "b")).pair("a", "c")
    with pytest.raises(ValueError, match="precision"):
        jfm.joint_moments((x, y), precision="half")


def test_a_dictionary_names_its_models(getkey):
    x, y = jr.normal(getkey(), (2, 20, 3))
    ours = jfm.joint_moments({"a": x, "b": y})
    assert ours.names == ("a", "b")
    theirs = jfm.joint_moments([x, y], names=("a", "b"))
    np.testing.assert_array_equal(ours.scatter, theirs.scatter)


@pytest.mark.parametrize("bad", (-1.0, np.nan))
def test_weights_below_zero_are_refused(bad):
    x, w = np.ones((3, 2), np.float32), np.array([1, bad, 1], np.float32)
    for fit in (jfm.pair_moments, jfm.pair_factor):
        with pytest.raises(ValueError, match="must not be negative"):
            fit(x, x, w)


@pytest.mark.parametrize("fit", (jfm.fit_linear, jfm.fit_rotation))
def test_gradient_in_weights_is_finite_where_one_is_zero(getkey, fit):
    """The derivative of a positive weight; a weight of zero counts as constant."""
    x, y = jr.normal(getkey(), (2, 20, 3))
    w = jnp.linspace(0, 1, 20)
    loss = lambda w: jnp.sum(jnp.sin(fit(x, y, weights=w).as_affine().weight))
    ours = jax.grad(loss)(w)
    assert np.isfinite(ours).all() and ours[0] == 0
    step = jnp.zeros(20).at[7].set(1e-2)
    theirs = (loss(w + step) - loss(w - step)) / 2e-2
    np.testing.assert_allclose(ours[7], theirs, rtol=2e-2, atol=1e-4)
