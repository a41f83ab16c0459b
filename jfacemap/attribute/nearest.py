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
    if metric == "cosine":
        return _nearest(x, alive, live, k, metric)
    x, unit = _measured(x)
    edges = _nearest(x, alive, live, k, metric)
    return Edges(edges.index, edges.found, edges.reach * unit)


def _measured(x):
    """Points in units of a power of two, their size, of which float32 has all squares."""
    largest = jnp.max(jnp.abs(x))
    _, exponent = jnp.frexp(largest)
    most = jnp.finfo(x.dtype).maxexp - 8
    exponent = jnp.clip(exponent, -most, most)
    one = jnp.ones((), x.dtype)
    return x * jnp.ldexp(one, -exponent), jnp.ldexp(one, exponent)


def _nearest(x, alive, live, k: int, metric: Metric) -> Edges:
    if x.dtype != jnp.float64 or x.shape[0] < many or k + spare + 1 >= x.shape[0]:
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
    c = jnp.where(alive[:, None], x - mean, 0)
    small, square = c.astype(jnp.float32), jnp.sum(x**2, axis=1)
    norm = jnp.sum(small**2, axis=1)
    # One product gives 2 c_i . c_j - |c_j|^2, largest where the distance is least.
    counted = alive & live if metric == "cosine" else alive
    right = jnp.concatenate([small, jnp.where(counted, -norm, -jnp.inf)[:, None]], axis=1)
    largest = jnp.max(norm)

    def tile(start, rows, x, alive, live, right, square, norm, largest):
        cut = lambda a: jax.lax.dynamic_slice_in_dim(a, start, rows)
        own = start + jnp.arange(rows, dtype=jnp.int32)
        left = jnp.concatenate(
            [2 * cut(right)[:, :-1], jnp.ones_like(right[:rows, -1:])], 1
        )
        key = matmul(left, right.T)
        reach = jnp.zeros(rows, x.dtype)
        if metric == "euclidean":
            others = alive[None] & (own[:, None] != jnp.arange(n, dtype=jnp.int32)[None])
            d = jnp.sqrt(jnp.maximum(cut(norm)[:, None] - key, 0))
            reach = reach_of(d.astype(x.dtype), others)
            key = jnp.where(live[None], key, -jnp.inf)
        # The point itself is told by its index, and so is one candidate more.
        value, candidate = jax.lax.top_k(key, k + spare + 1)
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
        safe = (last == -jnp.inf) | (cut(norm) - last - error > -kth)
        index = jnp.take_along_axis(candidate, place.astype(jnp.int32), axis=1)
        return index, best > -jnp.inf, reach, safe

    arrays = x, alive, live, right, square, norm, largest
    index, found, reach, safe = map_tiles(tile, n, *arrays)
    if metric == "cosine":
        reach = _reach_of_unit(c, alive)
    return Edges(index, found, reach), safe


def _reach_of_unit(c, alive):
    """Sums of 1 - cos, half the squared distances, of unit rows less their mean."""
    square = jnp.sum(c**2, axis=1)
    number = jnp.sum(alive, dtype=jnp.int32).astype(c.dtype)
    return jnp.where(alive, (number * square + jnp.sum(square)) / 2, 0)


def _key(d, wanted):
    # Float32 ranks alike what differs by rounding.
    return jnp.where(wanted, -d.astype(jnp.float32), -jnp.inf)
