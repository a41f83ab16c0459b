"""Parts of values, by slices and by indices."""

import jax.numpy as jnp
import numpy as np

from ..registry import operator
from .values import axes_in, axis_in, ints, namespace, to_jax


@operator("Slice")
def slice_by_attributes(x, *, starts, ends, axes=None):
    """x[start:end] along the axes."""
    return slice_of(x, starts, ends, axes)


@operator("Slice", since=10, static=["starts", "ends", "axes", "steps"])
def slice_of(x, starts, ends, axes=None, steps=None):
    """x[start:end:step] along the axes; ends beyond the axis mean all of it."""
    starts, ends = ints(starts), ints(ends)
    axes = range(len(starts)) if axes is None else axes_in(axes, x.ndim)
    steps = (1,) * len(starts) if steps is None else ints(steps)
    where = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        where[axis] = _python_slice(start, end, step, x.shape[axis])
    return x[tuple(where)]


def _python_slice(start: int, end: int, step: int, size: int) -> slice:
    # As Python's, but that an end below the first element, going back, is None there.
    if step < 0 and end < -size:
        return slice(min(start, size - 1), None, step)
    return slice(start, end, step)


def positive(indices, size: int):
    """Negative indices counted from the front, as int32 where traced."""
    if isinstance(indices, np.ndarray):
        return np.where(indices < 0, indices + size, indices)
    indices = to_jax(indices)
    return jnp.where(indices < 0, indices + np.asarray(size, indices.dtype), indices)


@operator("Gather")
def gather(x, indices, *, axis: int = 0):
    """Slices of x along the axis, one for each index; the indices' axes replace it."""
    axis = axis_in(axis, x.ndim)
    indices = positive(indices, x.shape[axis])
    if namespace(x, indices) is np:
        return np.take(x, indices, axis=axis)
    return jnp.take(to_jax(x), to_jax(indices), axis=axis, mode="clip")


@operator("GatherElements")
def gather_elements(x, indices, *, axis: int = 0):
    """out[i, j, ...] = x[indices[i, j, ...], j, ...] for axis 0, and so on."""
    axis = axis_in(axis, x.ndim)
    return _take_along(x, positive(indices, x.shape[axis]), axis)


def _take_along(x, indices, axis: int):
    if namespace(x, indices) is np:
        x = x[tuple(slice(None if i == axis else n) for i, n in enumerate(indices.shape))]
        return np.take_along_axis(x, indices, axis)
    grid = element_places(indices.shape, axis, to_jax(indices))
    return to_jax(x)[grid]


def element_places(shape, axis: int, indices):
    """The index of each element, with `indices` in the place of `axis`."""
    grid = list(np.ogrid[tuple(slice(n) for n in shape)])
    grid = [np.broadcast_to(g, shape).astype(np.int32) for g in grid]
    grid[axis] = indices
    return tuple(grid)


@operator("GatherND")
def gather_nd(x, indices, *, batch_dims: int = 0):
    """x[index] for each index vector along the last axis; leading axes may be shared."""
    depth = indices.shape[-1]
    axes = x.shape[batch_dims : batch_dims + depth]
    parts = [positive(indices[..., i], axes[i]) for i in range(depth)]
    shape = indices.shape[:-1]
    lead = [
        np.arange(n).reshape((-1,) + (1,) * (len(shape) - i - 1))
        for i, n in enumerate(shape)
    ]
    lead = [np.broadcast_to(g, shape) for g in lead[:batch_dims]]
    if namespace(x, *parts) is np:
        return x[(*lead, *parts)]
    return to_jax(x)[(*map(to_jax, lead), *map(to_jax, parts))]


@operator("TopK", since=10, static=["k"])
def top_k(x, k, *, axis: int = -1, largest: int = 1, sorted: int = 1):
    """The k largest or smallest along the axis, in order, and where they are."""
    axis, count = axis_in(axis, x.ndim), int(np.ravel(k)[0])
    rows = jnp.moveaxis(to_jax(x), axis, -1)
    # A stable order keeps the first of equal values, as ONNX wants it.
    order = jnp.argsort(rows, axis=-1, stable=True, descending=bool(largest))[..., :count]
    values = jnp.take_along_axis(rows, order, axis=-1)
    integer = to_jax(np.zeros((), np.int64)).dtype
    return [jnp.moveaxis(values, -1, axis), jnp.moveaxis(order.astype(integer), -1, axis)]


@operator("TopK", since=1)
def top_k_by_attribute(x, *, k: int, axis: int = -1):
    """The k largest along the axis, in order, and where they are."""
    return top_k(x, k, axis=axis)


@operator("NonZero", static=["x"])
def nonzero(x):
    """The indices of what is not zero; their number depends on the data."""
    return np.stack(np.nonzero(np.atleast_1d(x))).astype(np.int64)


@operator("Compress", static=["condition"])
def compress(x, condition, *, axis: int | None = None):
    """The slices along the axis, or the elements, where the condition holds."""
    chosen = np.flatnonzero(condition)
    if axis is None:
        return x.ravel()[chosen]
    return namespace(x).take(x, chosen, axis=axis_in(axis, x.ndim))


@operator("Unique", static=["x"])
def unique(x, *, axis: int | None = None, sorted: int = 1):
    """Distinct values, where each is first, which each element is, how often it occurs."""
    values, first, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.ravel()
    if not sorted:
        order = np.argsort(first)
        values = np.take(values, order, axis=0 if axis is None else axis)
        first, counts, inverse = first[order], counts[order], np.argsort(order)[inverse]
    return [values, *(np.asarray(v, np.int64) for v in (first, inverse, counts))]


@operator("ReverseSequence", static=[])
def reverse_sequence(x, lengths, *, batch_axis: int = 1, time_axis: int = 0):
    """The first `length` steps of each sample in reverse order; the rest as it is."""
    x = jnp.moveaxis(to_jax(x), (batch_axis, time_axis), (0, 1))
    steps = jnp.arange(x.shape[1], dtype=jnp.int32)[None]
    ends = to_jax(lengths).astype(jnp.int32)[:, None]
    order = jnp.where(steps < ends, ends - 1 - steps, steps)
    rows = jnp.arange(x.shape[0], dtype=jnp.int32)[:, None]
    return jnp.moveaxis(x[rows, order], (0, 1), (batch_axis, time_axis))
