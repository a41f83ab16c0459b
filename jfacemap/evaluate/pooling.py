r"""Images pooled to templates, mapped on the way (paper 000, section 3.3).

Mean within each media and sum over media is one weighted sum, $t = \sum_i w_i x_i / c_i$
over the images of a template with $c_i$ images in the media of image i; rows sorted by
template are mapped, scaled and summed chunk by chunk, so that nothing of the size of the
mapped images is ever held.
"""

import functools as ft
from collections.abc import Sequence
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.linalg import unit
from ..core.maps import AbstractMap, RotationMap
from ..core.mesh import each_shard, laid_out, placed, shard_sum
from ..core.mesh_rows import filled, MeshRows, weighted_rows
from ..core.types import as_array, Numeric
from .floats import at_least_float32
from .templates import Grouping, Templates


chunk_rows = 512
"""Images mapped at once: enough for the matrix product, few enough to stay in cache."""


def pool_templates(
    embeddings: Float[Numeric, "n d"] | MeshRows,
    grouping: Grouping,
    *,
    weights: Float[Numeric, " n"] | None = None,
    normalize_images: bool = False,
) -> Templates:
    r"""Mean within each media, sum over media, scaled to unit length.

    $t = \sum_i w_i x_i / c_i$ over the images of a template, with $c_i$ images in the
    media of image i, returned as $t / \|t\|$ (insightface's `image2template_feature`).

    **Arguments:**

    - `embeddings`: a row per image, in the order of the ids grouped; or their `MeshRows`.
    - `weights`: multiply each row before its media mean, which divides by the count and
      not by their sum; a row of zero weight may hold NaN.
    - `normalize_images`: scale rows to unit length first.

    A template that sums to zero stays zero; NaN in a used row makes its template NaN.
    Jits, and vmaps over `embeddings`. Raises `ValueError` if rows do not match.
    """
    rows, grouping, weights = _check(embeddings, grouping, weights)
    (total,) = _total_of((None,), rows, grouping, weights, normalize_images)
    return _templates(grouping, total)


@overload
def pool_mapped(
    m: AbstractMap,
    embeddings: Any,
    grouping: Grouping,
    *,
    weights: Any = None,
    normalize_images: bool = True,
    pool_first: bool = False,
) -> Templates: ...


@overload
def pool_mapped(
    m: Sequence[AbstractMap],
    embeddings: Any,
    grouping: Grouping,
    *,
    weights: Any = None,
    normalize_images: bool = True,
    pool_first: bool = False,
) -> list[Templates]: ...


def pool_mapped(
    m: AbstractMap | Sequence[AbstractMap],
    embeddings: Float[Numeric, "n d"] | MeshRows,
    grouping: Grouping,
    *,
    weights: Float[Numeric, " n"] | None = None,
    normalize_images: bool = True,
    pool_first: bool = False,
) -> Templates | list[Templates]:
    r"""Templates of mapped images: map each row, scale it to unit length, and pool.

    **Arguments:**

    - `m`: a map, or a sequence of maps out of one space, pooled in one pass over the rows
      into a list of templates.
    - `embeddings`, `grouping`, `weights`: as in `pool_templates`; weights multiply the
      mapped, scaled row.
    - `normalize_images`: scale mapped rows to unit length (paper 000, section 3.2).
    - `pool_first`: map the templates of the source instead of its images, some 20 times
      fewer rows. A linear map commutes with the sum, but not with scaling each mapped
      image: with `normalize_images` the source rows are scaled instead. Exact for
      rotations into no narrower space, which preserve length, and done for them always.

    Zero sums and NaN as in `pool_templates`. Jits. Raises `ValueError` if rows do not
    match, or widths.
    """
    rows, grouping, weights = _check(embeddings, grouping, weights)
    single = isinstance(m, AbstractMap)
    maps = (m,) if single else tuple(m)
    for each in maps:
        if each.in_dim != rows.shape[1]:
            raise ValueError(
                f"A map of rows of width {each.in_dim} does not take embeddings of shape "
                f"{rows.shape}."
            )
    early = [pool_first or _keeps_length(each) for each in maps]
    late = [each for each, first in zip(maps, early, strict=True) if not first]
    # The unmapped sum comes along in the same pass where some map wants it.
    wanted = (None, *late) if any(early) else tuple(late)
    totals = list(_total_of(wanted, rows, grouping, weights, normalize_images))
    base = totals.pop(0) if any(early) else None
    share = _mass(grouping, weights) if any(early) else None
    pooled = []
    for each, first in zip(maps, early, strict=True):
        total = _apply_to_sum(each, base, share) if first else totals.pop(0)
        pooled.append(_templates(grouping, total))
    return pooled[0] if single else pooled


def _keeps_length(m: AbstractMap) -> bool:
    return isinstance(m, RotationMap) and m.in_dim <= m.out_dim


def _check(embeddings, grouping, weights):
    """Rows, grouping and weights of as many; of `MeshRows` the rows that fill up, too."""
    embeddings, counts, rows = weighted_rows(embeddings)
    weights = as_array(weights)
    if grouping.segment.shape[0] != rows:
        raise ValueError(
            f"{rows} embeddings, but the grouping is of {grouping.segment.shape[0]} rows."
        )
    if weights is not None and weights.shape != (rows,):
        raise ValueError(f"{rows} embeddings need weights ({rows},), not {weights.shape}.")
    if counts is None:
        return embeddings, grouping, weights
    fill = embeddings.shape[0] - rows
    weights = counts if weights is None else filled(weights, fill)
    order = filled(grouping.order, fill, rows + np.arange(fill, dtype=np.int32))
    segment = filled(grouping.segment, fill, np.int32(len(grouping.ids) - 1))
    count = filled(grouping.count, fill, np.int32(1))
    return embeddings, Grouping(grouping.ids, order, segment, count), weights


def _total_of(maps, embeddings, grouping, weights, scale: bool) -> tuple[Array, ...]:
    """`sum_i w_i f(x_i) / c_i` by template, for each map f; None is the identity."""
    (embeddings, weights), shards = laid_out((embeddings, weights))
    return _total(maps, embeddings, grouping, weights, scale=scale, shards=shards)


@ft.partial(jax.jit, static_argnames=("scale", "shards"))
def _total(maps, embeddings, grouping, weights, *, scale, shards) -> tuple[Array, ...]:
    order, segment, count = grouping.order, grouping.segment, grouping.count
    if shards is not None and order is not None:
        # Rows stay where they lie: each is told its template, none is moved to it.
        place = lambda x: jnp.zeros_like(x).at[order].set(x)
        segment, count = place(jnp.asarray(segment)), place(jnp.asarray(count))
        order, is_sorted = None, False
    else:
        is_sorted = True
    rows = embeddings, weights, order, segment, count
    options = {"templates": len(grouping.ids), "scale": scale, "is_sorted": is_sorted}
    one = lambda rows, maps: shard_sum(_sum(maps, *rows, **options))
    with placed(shards):
        return each_shard(one, rows, maps)


def _sum(maps, embeddings, weights, order, segment, count, *, templates, scale, is_sorted):
    """The sums of some rows, chunk by chunk."""
    n = embeddings.shape[0]
    dtype = at_least_float32(jnp.zeros((), embeddings.dtype)).dtype
    size = min(n, chunk_rows)

    def rows_of(start):
        take = lambda x: jax.lax.dynamic_slice_in_dim(x, start, size)
        if order is None:
            return take(embeddings), None if weights is None else take(weights)
        rows = take(jnp.asarray(order))
        return embeddings[rows], None if weights is None else weights[rows]

    def add(totals, first, fresh):
        """Add rows `start...` of which those before `fresh` have been added already."""
        take = lambda x: jax.lax.dynamic_slice_in_dim(jnp.asarray(x), first, size)
        x, w = rows_of(first)
        x, into = at_least_float32(x), take(segment)
        share = 1 / take(count).astype(dtype)
        share = jnp.where(jnp.arange(size, dtype=jnp.int32) >= fresh - first, share, 0)
        if w is not None:
            share = share * w.astype(dtype)
        x = jnp.where(share[:, None] != 0, x, 0)

        def one(m, total):
            y = x if m is None else m(x)
            factor = share * _inverse_length(y) if scale else share
            added = y * factor[:, None]
            return total.at[into].add(
                added, indices_are_sorted=is_sorted, mode="promise_in_bounds"
            )

        return tuple(map(one, maps, totals))

    widths = [embeddings.shape[1] if m is None else m.out_dim for m in maps]
    totals = tuple(jnp.zeros((templates, k), dtype) for k in widths)
    chunks = -(-n // size)
    # The last chunk reaches back over rows that are done, so that all have one shape.
    step = lambda totals, i: (add(totals, jnp.minimum(i * size, n - size), i * size), None)
    return jax.lax.scan(step, totals, jnp.arange(chunks, dtype=jnp.int32))[0]


def _inverse_length(y):
    """What `unit` multiplies each row by: 0 for a zero row, NaN past its range."""
    square = jnp.sum(y**2, axis=-1)
    alive = square != 0
    inverse = jnp.where(alive, 1 / jnp.sqrt(jnp.where(alive, square, 1)), 0)
    return jnp.where(square < jnp.inf, inverse, jnp.nan)


@jax.jit
def _mass(grouping, weights):
    """`sum_i w_i / c_i` by template: how often a bias enters its sum."""
    share = 1 / jnp.asarray(grouping.count).astype(jnp.float32)
    if weights is not None:
        rows = weights if grouping.order is None else weights[jnp.asarray(grouping.order)]
        share = share * rows.astype(share.dtype)
    return jax.ops.segment_sum(
        share, jnp.asarray(grouping.segment), len(grouping.ids), indices_are_sorted=True
    )


@jax.jit
def _apply_to_sum(m, total, mass):
    affine = m.as_affine()
    moved = m(total)
    # m(sum) holds the bias once; the sum of m holds it once an image.
    return moved + (mass.astype(moved.dtype)[:, None] - 1) * affine.bias[None]


_unit = jax.jit(unit)


def _templates(grouping: Grouping, total) -> Templates:
    return Templates(grouping.ids, _unit(total))
