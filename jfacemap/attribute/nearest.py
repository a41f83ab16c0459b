"""The nearest points of every point: found in float32, ranked in float64."""

import jax
import jax.numpy as jnp

from ..core.branch import either
from ..core.linalg import matmul
from .neighbours import distances_of, Edges, reach_of
from .tiles import map_tiles, Metric, unblurred


spare = 8
"""Candidates beyond k that float32 may put in the wrong order."""

many = 1024
"""From so many points on candidates are worth a second program."""


def nearest(x, alive, live, k: int, metric: Metric) -> Edges:
    """The k nearest live points of each row; reach is over all that are `alive`.

    In float64, from `many` points on, float32 finds k + 8 candidates, whose distances are
    then taken exactly. Where a point left out may be nearer than the k-th, as among many
    that coincide, all distances are taken again in float64.
    """
    if x.dtype != jnp.float64 or x.shape[0] < many or k + spare >= x.shape[0]:
        return _by_all(x, alive, live, k, metric)
    found, safe = _by_candidates(x, alive, live, k, metric)
    unsure = lambda safe, *_: ~jnp.all(safe)
    again = lambda safe, index, exists, reach, x, alive, live: _leaves(
        _by_all(x, alive, live, k, metric)
    )
    keep = lambda safe, index, exists, reach, *_: (index, exists, reach)
    return Edges(*either(unsure, again, keep)(safe, *_leaves(found), x, alive, live))


def _leaves(edges: Edges):
    return edges.index, edges.found, edges.reach


def _by_all(x, alive, live, k: int, metric: Metric) -> Edges:
    n = x.shape[0]

    def tile(start, rows, x, alive, live):
        d, others = distances_of(x, alive, start, rows, metric)
        value, index = jax.lax.top_k(_key(d, others & live[None]), min(k, n))
        return index.astype(jnp.int32), value > -jnp.inf, reach_of(d, others)

    return Edges(*map_tiles(tile, n, x, alive, live))


def _by_candidates(x, alive, live, k: int, metric: Metric):
    n = x.shape[0]
    mean = jnp.sum(x, axis=0, keepdims=True) / jnp.maximum(
        jnp.sum(alive, dtype=jnp.int32), 1
    ).astype(x.dtype)
    # About the middle float32 keeps most of what it can.
    small = jnp.where(alive[:, None], x - mean, 0).astype(jnp.float32)
    square, norm = jnp.sum(x**2, axis=1), jnp.sum(small**2, axis=1)
    largest = jnp.max(norm)

    def tile(start, rows, x, alive, live, small, square, norm, largest):
        cut = lambda a: jax.lax.dynamic_slice_in_dim(a, start, rows)
        rough = cut(norm)[:, None] + norm[None] - 2 * matmul(cut(small), small.T)
        rough = jnp.maximum(rough, 0)
        own = start + jnp.arange(rows, dtype=jnp.int32)
        others = alive[None] & (own[:, None] != jnp.arange(n, dtype=jnp.int32)[None])
        key = jnp.where(others & live[None], -rough, -jnp.inf)
        value, candidate = jax.lax.top_k(key, k + spare)
        d = rough / 2 if metric == "cosine" else jnp.sqrt(rough)
        # Ties go to the lowest index, which so must come first.
        candidate = jnp.sort(candidate.astype(jnp.int32), axis=1)
        product = matmul(x[candidate], cut(x)[:, :, None])[..., 0]
        norms = cut(square)[:, None] + square[candidate]
        exact = unblurred(norms - 2 * product, norms)
        there = live[candidate] & alive[candidate] & (candidate != own[:, None])
        best, place = jax.lax.top_k(_key(exact, there), k)
        # What is left out is farther in float32 than all candidates, but for its error.
        error = 64 * jnp.finfo(jnp.float32).eps * (cut(norm) + largest)
        # The last ones, but by a minimum: cut out of `top_k` XLA sorts all of each row.
        last, kth = jnp.min(value, axis=1), jnp.min(best, axis=1)
        safe = (last == -jnp.inf) | (-last - error > -kth)
        index = jnp.take_along_axis(candidate, place.astype(jnp.int32), axis=1)
        return index, best > -jnp.inf, reach_of(d.astype(x.dtype), others), safe

    arrays = x, alive, live, small, square, norm, largest
    index, found, reach, safe = map_tiles(tile, n, *arrays)
    return Edges(index, found, reach), safe


def _key(d, wanted):
    # Float32 ranks alike what differs by rounding.
    return jnp.where(wanted, -d.astype(jnp.float32), -jnp.inf)
