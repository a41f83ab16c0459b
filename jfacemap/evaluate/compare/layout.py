"""Points in a plane whose distances are those of a table."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core.precision import in_float64, widen
from ...core.types import as_array, Numeric


class Layout(eqx.Module):
    """A point for each model.

    - `points (N, dim)`: about their mean, along principal axes, the longest first
    - `spectrum (N,)`: falling eigenvalues of the doubly centred squared distances; negative
      ones tell that no points of any dimension have these distances
    """

    points: Float[Array, "N dim"]
    spectrum: Float[Array, " N"]

    @property
    def share(self) -> Float[Array, ""]:
        """What the points hold of the sum of the positive eigenvalues."""
        positive = jnp.maximum(self.spectrum, 0)
        return jnp.sum(positive[: self.points.shape[1]]) / jnp.sum(positive)


def classical_mds(distances: Float[Numeric, "N N"], dim: int = 2) -> Layout:
    r"""Classical multidimensional scaling (Torgerson, 1952).

    The points X that minimise $\|X X' - B\|_F$ for $B = -\frac12 J D^{\circ 2} J$, with
    $J = I - \frac1N 11'$. Signs of axes are such that the point farthest out on each is at
    its positive end. A NaN distance makes all NaN. Raises `ValueError` unless the table is
    square and `dim` from 1 to N.
    """
    distances = as_array(distances)
    n = distances.shape[0]
    if distances.shape != (n, n):
        raise ValueError(f"Distances are a table (N, N); got {distances.shape}.")
    if not 1 <= dim <= n:
        raise ValueError(f"{n} points have from 1 to {n} dimensions; got dim={dim}.")
    return _layout(distances, dim=dim)


def _kernel(dtype, distances, *, dim):
    squares = widen(distances, dtype) ** 2
    rows, columns = jnp.mean(squares, axis=1), jnp.mean(squares, axis=0)
    centred = squares - rows[:, None] - columns[None] + jnp.mean(squares)
    s, v = jnp.linalg.eigh(-(centred + centred.T) / 4)
    s, v = s[::-1], v[:, ::-1]
    points = v[:, :dim] * jnp.sqrt(jnp.maximum(s[:dim], 0))[None]
    sign = jnp.where(jnp.max(points, axis=0) >= -jnp.min(points, axis=0), 1, -1)
    return Layout(points * sign[None].astype(dtype), s)


_layout = in_float64(_kernel, static=("dim",))
