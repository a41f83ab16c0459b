"""Distances of rows, block by block: never more than a tile of the (n, n) matrix."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..core.linalg import directions, matmul
from ..core.mesh import each_shard
from ..core.order import largest


Metric = Literal["cosine", "euclidean"]
"""Cosine distance is 1 - cos, from 0 to 2."""

tile_cells = 2**22
"""Distances of a tile: 32 MB in float64."""

least_rows, most_rows = 64, 256
"""Rows of a tile: fewer would read all the others for too little work."""


class Prepared(NamedTuple):
    """Rows of which any two have a distance: `x (n, d)`, and which of them are `alive`.

    Dead rows, not finite or under cosine without direction, are zero.
    """

    x: Float[Array, "n d"]
    alive: Bool[Array, " n"]


def check_metric(metric: str) -> None:
    """Raise `ValueError` unless distances are cosine or Euclidean."""
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"metric is 'cosine' or 'euclidean'; got {metric!r}.")


def check_points(points, what: str = "points") -> None:
    """Raise `ValueError` unless these are rows (n, d) of floats."""
    if points.ndim != 2 or not jnp.issubdtype(points.dtype, jnp.floating):
        raise ValueError(
            f"{what} are an (n, d) array of floats; got {points.dtype}{list(points.shape)}."
        )


def prepare(x: Float[Array, "n d"], metric: Metric) -> Prepared:
    """Unit rows for cosine; rows about their mean for Euclidean, which loses no digits."""
    finite = jnp.all(jnp.isfinite(x), axis=1)
    x = jnp.where(finite[:, None], x, 0)
    if metric == "euclidean":
        count = jnp.maximum(jnp.sum(finite, dtype=jnp.int32), 1).astype(x.dtype)
        mean = jnp.sum(x, axis=0, keepdims=True) / count
        return Prepared(jnp.where(finite[:, None], x - mean, 0), finite)
    x, alive = directions(x)
    return Prepared(x, finite & alive)


def unit_factors(v: Float[Array, "*n d"]) -> tuple[Float[Array, "*n"], Bool[Array, "*n"]]:
    """What rows are to be multiplied with to have length 1, and which ones can be.

    At least float32. Rows as short as 1e-38 are taken for zero.
    """
    if jnp.finfo(v.dtype).bits < 32:
        v = v.astype(jnp.float32)
    size = largest(jnp.abs(v), axis=-1)
    normal = jnp.finfo(v.dtype).smallest_normal
    alive = (size > normal) & (size < 1 / normal)  # NaN is neither
    size = jnp.where(alive, size, 1)
    v = jnp.where(alive[..., None], v / size[..., None], 0)
    length = jnp.sqrt(jnp.sum(v**2, axis=-1))
    return 1 / size / jnp.where(alive, length, 1), alive


def distances(
    a: Float[Array, "m d"], b: Float[Array, "n d"], metric: Metric
) -> Float[Array, "m n"]:
    """Distances of prepared rows; of rows that coincide exactly 0.

    Rows coincide if they differ by less than 1e-7 of their length or so (in float32,
    where that is lost in rounding, a few thousandths).
    """
    square = lambda x: jnp.sum(x**2, axis=1)
    norms = square(a)[:, None] + square(b)[None]
    squared = unblurred(norms - 2 * matmul(a, b.T), norms)
    return squared / 2 if metric == "cosine" else jnp.sqrt(squared)


def unblurred(squared, norms):
    """Squared distances, 0 where they may be rounding of the squared lengths `norms`."""
    blur = 1e-14 if squared.dtype == jnp.float64 else 32 * jnp.finfo(squared.dtype).eps
    return jnp.where(squared <= blur * norms, 0, squared)


def tile_rows(n: int) -> int:
    """Rows of a tile against n others."""
    return max(1, min(most_rows, n, max(least_rows, tile_cells // max(n, 1))))


def map_tiles(f, n: int, *arrays):
    """`f(start, rows, *arrays)` of each tile of rows, stacked into n rows.

    The last tile begins early, so that it is whole: what it repeats is cut off. Where the
    n rows lie in shards each device does the tiles of its own.
    """
    numbers = jnp.arange(n, dtype=jnp.int32)
    tiles = lambda own, *arrays: _map_tiles(f, own, n, arrays)
    return each_shard(tiles, numbers, *arrays, gives_rows=True)


def _map_tiles(f, own, others: int, arrays):
    n = own.shape[0]
    rows = min(n, tile_rows(others))
    steps = -(-n // rows)
    starts = own[0] + jnp.minimum(jnp.arange(steps, dtype=jnp.int32) * rows, n - rows)
    out = jax.lax.map(lambda start: f(start, rows, *arrays), starts)
    whole = lambda x: x[:-1].reshape(-1, *x.shape[2:])
    return jax.tree.map(
        lambda x: jnp.concatenate([whole(x), x[-1, steps * rows - n :]]), out
    )
