"""Similarity scores: of chosen pairs of templates, and of all pairs of rows."""

import functools as ft
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from ..core.linalg import matmul, unit
from ..core.mesh import each_shard, everywhere, placed
from ..core.types import as_array, Numeric
from .floats import at_least_float32
from .templates import Templates


tile_rows = 256
"""Templates of one side scored against all of the other at once."""

tile_scores = 2**23
"""Most scores of a tile: what fits in memory comfortably."""


class PairPlan(eqx.Module):
    """Pairs cut into tiles: step s scores rows `start[s]...` of one side with all others.

    - `rows_a`, `rows_b`: the rows that occur in any pair
    - `start (steps,)`, `cell (steps, capacity)`: where each pair lies in its tile
    - `position (P,)`: where each pair's score comes out
    - `rows`: rows of a tile
    - `sizes`: templates of either side
    """

    rows_a: Int[Numeric, " a"]
    rows_b: Int[Numeric, " b"]
    start: Int[Numeric, " steps"]
    cell: Int[Numeric, "steps capacity"]
    position: Int[Numeric, " P"]
    rows: int = eqx.field(static=True)
    sizes: tuple[int, int] = eqx.field(static=True)


def plan_pairs(a: Templates, b: Templates, pairs) -> PairPlan:
    """Look pairs `(P, 2)` of template ids up and cut them into tiles; host, once.

    The plan serves any vectors with the ids of `a` and `b`. Unknown ids raise
    `ValueError`.
    """
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise ValueError(f"Pairs are (P, 2), an id of each side; got {pairs.shape}.")
    rows_a, i = _occurring(a.ids.rows(pairs[:, 0], "first side"))
    rows_b, j = _occurring(b.ids.rows(pairs[:, 1], "second side"))
    rows = max(1, min(tile_rows, rows_a.size, tile_scores // rows_b.size))
    capacity = -(-len(pairs) * rows // rows_a.size)
    order = np.argsort(i.astype(np.min_scalar_type(rows_a.size)), kind="stable")
    i, j = i[order], j[order]
    start, sizes = _steps(i, rows, rows_a.size - rows, capacity)
    ahead = capacity * np.arange(sizes.size) - np.cumsum(sizes) + sizes
    slot = np.arange(len(pairs)) + np.repeat(ahead, sizes)
    cell = np.zeros(sizes.size * capacity, np.int32)
    cell[slot] = (i - np.repeat(start, sizes)) * rows_b.size + j
    position = np.empty(len(pairs), np.int32)
    position[order] = slot
    narrow = lambda x: x.astype(np.int32)
    return PairPlan(
        rows_a=narrow(rows_a),
        rows_b=narrow(rows_b),
        start=narrow(start),
        cell=cell.reshape(-1, capacity),
        position=position,
        rows=rows,
        sizes=(len(a.ids), len(b.ids)),
    )


def _steps(i, rows, last, capacity):
    """First row and number of pairs of each step, for pairs in order of row `i`.

    A step ends when it has covered its rows or filled its capacity, so that no skew in
    the pairs makes more than twice the steps of an even spread.
    """
    starts, firsts, first = [], [], 0
    while first < i.size:
        starts.append(min(i[first], last))
        firsts.append(first)
        first = min(first + capacity, np.searchsorted(i, starts[-1] + rows))
    return np.asarray(starts), np.diff([*firsts, i.size])


def _occurring(rows):
    """The distinct rows, and each row's place among them."""
    occurs = np.zeros(rows.max() + 1, bool)
    occurs[rows] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[rows]


def score_pairs(
    a: Templates,
    b: Templates,
    pairs: PairPlan | Shaped[Numeric, "P 2"] | Sequence,
) -> Float[Array, " P"]:
    r"""Inner product $a_i \cdot b_j$ of each pair of templates.

    **Arguments:**

    - `a`, `b`: templates of the two sides, usually gallery and probes; both may be one.
    - `pairs`: an id of `a` and one of `b` a row, or their `plan_pairs`, which saves the
      look-up when the same pairs are scored again, and under `jit` or `vmap`.

    Tiles of products of many rows are computed whole and the wanted scores taken from
    them: each vector is read from memory once a tile, not once a pair. Raises
    `ValueError` for an unknown id.
    """
    plan = pairs if isinstance(pairs, PairPlan) else plan_pairs(a, b, pairs)
    sizes = len(a.ids), len(b.ids)
    if sizes != plan.sizes:
        raise ValueError(
            f"The plan is of {plan.sizes} templates and these are {sizes}: plan anew."
        )
    vectors, shards = everywhere((jnp.asarray(a.vectors), jnp.asarray(b.vectors)))
    return _score(*vectors, plan, shards=shards)


@ft.partial(jax.jit, static_argnames="shards")
def _score(a, b, plan, *, shards=None):
    a, b = a[plan.rows_a], b[plan.rows_b].T
    steps = plan.start.shape[0]
    if shards is not None:  # each device does some steps, all of them equally many
        shards = shards._replace(n=-(-steps // shards.number) * shards.number)

    def tile(start, cell, a, b):
        rows = jax.lax.dynamic_slice_in_dim(a, start, plan.rows)
        return matmul(rows, b).ravel()[cell]

    def some(steps, a, b):
        return jax.lax.map(lambda step: tile(*step, a=a, b=b), steps)

    fill = 0 if shards is None else shards.n - steps
    pad = lambda x: jnp.pad(x, [(0, fill)] + [(0, 0)] * (x.ndim - 1)) if fill else x
    with placed(shards):
        given = jax.tree.map(pad, (plan.start, plan.cell))
        scores = each_shard(some, given, a, b, gives_rows=True)
    return scores.ravel()[plan.position]


def score_all(a: Float[Numeric, "n d"], b: Float[Numeric, "m d"]) -> Float[Array, "n m"]:
    r"""Cosine of every row of `a` with every row of `b`; a zero row scores 0."""
    a, b = as_array(a), as_array(b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"Rows of widths {a.shape[1]} and {b.shape[1]} do not compare: map one side."
        )
    return _score_all(a, b)


@jax.jit
def _score_all(a, b):
    a, b = at_least_float32(a), at_least_float32(b)
    return matmul(unit(a), unit(b).T)


def label_pairs(
    labels: Numeric, others: Numeric | None = None
) -> tuple[Bool[Numeric, "n m"], Bool[Numeric, "n m"]]:
    """`genuine` and `valid` of every pair `score_all` scores, from identity labels.

    Without `others` both sides are the same images: a pair of an image with itself is
    not valid. Both orders of a pair count, as a map makes them differ.
    """
    labels = as_array(labels)
    right = labels if others is None else as_array(others)
    genuine = labels[:, None] == right[None]
    if others is None:
        return genuine, ~np.eye(labels.shape[0], dtype=bool)
    return genuine, np.ones(genuine.shape, bool)
