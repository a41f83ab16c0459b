"""Which points count as near one, and how much: the four neighbourhoods of an energy.

A neighbourhood never holds the point itself, which is told by its index: a point at
distance zero is another point.
"""

import operator

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..core.types import Numeric
from .tiles import distances, map_tiles, Metric


slack = 1e-6
"""A distance that exceeds a radius by less than this part of it counts as within."""


def _whole(k) -> int | tuple[int, ...]:
    """A whole number, or several, of Python or NumPy."""
    try:
        return operator.index(k)
    except TypeError:
        pass
    try:
        return tuple(operator.index(each) for each in k)
    except TypeError as error:
        raise ValueError(
            f"KNearest takes a whole number k, or a tuple of them; got {k!r}."
        ) from error


class KNearest(eqx.Module):
    """The `k` nearest other points; of equally near ones that of the lowest index.

    All others where they are fewer. Several k, as a tuple, share one search.
    """

    k: int | tuple[int, ...] = eqx.field(static=True, default=10, converter=_whole)

    def __check_init__(self):
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"KNearest takes k of at least 1; got {self.k}.")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Every k."""
        return (self.k,) if isinstance(self.k, int) else tuple(self.k)


class Ball(eqx.Module):
    """Other points within a `radius`, a number or (S,) of them, in units of the metric.

    `include_self` counts the point too, at no disagreement: as in the numbers of paper
    003, which are lower for it, most where balls hold few points.
    """

    radius: float | Float[Numeric, "*s"]
    include_self: bool = eqx.field(static=True, default=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the radii."""
        return jnp.shape(self.radius)


class RelativeBall(eqx.Module):
    """Other points within `eps` times the mean distance of two points, `scale`.

    The E(eps) of paper 003; `eps` is a number or (S,) of them, `include_self` as in `Ball`.
    """

    eps: float | Float[Numeric, "*s"]
    include_self: bool = eqx.field(static=True, default=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the `eps`."""
        return jnp.shape(self.eps)


class AllPairs(eqx.Module):
    """All other points, weighing 1 / distance; those at distance 0 are left out."""


Neighbours = KNearest | Ball | RelativeBall | AllPairs


class Edges(eqx.Module):
    """The nearest points `index (n, k)` of each point; `found (n, k)` tells which exist.

    `reach (n,)` is the sum of the distances to all others.
    """

    index: Int[Array, "*a n k"]
    found: Bool[Array, "*a n k"]
    reach: Float[Array, "*a n"]


def check_neighbours(neighbours) -> None:
    """Raise `ValueError` for anything but a neighbourhood, with at most one axis."""
    if not isinstance(neighbours, Neighbours):
        raise ValueError(
            "neighbours is jfm.KNearest(10), jfm.Ball(radius), jfm.RelativeBall(eps) or "
            f"jfm.AllPairs(); got {neighbours!r}."
        )
    if isinstance(neighbours, Ball | RelativeBall) and len(neighbours.shape) > 1:
        raise ValueError(f"Radii are a number or (S,) of them; got {neighbours.shape}.")


def weigh(d, scale, neighbours: Ball | RelativeBall | AllPairs) -> Float[Array, "S m n"]:
    """Weights of points at distance `d` from others, float32, before masks."""
    if isinstance(neighbours, AllPairs):
        near = d > 0
        return jnp.where(near, 1 / jnp.where(near, d, 1), 0).astype(jnp.float32)[None]
    if isinstance(neighbours, Ball):
        radii = jnp.asarray(neighbours.radius).astype(d.dtype)
    else:
        radii = jnp.asarray(neighbours.eps).astype(d.dtype) * scale
    radii = jnp.atleast_1d(radii)[:, None, None]
    return (d[None] <= radii * (1 + slack)).astype(jnp.float32)


def distances_of(x, alive, start, rows: int, metric: Metric):
    """Distances (rows, n) of a tile, and which are to another live point, by index."""
    n = x.shape[0]
    own = start + jnp.arange(rows, dtype=jnp.int32)
    itself = own[:, None] == jnp.arange(n, dtype=jnp.int32)[None]
    tile = jax.lax.dynamic_slice_in_dim(x, start, rows)
    return distances(tile, x, metric), alive[None] & ~itself


def reach_of(d, others) -> Float[Array, " rows"]:
    """Sum of the distances to all others."""
    return jnp.sum(jnp.where(others, d, 0), axis=1)


def mean_of_reach(reach, alive) -> Float[Array, ""]:
    """Mean distance of two different live points; NaN if there is but one."""
    total = jnp.sum(jnp.where(alive, reach, 0))
    n = jnp.sum(alive, dtype=jnp.int32).astype(reach.dtype)
    return jnp.where(n > 1, total / jnp.where(n > 1, n * (n - 1), 1), jnp.nan)


def mean_of_all(x, alive, metric: Metric) -> Float[Array, ""]:
    """The same, by a pass over all distances."""

    def tile(start, rows, x, alive):
        return reach_of(*distances_of(x, alive, start, rows, metric))

    return mean_of_reach(map_tiles(tile, x.shape[0], x, alive), alive)
