"""Moments without float64: sums to some 40 bits, as where there is no float64 at all."""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import jfacemap as jfm
from jfacemap.core import split_products
from jfacemap.core.linalg import matmul
from jfacemap.core.wide import as_wide, two_product, two_sum, Wide, wide_root

from ..helpers import relative_error, tree_allclose


double = lambda x: np.asarray(x, np.float64)
normal = np.random.default_rng(0).normal
rows = lambda n, *widths: [normal(size=(n, d)).astype(np.float32) for d in widths]


def truth(x, y, w):
    """Moments in NumPy's longest floats."""
    x, y, w = (np.asarray(a, np.longdouble) for a in (x, y, w))
    mean_x, mean_y = w @ x / w.sum(), w @ y / w.sum()
    wx, yc = (w[:, None] * (x - mean_x)).T, y - mean_y
    values = w.sum(), mean_x, mean_y, wx @ (x - mean_x), wx @ yc, w @ yc**2
    return dict(zip(("mass", "mean_x", "mean_y", "xx", "xy", "yy"), values, strict=True))


@pytest.mark.parametrize("compile_", (lambda f: f, jax.jit), ids=("eager", "jit"))
def test_a_sum_and_a_product_leave_no_rest(compile_):
    a, b = (jnp.asarray(z[:, 0] * 10 ** z[:, 1]) for z in rows(500, 2, 2))
    for operation, exact in ((two_sum, np.add), (two_product, np.multiply)):
        high, low = map(np.float64, compile_(operation)(a, b))
        np.testing.assert_array_equal(high + low, exact(np.float64(a), np.float64(b)))


def test_arithmetic_has_twice_the_digits():
    a, b = (np.abs(normal(size=50)) + 0.1 for _ in range(2))
    high = lambda x: jnp.asarray(x, jnp.float32)
    split = lambda x: Wide(high(x), high(x - np.float64(high(x))))
    (x, y), one = map(split, (a, b)), high(1)
    ours = jax.jit(lambda x, y: (x + y, x - y, x * y, x / y, one - x, x * 3.0))(x, y)
    a, b = np.asarray(x), np.asarray(y)
    for found, true in zip(ours, (a + b, a - b, a * b, a / b, 1 - a, 3 * a), strict=True):
        np.testing.assert_allclose(np.asarray(found), true, rtol=1e-13, atol=1e-13)
    w = high(a)
    np.testing.assert_allclose(np.asarray(wide_root(w)), np.sqrt(np.float64(w)), rtol=1e-14)


@pytest.mark.parametrize("n", (3, 1024))
def test_products_are_those_of_float64(n):
    (z,) = rows(n, 9)
    z[:, 2] = 0
    z[:, 3] *= 1e-12
    upper, squares = jax.jit(split_products.upper_products, static_argnums=1)(
        as_wide(jnp.asarray(z)), (0, 4, 7)
    )
    true = double(z).T @ double(z)
    scale = np.sqrt(np.diag(true))
    for row, (a, b) in zip(upper, ((0, 4), (4, 7)), strict=True):
        off = np.abs(np.asarray(row) - true[a:b, a:])
        assert np.all(off <= 1e-12 * scale[a:b, None] * scale[a:])
    np.testing.assert_allclose(np.asarray(squares), np.diag(true)[7:], rtol=1e-12)
    # What a product in float32 has: the bound above could fail.
    assert relative_error(matmul(z.T, z), true) > 1e-9


def test_long_rows_are_multiplied_in_pieces(monkeypatch):
    (a, b) = rows(30, 4, 5)
    monkeypatch.setattr(split_products, "exact_rows", 7)
    multiply = jax.jit(lambda a, b: split_products.product(as_wide(a), as_wide(b)))
    ours = multiply(a.T, b)
    assert relative_error(ours, double(a).T @ double(b)) < 1e-11


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-15, 15), min_size=6, max_size=6), st.integers(0, 1000))
def test_columns_of_any_scale(scales, seed):
    x = np.random.default_rng(seed).normal(size=(64, 6)) * 10.0 ** np.array(scales)
    x = np.float32(x)
    multiply = jax.jit(lambda x: split_products.product(as_wide(x.T), as_wide(x)))
    true, size = double(x).T @ double(x), np.linalg.norm(np.float64(x), axis=0)
    assert np.all(np.abs(np.asarray(multiply(x)) - true) <= 3e-12 * np.outer(size, size))


@pytest.mark.parametrize("offset", (0, 100))
def test_moments(no_float64, offset):
    x, y = (z + np.float32(offset) for z in rows(2048, 6, 4))
    w = np.abs(normal(size=2048)).astype(np.float32)
    w[::5] = 0
    bad = x.copy()
    bad[::5] = np.nan  # rows of zero weight leave no trace
    m = jfm.pair_moments(bad, y, w)
    for name, value in truth(x, y, w).items():
        assert relative_error(getattr(m, name), value) < 1e-11, name
    assert np.asarray(m.count) == np.sum(w != 0)
    assert m.xx.low is not None
    coarse = jfm.pair_moments(bad, y, w, precision="float32")
    assert 1e-12 < relative_error(coarse.xx, np.asarray(m.xx)) < 1e-6
    assert np.isnan(np.asarray(jfm.pair_moments(bad, y).xx)).all()


def test_merged_they_are_those_of_the_whole(no_float64):
    x, y = (z + np.float32(5) for z in rows(100, 6, 4))
    cuts = np.split(x, (20, 55)), np.split(y, (20, 55))
    parts = [jfm.pair_moments(*part) for part in zip(*cuts, strict=True)]
    merged = ft.reduce(jfm.merge, parts, jfm.PairMoments.zero(6, 4))
    for name, value in truth(x, y, np.ones(100)).items():
        assert relative_error(getattr(merged, name), value) < 1e-11, name
    join = lambda a, b: jfm.joint_moments((a, b))
    both = jfm.merge(join(x[:20], y[:20]), join(x[20:], y[20:]))
    assert relative_error(both.scatter[:6, 6:], np.asarray(merged.xy)) < 1e-11
    scatter = np.asarray(join(x, y).scatter)
    np.testing.assert_array_equal(scatter, scatter.T)


def test_nothing_is_zero(no_float64):
    x, y = rows(5, 6, 4)
    none = jfm.pair_moments(x, y, 0 * x[:, 0])
    assert tree_allclose(none, jfm.PairMoments.zero(6, 4))


def test_vmap_is_a_loop_and_the_slope_that_of_float64(no_float64):
    x, y, w = *rows(40, 3, 2), np.abs(normal(size=(2, 40))).astype(np.float32)
    w[:, 0] = 0
    batch = jax.vmap(lambda w: jfm.pair_moments(x, y, w))(w)
    one = jax.tree.map(lambda a: a[1], batch)
    assert relative_error(one.xx, truth(x, y, w[1])["xx"]) < 1e-11

    def loss(x, w):
        m = jfm.pair_moments(x, y, w)
        return sum(jnp.sum(jnp.sin(part.high)) for part in (m.xx, m.xy, m.yy, m.mean_x))

    def plain(x, w):
        mean_x, mean_y = (w @ z / jnp.sum(w) for z in (x, y))
        x, y_ = x - mean_x[None], y - mean_y[None]
        left = (w[:, None] * x).T
        parts = (left @ x, left @ y_, w @ y_**2, mean_x)
        return sum(jnp.sum(jnp.sin(part)) for part in parts)

    ours, theirs = (jax.grad(f, (0, 1))(jnp.asarray(x), w[0]) for f in (loss, plain))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(ours[1][1:], theirs[1][1:], rtol=1e-3, atol=1e-3)
    assert ours[1][0] == 0
