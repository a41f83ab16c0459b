"""One pass over all comparisons of two sides, tile by tile, in bounded memory."""

import functools as ft
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import matmul
from ..core.mesh import each_shard, everywhere, placed, shard_sum
from .floats import at_least_float32
from .match_counts import bins, FineCounts, MatchCounts
from .selection import sortable


tile_rows, tile_columns = 256, 2**14
"""Comparisons of a tile: 4 million scores, 16 MB."""

Progress = Callable[[int, int], None]


class Padding(NamedTuple):
    """Scores of a tile, and cells of its genuine pairs, that stand for nothing."""

    scores: int
    cells: int


def count_bins(gallery, probes, people, progress: Progress) -> MatchCounts:
    """Counts by bin of one map: vectors of both sides, and `(gallery, probe)` people.

    Of vectors that lie in shards every device counts a tile at a time.
    """
    genuine, both = np.zeros(bins, np.int64), np.zeros(bins, np.int64)
    (gallery, probes), shards = everywhere((gallery, probes))
    for a, b, cells, padding, done in _tiles(gallery, probes, people, shards):
        every, own = _count_tile(a, b, cells, shards=shards)
        both += np.asarray(every, np.int64)
        genuine += np.asarray(own, np.int64)
        both[0] -= padding.scores
        genuine[0] -= padding.cells
        progress(*done)
    return MatchCounts(genuine, both - genuine)


def count_inside(gallery, probes, people, wanted, progress: Progress) -> FineCounts:
    """Counts by lower half of the bits inside the bins `wanted (r,)` of one map."""
    slot = np.full(bins, -1, np.int32)
    slot[wanted] = np.arange(len(wanted))
    shape = len(wanted), bins
    genuine, both = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    (gallery, probes), shards = everywhere((gallery, probes))
    for a, b, cells, _, done in _tiles(gallery, probes, people, shards):
        every, own = _count_in_tile(a, b, cells, slot, size=len(wanted), shards=shards)
        both += np.asarray(every, np.int64)
        genuine += np.asarray(own, np.int64)
        progress(*done)
    return FineCounts(np.asarray(wanted), genuine, both - genuine)


def _tiles(gallery, probes, people, shards) -> Iterator[tuple]:
    """Blocks of both sides, the cells of genuine pairs, padding, and how far we are.

    Probes (parts, columns, d) and cells (parts, size): a part a device, or one.
    """
    parts = 1 if shards is None else shards.number
    rows = min(tile_rows, len(gallery))
    columns = min(tile_columns, -(-len(probes) // parts))
    width = parts * columns
    starts = itertools.product(range(0, len(probes), width), range(0, len(gallery), rows))
    starts = list(starts)
    for step, (j, i) in enumerate(starts):
        a, b = _block(gallery, i, rows), _block(probes, j, width)
        left, right = people[0][i : i + rows], people[1][j : j + width]
        same = np.zeros((left.size, width), bool)
        np.equal(left[:, None], right[None], out=same[:, : right.size])
        mates = [np.flatnonzero(part) for part in np.split(same, parts, axis=1)]
        most = max(mate.size for mate in mates)
        size = 1 << max(8, int(most - 1).bit_length())  # few sizes, few programs
        cells = np.full((parts, size), rows * columns, np.int32)
        for cell, mate in zip(cells, mates, strict=True):
            cell[: mate.size] = mate
        spare = cells.size - sum(mate.size for mate in mates)
        padding = Padding(rows * width - left.size * right.size, spare)
        yield a, b.reshape(parts, columns, -1), cells, padding, (step + 1, len(starts))


def _block(vectors, start, size):
    """`size` rows from `start`; rows past the end are NaN, and so are their scores."""
    block = jnp.asarray(vectors[start : start + size])
    fill = size - block.shape[0]
    return jnp.pad(block, ((0, fill), (0, 0)), constant_values=jnp.nan) if fill else block


def _sum_over_parts(count, a, b, cells, shards, *rest):
    """`count` of the keys of each part's tile, and of its genuine ones."""

    def part(rows, a, *rest):
        b, cells = rows
        return shard_sum(tuple(count(key, *rest) for key in _keys(a, b[0], cells[0])))

    with placed(None if shards is None else shards._replace(n=shards.number)):
        return each_shard(part, (b, jnp.asarray(cells)), a, *rest)


def _keys(a, b, cells):
    scores = matmul(at_least_float32(a), at_least_float32(b).T).astype(jnp.float32)
    key = sortable(scores).ravel()
    # Cells past the tile are padding: key 0, which no score has.
    own = jnp.where(cells < key.size, key[jnp.minimum(cells, key.size - 1)], 0)
    return key, own


@ft.partial(jax.jit, static_argnames="shards")
def _count_tile(a, b, cells, *, shards=None):
    count = lambda key: jnp.zeros(bins, jnp.int32).at[(key >> 16).astype(jnp.int32)].add(1)
    return _sum_over_parts(count, a, b, cells, shards)


@ft.partial(jax.jit, static_argnames=("size", "shards"))
def _count_in_tile(a, b, cells, slot, *, size, shards=None):
    def count(key, slot):
        which = slot[(key >> 16).astype(jnp.int32)]
        low = (key & (bins - 1)).astype(jnp.int32)
        at = jnp.where(which < 0, size * bins, which * bins + low)
        none = jnp.zeros(size * bins, jnp.int32)
        return none.at[at].add(1, mode="drop").reshape(size, bins)

    return _sum_over_parts(count, a, b, cells, shards, jnp.asarray(slot))
