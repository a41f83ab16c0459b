r"""The energy of a field of directions over points: how far neighbours disagree.

The microscale of *Attributes Shape the Embedding Space* (Leroy et al., ICML 2025, paper
003): a point is the embedding of an image, its vector how the embedding moves with one
attribute. The ball is the paper's; nearest neighbours and all pairs are in its code.
There the point itself is a neighbour told by distance 0, and in float32 1 / d of a
distance that is rounding outweighs all others; here it is told by its index.
"""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..core.branch import either
from ..core.linalg import matmul
from ..core.mesh import everywhere
from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric
from .nearest import nearest
from .neighbours import (
    AllPairs,
    check_neighbours,
    distances_of,
    Edges,
    KNearest,
    mean_of_all,
    mean_of_reach,
    Neighbours,
    reach_of,
    RelativeBall,
    weigh,
)
from .tiles import check_metric, check_points, map_tiles, Metric, prepare, unit_factors


class FieldEnergy(eqx.Module):
    r"""How far the vectors of near points disagree; `*a` are attributes, `*s` scales.

    - `energy (*a, *s)`: mean over points of their weighted mean of $1 - \cos$ between
      their vector and a neighbour's. 0: all alike, 1: as random directions, above:
      opposed. NaN if no point has a neighbour
    - `pooled (*a, *s)`: the same sums over all points before they are divided
    - `per_point (*a, n, *s)`: NaN where skipped or without neighbours
    - `coverage (*a, *s)`: part of the points used that have neighbours
    - `neighbours (*a, *s)`: how many a point has, on average
    - `displacement (*a)`: mean length of the vectors over `scale`, under cosine each in
      units of its point's length; a field much shorter than its points are apart may be
      noise
    - `skipped (*a)`: points left out, their row not finite, or their vector zero or not
      finite (under cosine, their row zero too)
    - `scale`: mean distance of two points
    """

    energy: Float[Array, "*a_s"]
    pooled: Float[Array, "*a_s"]
    per_point: Float[Array, "*a_n_s"]
    coverage: Float[Array, "*a_s"]
    neighbours: Float[Array, "*a_s"]
    displacement: Float[Array, "*a"]
    skipped: Int[Array, "*a"]
    scale: Float[Array, ""]


def field_energy(
    points: Float[Numeric, "n d"],
    vectors: Float[Numeric, "*a n k"],
    *,
    neighbours: Neighbours = KNearest(10),  # noqa: B008  frozen
    metric: Metric = "cosine",
    scale: float | Float[Numeric, ""] | None = None,
) -> FieldEnergy:
    r"""Energy $E = \frac1n \sum_i \sum_j w_{ij} c_{ij} / \sum_j w_{ij}$ of a field.

    $c_{ij} = 1 - \cos(v_i, v_j)$, and $w_{ij}$ is 1 for the neighbours of point i, 0 for
    others, or $1 / d(p_i, p_j)$ of `AllPairs`; never over j = i.

    **Arguments:**

    - `points`: embeddings $p_i$.
    - `vectors`: a field $v_i$ on them, or several, whose attributes then share all
      distances. Their lengths do not matter.
    - `neighbours`: `KNearest(k)`, `Ball(radius)`, `RelativeBall(eps)` or `AllPairs()`. Of
      several k, radii or eps the results have a last axis.
    - `metric`: of the points, "cosine" or "euclidean". Vectors are compared by cosine.
    - `scale`: the mean distance of two points, as of `mean_distance`; by default taken
      over all pairs, exactly.

    Distances are found tile by tile in float64 where there is one; memory is that of the
    vectors and of a tile. Points that differ by less than 1e-7 of their length or so
    coincide; without float64 those nearer than some thousandths of it, and energies of
    points as near as that are rough. Of fewer than two points the energy is NaN. Raises
    `ValueError` on shapes that do not match.
    """
    points, vectors = as_array(points), as_array(vectors)
    check_field(points, vectors, neighbours, metric)
    scale = None if scale is None else jnp.asarray(scale, jnp.float32)
    n, lead = points.shape[0], vectors.shape[:-2]
    points, flat = flatten(points, vectors)
    (points, flat), shards = everywhere((points, flat))  # any point may be near any other
    given = points, flat, neighbours, scale
    found = _compiled(*given, metric=metric, shards=shards)
    if not n:
        none = found.per_point[:, :0]
        found = dataclasses.replace(found, per_point=none, skipped=found.skipped - 1)
    return reshape(found, lead, neighbours)


def flatten(points, vectors):
    """Attributes on one axis; for no points at all one that is not finite.

    It is left out as any such point is: tiles take at least one row.
    """
    if not points.shape[0]:
        lone = lambda x: jnp.full((*x.shape[:-2], 1, x.shape[-1]), jnp.nan, x.dtype)
        points, vectors = lone(points), lone(vectors)
    return points, vectors.reshape(-1, *vectors.shape[-2:])


def check_field(points, vectors, neighbours, metric) -> None:
    """Raise `ValueError` unless vectors are of these points."""
    check_metric(metric)
    check_neighbours(neighbours)
    check_points(points)
    floats = jnp.issubdtype(vectors.dtype, jnp.floating)
    if vectors.ndim < 2 or vectors.shape[-2] != points.shape[0] or not floats:
        raise ValueError(
            f"vectors are (..., {points.shape[0]}, k) floats, one a point; got "
            f"{vectors.dtype}{list(vectors.shape)}."
        )


def reshape(found: FieldEnergy, lead: tuple[int, ...], neighbours) -> FieldEnergy:
    """Results of flat attributes and a list of scales, as they were asked for."""
    several = isinstance(neighbours, KNearest) and not isinstance(neighbours.k, int)
    several = several or getattr(neighbours, "shape", ()) != ()

    def fit(x):
        return x.reshape(lead + x.shape[1:] if several else lead + x.shape[1:-1])

    names = "energy", "pooled", "per_point", "coverage", "neighbours"
    of_scales = {name: fit(getattr(found, name)) for name in names}
    alone = {n: getattr(found, n).reshape(lead) for n in ("displacement", "skipped")}
    return FieldEnergy(**of_scales, **alone, scale=found.scale)


class Field(NamedTuple):
    """Points made ready, vectors `v (A, n, k)` as they are, and who takes part `(A, n)`.

    `factor (A, n)` makes unit vectors of those that do, and is 0 for others. To write all
    unit vectors down would take longer than to multiply them where they are used.
    """

    x: Float[Array, "n d"]
    alive: Bool[Array, " n"]
    v: Float[Array, "A n k"]
    factor: Float[Array, "A n"]
    live: Bool[Array, "A n"]


def ready(dtype, points, vectors, metric: Metric) -> Field:
    """Points in the dtype to compute in; vectors stay as narrow as they are."""
    x, alive = prepare(widen(points, dtype), metric)
    factor, moved = unit_factors(vectors)
    live = alive[None] & moved
    return Field(x, alive, vectors, jnp.where(live, factor, 0), live)


def unit(v, factor):
    """Unit vectors, or 0 where the factor is."""
    some = factor[..., None] > 0
    return jnp.where(some, v, 0).astype(factor.dtype) * factor[..., None]


def _energy(dtype, points, vectors, neighbours, scale, *, metric) -> FieldEnergy:
    field = ready(dtype, points, vectors, metric)
    scale = None if scale is None else scale.astype(field.x.dtype)
    if scale is None and isinstance(neighbours, RelativeBall):
        scale = mean_of_all(field.x, field.alive, metric)
    edges = find_edges(field, neighbours, metric)
    total, weight, count, reach = sums(field, edges, neighbours, scale, metric)
    if scale is None:
        scale = mean_of_reach(reach, field.alive)
    per_point, energy, pooled = means(total.astype(dtype), weight.astype(dtype))
    live = field.live[..., None]
    used = jnp.sum(field.live, axis=1, dtype=jnp.int32)
    share = lambda x: jnp.sum(jnp.where(live, x, 0), axis=1) / used.astype(dtype)[:, None]
    norm = lambda x: jnp.sqrt(jnp.sum(widen(x, dtype) ** 2, axis=-1))
    length = norm(vectors)
    if metric == "cosine":  # as if the points had length 1, as distances take them
        length = length / jnp.where(field.alive, norm(points), 1)[None]
    return FieldEnergy(
        energy=energy,
        pooled=pooled,
        per_point=per_point,
        coverage=share(jnp.isfinite(per_point).astype(dtype)),
        neighbours=share(count.astype(dtype)),
        displacement=share(jnp.where(field.live, length, 0)[..., None])[:, 0] / scale,
        skipped=points.shape[0] - used,
        scale=scale,
    )


def find_edges(field: Field, neighbours: Neighbours, metric: Metric) -> Edges | None:
    """Nearest neighbours `(A, n, k)`, of all attributes at once where they share points."""
    if not isinstance(neighbours, KNearest):
        return None
    k = max(neighbours.sizes)
    apart = lambda x, alive, live: jax.lax.map(
        lambda one: nearest(x, alive, one, k, metric), live
    )

    def together(x, alive, live):
        edges = nearest(x, alive, live[0], k, metric)
        spread = lambda e: jnp.broadcast_to(e[None], (live.shape[0], *e.shape))
        return jax.tree.map(spread, edges)

    if field.live.shape[0] == 1:
        return together(field.x, field.alive, field.live)
    differ = lambda x, alive, live: jnp.any(live != live[:1])
    return either(differ, apart, together)(field.x, field.alive, field.live)


def sums(field: Field, edges: Edges | None, neighbours: Neighbours, scale, metric: Metric):
    r"""$\sum_j w_{ij} c_{ij}$, $\sum_j w_{ij}$ and the number of neighbours, `(A, n, S)`.

    And of each point the sum of its distances to all others, `(n,)`.
    """
    if isinstance(neighbours, KNearest):
        assert edges is not None
        return _edge_sums(field, edges, neighbours.sizes)
    return _weight_sums(field, neighbours, scale, metric)


def _edge_sums(field: Field, edges: Edges, sizes: tuple[int, ...]):
    n = field.x.shape[0]
    at = jnp.asarray([min(k, n) - 1 for k in sizes], jnp.int32)

    def one(attribute):
        v, factor, live, edges = attribute

        def tile(start, rows, v, factor, live, edges):
            cut = lambda x: jax.lax.dynamic_slice_in_dim(x, start, rows)
            index, found = cut(edges.index), cut(edges.found) & cut(live)[:, None]
            # As a product of matrices: a sum over gathered rows is five times slower.
            own = unit(cut(v), cut(factor))
            cosine = matmul(unit(v[index], factor[index]), own[:, :, None])[..., 0]
            c = jnp.where(found, jnp.maximum(1 - cosine, 0), 0)
            number = jnp.cumsum(found.astype(c.dtype), axis=1)[:, at]
            return jnp.cumsum(c, axis=1)[:, at], number

        return map_tiles(tile, n, v, factor, live, edges)

    total, number = jax.lax.map(one, (field.v, field.factor, field.live, edges))
    return total, number, number, edges.reach[0]


def _weight_sums(field: Field, neighbours, scale, metric: Metric):
    a, n, k = field.v.shape
    itself = float(getattr(neighbours, "include_self", False))
    # One product with the vectors of all attributes side by side, and their masks.
    mask = field.live.astype(jnp.float32).T
    u = unit(field.v, field.factor).astype(jnp.float32)
    columns = jnp.concatenate([u.transpose(1, 0, 2).reshape(n, a * k), mask], axis=1)

    def tile(start, rows, x, alive, u, mask, columns, scale, neighbours):
        d, others = distances_of(x, alive, start, rows, metric)
        w = jnp.where(others[None], weigh(d, scale, neighbours), 0)
        scales = w.shape[0]
        product = matmul(w.reshape(-1, n), columns).reshape(scales, rows, -1)
        weight = product[..., a * k :]
        count = weight
        if isinstance(neighbours, AllPairs):
            count = matmul((w > 0).astype(jnp.float32).reshape(-1, n), mask)
            count = count.reshape(scales, rows, a)
        near = product[..., : a * k].reshape(scales, rows, a, k)
        own = jax.lax.dynamic_slice_in_dim(u, start, rows, axis=1)
        total = weight - jnp.einsum("srak,ark->sra", near, own,
                                    precision=jax.lax.Precision.HIGHEST)  # fmt: skip
        on = jax.lax.dynamic_slice_in_dim(mask, start, rows)[None]
        turned = lambda x: (x * on).transpose(1, 2, 0)
        found = jnp.maximum(total, 0), weight + itself, count + itself
        return *map(turned, found), reach_of(d, others)

    arrays = field.x, field.alive, u, mask, columns, scale, neighbours
    *found, reach = map_tiles(tile, n, *arrays)
    return *(x.swapaxes(0, 1) for x in found), reach


def means(total, weight):
    """Per point, over points, and pooled: NaN where nothing weighs anything."""
    some = weight > 0
    per_point = jnp.where(some, total / jnp.where(some, weight, 1), jnp.nan)
    number = jnp.sum(some, axis=1, dtype=jnp.int32).astype(total.dtype)
    divide = lambda x, y: jnp.where(y > 0, x / jnp.where(y > 0, y, 1), jnp.nan)
    energy = divide(jnp.sum(jnp.where(some, per_point, 0), axis=1), number)
    return per_point, energy, divide(jnp.sum(total, axis=1), jnp.sum(weight, axis=1))


_compiled = in_float64(_energy, static=("metric",))
