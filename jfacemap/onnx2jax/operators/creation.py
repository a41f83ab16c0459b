"""Values out of shapes and numbers."""

import numpy as np

from ..registry import operator
from ..tensors import to_dtype
from .values import axis_in, cast, ints, namespace


@operator("ConstantOfShape", static=["shape"])
def constant_of_shape(shape, *, value=None):
    """One number, in a shape."""
    value = np.zeros(1, np.float32) if value is None else value
    return np.full(ints(shape), value.ravel()[0], value.dtype)


@operator("Range", static=["start", "limit", "delta"])
def number_range(start, limit, delta, *, stash_type: int = 1):
    """start, start + delta, ... before limit."""
    start, limit, delta = (x.reshape(()) for x in (start, limit, delta))
    count = max(int(np.ceil((float(limit) - float(start)) / float(delta))), 0)
    return (start + np.arange(count).astype(start.dtype) * delta).astype(start.dtype)


@operator("EyeLike")
def eye_like(x, *, dtype: int | None = None, k: int = 0):
    """Ones on the k-th diagonal, in the shape of x."""
    return np.eye(*x.shape, k=k, dtype=x.dtype if dtype is None else to_dtype(dtype))


@operator("OneHot", static=["depth"])
def one_hot(indices, depth, values, *, axis: int = -1):
    """values[1] where a new axis counts the index, else values[0]."""
    size = int(np.ravel(depth)[0])
    axis = axis_in(axis, indices.ndim + 1)
    index = cast(indices, np.int32)[..., None]
    index = namespace(index).where(index < 0, index + np.int32(size), index)
    xp = namespace(index, values)
    hot = index == np.arange(size, dtype=np.int32).reshape((1,) * indices.ndim + (size,))
    return xp.moveaxis(xp.where(hot, values[1], values[0]), -1, axis)


@operator("Trilu", static=["k"])
def triangle(x, k=None, *, upper: int = 1):
    """The upper or lower triangle of the last two axes, from the k-th diagonal on."""
    xp, offset = namespace(x), 0 if k is None else int(np.ravel(k)[0])
    rows, columns = np.arange(x.shape[-2])[:, None], np.arange(x.shape[-1])
    keep = columns - rows >= offset if upper else columns - rows <= offset
    return xp.where(np.broadcast_to(keep, x.shape), x, xp.zeros_like(x))


def _cosine_window(*weights):
    """Sum of (-1)^i w_i cos(2 pi i n / size)."""

    def apply(size, *, output_datatype: int = 1, periodic: int = 1):
        n = int(np.ravel(size)[0])
        angle = 2 * np.pi * np.arange(n) / (n if periodic else n - 1)
        terms = [(-1) ** i * w * np.cos(i * angle) for i, w in enumerate(weights)]
        return np.sum(terms, axis=0).astype(to_dtype(output_datatype))

    return apply


operator("HannWindow", static=["size"])(_cosine_window(0.5, 0.5))
operator("HammingWindow", static=["size"])(_cosine_window(25 / 46, 21 / 46))
operator("BlackmanWindow", static=["size"])(_cosine_window(0.42, 0.5, 0.08))
