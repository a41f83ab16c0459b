"""Products `Z'Z` of tall rows: upper blocks only, chunk by chunk, in bounded memory."""

import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .linalg import matmul
from .mesh import each_shard
from .split_products import add, shard_total


chunk_rows = 1024
"""Rows widened to float64 at a time: few, so that they stay in cache."""

wide_rows = 512
"""The same where columns are many: each product's operand is a copy of its own."""

many_columns = 2048
"""From here on."""

block_columns = 256
"""Narrowest block worth a product of its own."""


def sum_over_chunks(f: Callable, rows, *whole):
    """Sum of `f(chunk, *whole)` over chunks of a pytree of arrays of as many rows each.

    Of rows that lie in shards each device sums its own, and the sums are added.
    """
    own = lambda rows, *whole: shard_total(_sum_over_chunks(lambda r: f(r, *whole), rows))
    return each_shard(own, rows, *whole)


def _sum_over_chunks(f, rows):
    n = jax.tree.leaves(rows)[0].shape[0]
    take = lambda start, size: jax.tree.map(
        lambda a: jax.lax.dynamic_slice_in_dim(a, start, size), rows
    )
    columns = sum(x.shape[1] for x in jax.tree.leaves(rows) if x.ndim > 1)
    size = wide_rows if columns >= many_columns else chunk_rows
    chunks, tail = divmod(n, size)
    if not chunks:
        return f(rows)
    step = lambda sums, i: (add(sums, f(take(i * size, size))), None)
    sums = f(take(0, size))
    sums, _ = jax.lax.scan(step, sums, jnp.arange(1, chunks, dtype=jnp.int32))
    return add(sums, f(take(chunks * size, tail))) if tail else sums


def block_edges(dims: Sequence[int]) -> tuple[int, ...]:
    """Where to cut columns of widths `dims`: at models, and within wide ones."""
    edges = [0]
    for d in dims:
        pieces = max(1, d // block_columns)
        edges += [edges[-1] + d * (i + 1) // pieces for i in range(pieces)]
    return tuple(edges)


def upper_products(z: Float[Array, "n D"], edges: Sequence[int]) -> list[Array]:
    """Rows of blocks of `z'z` on and right of the diagonal, for the blocks of `edges`.

    Columns past the last edge are multiplied but have no block of their own.
    """
    # Transposed once and for real: XLA's CPU product of a transposed operand runs at two
    # thirds of its speed.
    columns = jax.lax.optimization_barrier(z[:, : edges[-1]].T)
    return [matmul(columns[a:b], z[:, a:]) for a, b in itertools.pairwise(edges)]


def mirror(upper: Sequence[Array], edges: Sequence[int]) -> Float[Array, "rows D"]:
    """The full rows of `z'z` from `upper_products`, its square part exactly symmetric."""
    size, width = edges[-1], upper[0].shape[1]
    full = jnp.zeros((size, width), upper[0].dtype)
    for (a, b), row in zip(itertools.pairwise(edges), upper, strict=True):
        full = full.at[a:b, a:].set(row)
    square = full[:, :size]
    return full.at[:, :size].set(jnp.triu(square) + jnp.triu(square, 1).T)
