"""Float64 rows, rows to leave out, NaN, and other platforms; run by `test_mesh.py`.

Of each call that takes rows in shards, or `mesh=`: eight devices find what one does.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.core.mesh import over_all, placed
from jfacemap.evaluate.match_counts import bins
from jfacemap.evaluate.match_tiles import _count_in_tile, _count_tile

from .eight_devices import close, mesh, put


n = 240  # rows
r = np.random.default_rng(0)
x = r.normal(size=(n, 6))
y = x @ r.normal(size=(6, 4)) + r.normal(size=(n, 4))
z = x[:, ::-1] + r.normal(size=(n, 6))
w = r.uniform(0.5, 1, size=n)
left_out = np.arange(n) % 5 == 2
w[left_out] = 0
labels = np.where(y[:, :2] > 0, 1.0, -1.0)
people, ids, key = np.arange(n) // 3, np.arange(n), jax.random.key(0)
grouped = jfm.group_templates(people, ids // 2)
weight = r.normal(size=(6, 4))
scores = np.round(r.normal(size=(n, 10)), 1)
genuine, fars = r.uniform(size=(n, 10)) < 0.2, (1e-1, 1e-2)


class Call(NamedTuple):
    """`f(*rows)`, and how near its result is to that of one device, in float64."""

    f: Callable
    rows: tuple
    rtol: float = 1e-11


def joint(*rows, mesh=None):
    return jfm.joint_moments(rows[:2], *rows[2:], mesh=mesh)


def through(x):
    return jfm.LinearMap(jnp.asarray(weight, x.dtype))


def there_and_back(moments):
    maps = jfm.fit_all_pairs(moments, "affine")
    return maps[0, 1], maps[1, 0]


def templates(*sides):
    return [jfm.Templates(ids, v) for v in sides]


def match(*sides):
    found = jfm.cross_match(*templates(*sides), people, people, fars)
    return found.tar.tar, found.counts


def search(*sides):
    found = jfm.identify(*templates(*sides), people, people, fpirs=[1e-2])
    return found.rank, found.best_score


weighted = {
    "moments": Call(jfm.pair_moments, (x, y, w)),
    "joint": Call(joint, (x, y, w)),
    "factor": Call(lambda *a: jfm.pair_factor(*a).moments, (x, y, w)),
    "linear": Call(lambda x, y, w: jfm.fit_linear(x, y, weights=w), (x, y, w)),
    "affine": Call(lambda x, y, w: jfm.fit_affine(x, y, weights=w), (x, y, w)),
    "rotation": Call(lambda x, z, w: jfm.fit_rotation(x, z, weights=w), (x, z, w)),
    "similarity": Call(lambda x, z, w: jfm.fit_similarity(x, z, weights=w), (x, z, w)),
    "all pairs": Call(lambda *a: there_and_back(joint(*a)), (x, z, w)),
    "pool": Call(lambda x, w: jfm.pool_templates(x, grouped, weights=w).vectors, (x, w)),
    "pool mapped": Call(
        lambda x, w: jfm.pool_mapped(through(x), x, grouped, weights=w).vectors, (x, w)
    ),
    "ridge path": Call(
        lambda x, y, w: jfm.fit_ridge_path(x, y, folds=ids % 3, weights=w), (x, y, w), 1e-9
    ),
    "robust": Call(lambda x, y, w: jfm.fit_robust(x, y, weights=w), (x, y, w), 1e-8),
    "regression": Call(lambda x, y, w: jfm.fit_ridge(x, y, weights=w), (x, y, w), 1e-9),
    "bootstrap": Call(
        lambda x, y, w: jfm.bootstrap_maps(key, x, y, weights=w, replicates=3), (x, y, w)
    ),
}
"""A row of no weight may hold NaN."""

unweighted = {
    "energy moments": Call(lambda *a: jfm.compare.energy_moments(a), (x, y)),
    "standardize": Call(lambda x: jfm.fit_standardize(x, whiten=True), (x,), 1e-9),
    "scree": Call(jfm.scree, (x,), 1e-9),
    "svm": Call(lambda *a: jfm.fit_svm(*a, np.ones(1, "f")).weight, (x, labels), 1e-6),
    "means": Call(
        lambda x, l: jfm.mean_activation_vectors(x, l, classes=3),
        (x, (ids % 3).astype(np.int32)),
    ),
    "energy": Call(
        lambda p, v: jfm.field_energy(p, v, neighbours=jfm.KNearest((3, 5))), (x, y)
    ),
    "null": Call(
        lambda p, v: jfm.field_null(key, p, v, neighbours=jfm.Ball(0.7), repeats=2),
        (x, y),
        1e-5,  # sums of weights are float32
    ),
    **{
        f"distances {metric}": Call(
            lambda x, metric=metric: jfm.class_distances(x, people, metric=metric), (x,)
        )
        for metric in ("cosine", "euclidean")
    },
    "score pairs": Call(
        lambda *a: jfm.score_pairs(*templates(*a), np.stack([ids, ids[::-1]], 1)), (x, z)
    ),
    "score all": Call(jfm.score_all, (x, z)),
    "cross match": Call(match, (np.round(x * 8) / 8, np.round(z * 8) / 8), 0),
    "identify": Call(search, (np.round(x * 8) / 8, np.round(z * 8) / 8), 0),
    **{
        f"tar {rule}": Call(
            lambda s, g, rule=rule: jfm.tar_at_far(s, g, fars, rule=rule), (scores, genuine)
        )
        for rule in ("strict", "nearest", "insightface", "interpolate")
    },
    "roc": Call(jfm.roc_curve, (scores, genuine), 0),
}

with_mesh = {
    "moments": (lambda *a, mesh: jfm.pair_moments(*a, mesh=mesh), (x, y, w)),
    "joint": (joint, (x, y, w)),
    "bootstrap": (
        lambda x, y, w, mesh: jfm.bootstrap_maps(
            key, x, y, weights=w, replicates=3, mesh=mesh
        ),
        (x, y, w),
    ),
}


gathered = "ridge path", "score all", "tar insightface", "roc"
"""What the compiler cuts as it likes: rows come together by fold, draw or order."""


def with_nan(rows, where):
    """NaN in those rows of all but the last argument, which is a weight or a label."""
    gap = lambda a: np.where(where.reshape(-1, *[1] * (a.ndim - 1)), np.nan, a)
    return (*map(gap, rows[:-1]), rows[-1])


def same(name, f, rows, rtol):
    close(f(*map(put, rows)), f(*map(jnp.asarray, rows)), rtol, name)


def weightless():
    """Float64 under the x64 flag, rounded to float32 without it; NaN where none weighs."""
    for name, (f, rows, rtol) in weighted.items():
        holes = with_nan(rows, left_out)
        with jax.enable_x64(True):
            same(name, f, holes, rtol)
            true = f(*(jnp.asarray(np.nan_to_num(a)) for a in holes))
            close(f(*map(put, holes)), true, rtol, name)
        same(name, f, holes, 2e-5)
    for name, (f, rows) in with_mesh.items():
        holes = with_nan(rows, left_out)
        for flag, rtol in ((True, 1e-11), (False, 2e-6)):
            with jax.enable_x64(flag):
                close(f(*holes, mesh=mesh), f(*holes, mesh=None), rtol, name)


def used():
    """NaN in rows that count is told, or makes NaN, as it does on one device."""
    for f, rows, _ in (weighted.pop("regression"), unweighted.pop("svm")):
        holes = (np.where(ids[:, None] == 6, np.nan, rows[0]), *rows[1:])
        for there in (put, jnp.asarray):
            with pytest.raises(ValueError, match="not finite"):
                f(*map(there, holes))
    for name, (f, rows, rtol) in (weighted | unweighted).items():
        whole = rows[-1].dtype.kind == "f" and name in unweighted and rows[-1] is not labels
        holes = with_nan(rows, ids == 6)
        if whole:
            holes = with_nan((*rows, ids), ids == 6)[:-1]
        with jax.enable_x64(True):
            same(name, f, holes, rtol)
            if name in unweighted:
                same(f"{name} without NaN", f, rows, rtol)


def platforms():
    """What each device runs lowers for accelerators, for TPU without float64."""
    tile = np.zeros((8, 30, 6), "f")
    cells, slot = np.zeros((8, 256), np.int32), np.full(bins, -1, np.int32)
    inner = {
        "count": (_count_tile, 8, (x[:30], tile, cells)),
        "count inside": (
            lambda *a, shards: _count_in_tile(*a, size=2, shards=shards),
            8,
            (x[:30], tile, cells, slot),
        ),
    }
    for name, (f, parts, given) in inner.items():
        g = lambda *a, f=f, parts=parts: f(*a, shards=over_all(mesh, parts))
        lowers(name, g, given)
    host = "cross match", "identify", "score pairs"
    for name, (f, rows, _) in (weighted | unweighted).items():
        if name not in host:
            with placed(over_all(mesh, n)):
                lowers(name, f, rows)


def lowers(name, f, rows):
    narrow = lambda a: a.astype("f") if a.dtype == np.float64 else a
    traced = jax.jit(lambda *a: jax.tree.leaves(f(*a))).trace(*map(narrow, rows))
    for platform in ("cuda", "tpu"):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert platform == "cuda" or "f64" not in text, name
        assert ("manual_computation" in text) != (name in gathered), name
