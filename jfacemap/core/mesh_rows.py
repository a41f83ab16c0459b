"""Rows of a store on a mesh, and how those that fill up the last shard are passed over."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .mesh import on_automatic_axes
from .types import as_array


class MeshRows(eqx.Module):
    """n rows sharded over a mesh, filled up so that the shards are equal.

    - `rows (m, d)`: m is the number of rows rounded up to a multiple of the shards
    - `weights (m,)`: one, and zero for the rows of zeros that fill up
    - `n`: rows without those

    What takes weights takes both; `scree`, `class_distances`, `pool_templates` and
    `pool_mapped` take it whole. All else would count zeros for rows: give it `rows[:n]`.
    """

    rows: Float[Array, "m d"]
    weights: Float[Array, " m"]
    n: int = eqx.field(static=True)

    @property
    def fill(self) -> int:
        """How many rows fill up."""
        return self.rows.shape[0] - self.n


def weighted_rows(x: Any) -> tuple[Any, Any, int]:
    """Rows (m, d), weights (m,) or None if all count, and how many there are."""
    if not isinstance(x, MeshRows):
        x = as_array(x)
        return x, None, x.shape[0] if x.ndim else 0
    rows, weights = on_automatic_axes(x.rows), on_automatic_axes(x.weights)
    return rows, weights if x.fill else None, x.n


def nan_rows(x: Any) -> tuple[Any, int]:
    """Rows (m, d), NaN where they fill up, and how many do that."""
    rows, weights, n = weighted_rows(x)
    if weights is None:
        return rows, 0
    return jnp.where(weights[:, None] != 0, rows, jnp.nan), rows.shape[0] - n


def filled(x: Any, fill: int, value: Any = 0) -> Any:
    """Values of rows, on the host or not, with so many more: `value`, or each its own."""
    if x is None or not fill:
        return x
    home = np if isinstance(x, np.ndarray) else jnp
    return home.append(x, home.broadcast_to(home.asarray(value, x.dtype), fill))
