"""Fields of directions: their pull to the middle, and how two attributes' fields agree."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ..core.linalg import directions, matmul
from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric
from .energy import check_field, flatten
from .neighbours import KNearest
from .tiles import check_metric, check_points, Metric, prepare


class Gravity(eqx.Module):
    """`mean (*a)` over the points used; NaN if none is. `skipped (*a)` are left out."""

    mean: Float[Array, "*a"]
    skipped: Int[Array, "*a"]


def gravity(points: Float[Numeric, "n d"], vectors: Float[Numeric, "*a n d"]) -> Gravity:
    r"""Mean of $\cos(v_i, \bar p - p_i)$: 1 if a field points at the barycentre, -1 away.

    Paper 003's code. $\bar p$ is the mean of the points that are finite; a point on it has
    no direction to it and is left out, as are vectors that are zero or not finite.
    """
    points, vectors = as_array(points), as_array(vectors)
    check_field(points, vectors, KNearest(1), "euclidean")
    if vectors.shape[-1] != points.shape[-1]:
        raise ValueError(
            f"Points are {points.shape[-1]} wide and vectors {vectors.shape[-1]}: gravity "
            "takes both of one space."
        )
    lead, lone = vectors.shape[:-2], int(not points.shape[0])
    found = _gravity(*flatten(points, vectors))
    return Gravity(found.mean.reshape(lead), (found.skipped - lone).reshape(lead))


def _mean_pull(dtype, points, vectors) -> Gravity:
    x, alive = prepare(widen(points, dtype), "euclidean")  # about their barycentre
    away, off = directions(x)
    u, moved = directions(vectors)
    used = (alive & off)[None] & moved
    cosine = jnp.sum(-away.astype(u.dtype)[None] * u, axis=-1).astype(dtype)
    n = jnp.sum(used, axis=-1, dtype=jnp.int32)
    total = jnp.sum(jnp.where(used, cosine, 0), axis=-1)
    mean = jnp.where(n > 0, total / jnp.maximum(n, 1).astype(dtype), jnp.nan)
    return Gravity(mean, points.shape[0] - n)


class Alignment(eqx.Module):
    """How two attributes' fields disagree on the points that both have.

    - `energy (A, A)`: mean of 1 - cos; NaN where they share no point
    - `shared (A, A)`: points that count
    """

    energy: Float[Array, "A A"]
    shared: Int[Array, "A A"]


def field_alignment(
    vectors: Float[Numeric, "A n k"], present: Bool[Numeric, "A n"] | None = None
) -> Alignment:
    r"""Mean over points of $1 - \cos(v^a_i, v^b_i)$ for every two attributes (paper 003).

    **Arguments:**

    - `vectors`: of A attributes on the same n base points.
    - `present`: which attributes move which points, as of `Lattice.joined`; by default
      all. Zero vectors and those that are not finite are absent too.
    """
    vectors, present = as_array(vectors), as_array(present)
    if vectors.ndim != 3:
        raise ValueError(f"vectors are (A, n, k): attributes, points; got {vectors.shape}.")
    if present is not None and present.shape != vectors.shape[:2]:
        raise ValueError(f"present is {vectors.shape[:2]}; got {present.shape}.")
    return _alignment(vectors, present)


def _all_pairs(dtype, vectors, present) -> Alignment:
    u, moved = directions(vectors)
    live = moved if present is None else moved & present
    u = jnp.where(live[..., None], u, 0)
    count = live.astype(jnp.float32)
    shared = matmul(count, count.T).astype(jnp.int32)
    u = u.swapaxes(0, 1)
    cosine = matmul(u, u.swapaxes(1, 2)).astype(dtype)
    total = jnp.sum(cosine, axis=0)
    mean = total / jnp.maximum(shared, 1).astype(dtype)
    return Alignment(jnp.where(shared > 0, jnp.maximum(1 - mean, 0), jnp.nan), shared)


def mean_distance(
    key: Key[Array, ""],
    points: Float[Numeric, "n d"],
    pairs: int = 10_000,
    *,
    metric: Metric = "cosine",
) -> Float[Array, ""]:
    """Mean distance of `pairs` random pairs of different points: the d_avg of paper 003.

    A row that is not finite, or under cosine zero, takes its pairs out. NaN if none is
    left. `field_energy` takes the mean over all pairs unless it is given this as `scale`.
    """
    points = as_array(points)
    check_points(points)
    check_metric(metric)
    n = points.shape[0]
    if pairs < 1 or n < 2:
        raise ValueError(f"A pair takes two points, and a mean a pair; got {n}, {pairs}.")
    first, second = jax.random.split(key)
    i = jax.random.randint(first, (pairs,), 0, n, jnp.int32)
    step = jax.random.randint(second, (pairs,), 1, n, jnp.int32)
    return _sampled(points, i, (i + step) % n, metric=metric)


def _mean_of_pairs(dtype, points, i, j, *, metric):
    x, alive = prepare(widen(points, dtype), metric)

    def chunk(pair):
        square = jnp.sum((x[pair[0]] - x[pair[1]]) ** 2)
        return square / 2 if metric == "cosine" else jnp.sqrt(square)

    d = jax.lax.map(chunk, (i, j), batch_size=min(256, i.shape[0]))
    used = alive[i] & alive[j]
    n = jnp.sum(used, dtype=jnp.int32)
    total = jnp.sum(jnp.where(used, d, 0))
    return jnp.where(n > 0, total / jnp.maximum(n, 1).astype(dtype), jnp.nan)


_gravity, _alignment = in_float64(_mean_pull), in_float64(_all_pairs)
_sampled = in_float64(_mean_of_pairs, static=("metric",))
