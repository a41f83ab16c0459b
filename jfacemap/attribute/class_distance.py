r"""Distances within identities and between them (paper 003, Table 1), in bounded memory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from ..core.mesh import each_shard, everywhere, shard_sum
from ..core.mesh_rows import filled, MeshRows, nan_rows
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from .signs import identity_codes
from .tiles import check_metric, check_points, distances, map_tiles, Metric, prepare


class ClassDistances(eqx.Module):
    """Of I identities in sorted order; NaN where one has no image that counts.

    - `within (I,)`: mean distance of two images of an identity; of one with itself too,
      as published, unless `include_self` was False (then NaN for a single image)
    - `between (I,)`: mean over the other identities of the mean distance to their images
    - `count (I,)`: images that count
    - `skipped`: images left out, not finite or, under cosine, zero
    """

    within: Float[Array, " I"]
    between: Float[Array, " I"]
    count: Int[Array, " I"]
    skipped: Int[Array, ""]

    @property
    def mean_within(self) -> Float[Array, ""]:
        """Over identities."""
        return jnp.nanmean(self.within)

    @property
    def mean_between(self) -> Float[Array, ""]:
        """Over pairs of identities."""
        return jnp.nanmean(self.between)

    @property
    def ratio(self) -> Float[Array, ""]:
        """Between over within: about 2 or more for face models on LFW, as published."""
        return self.mean_between / self.mean_within


def class_distances(
    embeddings: Float[Numeric, "n d"] | MeshRows,
    identity: Shaped[Numeric, " n"],
    *,
    metric: Metric = "cosine",
    include_self: bool = True,
) -> ClassDistances:
    r"""Mean distances within identities, $\frac1{|P|^2} \sum_{P \times P} d$, and between.

    Between two identities it is $\frac1{|P||Q|} \sum_{P \times Q} d$.

    **Arguments:**

    - `embeddings`: of n images, or their `MeshRows`; `identity`: who each shows, known
      before tracing.
    - `metric`: "cosine" (1 - cos) or "euclidean".
    - `include_self`: whether an image's distance 0 to itself counts within.

    Cosine distances are had from the identities' mean unit rows, at once; of Euclidean
    ones all n^2 are taken, tile by tile. Raises `ValueError` on shapes that do not match.
    """
    rows, fill = nan_rows(embeddings)
    check_metric(metric)
    check_points(rows, "embeddings")
    n = rows.shape[0] - fill
    names, code = identity_codes(identity, n, "embeddings")
    code = filled(code, fill)
    size = np.zeros(len(names), np.float32)
    shards = None  # as they lie
    if metric == "euclidean":  # all meet all
        rows, shards = everywhere(rows)
    options = {"metric": metric, "include_self": include_self, "shards": shards}
    found = _compiled(rows, code, size, **options)
    return eqx.tree_at(lambda f: f.skipped, found, found.skipped - fill) if fill else found


def _class_distances(dtype, x, code, size, *, metric, include_self) -> ClassDistances:
    x, alive = prepare(widen(x, dtype), metric)
    code, people, n = jnp.asarray(code), size.shape[0], x.shape[0]
    count = jnp.zeros(people, jnp.int32).at[code].add(alive.astype(jnp.int32))
    share = jnp.where(count > 0, 1 / jnp.maximum(count, 1).astype(dtype), 0)
    weight = jnp.where(alive, share[code], 0)
    measure = _by_centroids if metric == "cosine" else _by_tiles
    known, one = count > 0, count == 1
    within, total = measure(x, code, weight, known)
    if not include_self:
        n_i = count.astype(dtype)
        within = jnp.where(one, jnp.nan, within * n_i / jnp.maximum(n_i - 1, 1))
    others = jnp.sum(known, dtype=jnp.int32).astype(dtype) - 1
    between = jnp.where(others > 0, total / others, jnp.nan)
    hide = lambda v: jnp.where(known, v, jnp.nan)
    return ClassDistances(
        hide(within), hide(between), count, n - jnp.sum(alive, dtype=jnp.int32)
    )


def _by_centroids(x, code, weight, known):
    """By identity: the mean cosine distance within, and the sum of those to the others.

    A mean of 1 - u.v over two groups of unit rows is 1 less the product of their means.
    """

    def sums(rows):
        x, code, weight = rows
        none = jnp.zeros((known.shape[0], x.shape[1]), x.dtype)
        return shard_sum(none.at[code].add(x * weight[:, None]))

    means = each_shard(sums, (x, code, weight))
    is_known = known.astype(x.dtype)
    inside = jnp.maximum(is_known - jnp.sum(means**2, axis=1), 0)
    rest = jnp.sum(means, axis=0)[None] - means
    return inside, jnp.sum(is_known) - 1 - jnp.sum(means * rest, axis=1)


def _by_tiles(x, code, weight, known):
    """The same of Euclidean distances, every two of them taken."""
    n = x.shape[0]

    def tile(start, rows, x, code, weight):
        cut = lambda a: jax.lax.dynamic_slice_in_dim(a, start, rows)
        d = distances(cut(x), x, "euclidean")
        own = start + jnp.arange(rows, dtype=jnp.int32)
        itself = own[:, None] == jnp.arange(n, dtype=jnp.int32)[None]
        # Weighted by 1 / |Q|: the mean distance to each identity, summed over them.
        d = jnp.where(itself, 0, d) * weight[None]
        inside = jnp.sum(jnp.where(cut(code)[:, None] == code[None], d, 0), axis=1)
        return inside, jnp.sum(d, axis=1) - inside

    gather = lambda v: jnp.zeros(known.shape, x.dtype).at[code].add(v * weight)
    return tuple(map(gather, map_tiles(tile, n, x, code, weight)))


_compiled = in_float64(_class_distances, static=("metric", "include_self"))
