"""Values written into others, at indices."""

import jax.numpy as jnp
import numpy as np

from ..registry import one_of, operator
from .indexing import element_places, positive
from .values import axis_in, same_dtype, to_jax


methods = {"none": "set", "add": "add", "mul": "multiply", "max": "max", "min": "min"}
known = one_of(reduction=methods)


def _write(x, places, updates, reduction: str):
    x, updates = (to_jax(v) for v in same_dtype(x, updates))
    return getattr(x.at[tuple(map(to_jax, places))], methods[reduction])(updates)


@operator("Scatter", "ScatterElements", check=known)
def scatter_elements(x, indices, updates, *, axis: int = 0, reduction: str = "none"):
    """x with x[indices[i, j, ...], j, ...] = updates[i, j, ...] for axis 0, and so on."""
    axis = axis_in(axis, x.ndim)
    places = element_places(indices.shape, axis, positive(indices, x.shape[axis]))
    return _write(x, places, updates, reduction)


@operator("ScatterND", check=known)
def scatter_nd(x, indices, updates, *, reduction: str = "none"):
    """x with x[index] = update for each index vector along the last axis."""
    depth = indices.shape[-1]
    places = [positive(indices[..., i], x.shape[i]) for i in range(depth)]
    return _write(x, places, updates, reduction)


@operator("TensorScatter")
def tensor_scatter(
    past, update, write_indices=None, *, axis: int = -2, mode: str = "linear"
):
    """A cache (batch first) with the update written along the axis, from an index on."""
    axis, length = axis_in(axis, past.ndim), past.shape[axis_in(axis, past.ndim)]
    past, update = (jnp.moveaxis(to_jax(v), axis, 1) for v in same_dtype(past, update))
    start = np.zeros(past.shape[0], np.int32) if write_indices is None else write_indices
    steps = jnp.arange(update.shape[1], dtype=jnp.int32)
    places = to_jax(start).astype(jnp.int32)[:, None] + steps[None]
    if mode == "circular":
        places = places % length
    rows = jnp.arange(past.shape[0], dtype=jnp.int32)[:, None]
    return jnp.moveaxis(past.at[rows, places].set(update), 1, axis)
