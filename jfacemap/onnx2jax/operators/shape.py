"""Shapes, and the same numbers in another shape, order or dtype."""

import math

import jax.numpy as jnp
import numpy as np

from ..registry import operator
from ..tensors import to_dtype
from .values import axes_in, axis_in, cast, ints, is_float, namespace, same_dtype, to_jax


@operator("Shape")
def shape_of(x, *, start: int = 0, end: int | None = None):
    """The shape, always known while tracing."""
    return np.asarray(np.shape(x)[start:end], np.int64)


@operator("Size")
def size_of(x):
    """The number of elements, always known."""
    return np.asarray(math.prod(np.shape(x)), np.int64)


@operator("Identity")
def identity(x):
    """x."""
    return x


@operator("Reshape", static=["shape"])
def reshape(x, shape, *, allowzero: int = 0):
    """x in a shape; -1 is what is left, 0 the same size as before."""
    sizes = ints(shape)
    if not allowzero:
        sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return x.reshape(tuple(sizes))


@operator("Flatten")
def flatten(x, *, axis: int = 1):
    """The axes before `axis`, and those from it on, as one each."""
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("Squeeze")
def squeeze_by_attribute(x, *, axes=None):
    """Axes of size one removed: the given, or all."""
    return squeeze(x, axes)


@operator("Squeeze", since=13, static=["axes"])
def squeeze(x, axes=None):
    """Axes of size one removed: the given, or all."""
    return namespace(x).squeeze(x, axis=None if axes is None else axes_in(axes, x.ndim))


@operator("Unsqueeze")
def unsqueeze_by_attribute(x, *, axes):
    """Axes of size one put in, at these places of the result."""
    return unsqueeze(x, axes)


@operator("Unsqueeze", since=13, static=["axes"])
def unsqueeze(x, axes):
    """Axes of size one put in, at these places of the result."""
    return namespace(x).expand_dims(x, axes_in(axes, x.ndim + np.size(axes)))


@operator("Transpose")
def transpose(x, *, perm=None):
    """Axes in another order, or all reversed."""
    return namespace(x).transpose(x, perm)


@operator("Expand", static=["shape"])
def expand(x, shape):
    """x broadcast with a shape."""
    return namespace(x).broadcast_to(x, np.broadcast_shapes(x.shape, ints(shape)))


@operator("Tile", static=["repeats"])
def tile(x, repeats):
    """x repeated along each axis."""
    return namespace(x).tile(x, ints(repeats))


def _concat_last(*xs, axis: int):
    return concat(*xs, axis=(0, 3, 1, 2)[axis])


@operator("Concat", last=_concat_last, of_all=True)
def concat(*xs, axis: int):
    """Values joined along an axis."""
    xs = same_dtype(*xs)
    return namespace(*xs).concatenate(xs, axis=axis)


@operator("Split")
def split_by_attribute(x, *, axis: int = 0, split=None, n_outputs: int):
    """x cut along an axis: at the given sizes, or in equal parts."""
    return split_to(x, split, axis=axis, n_outputs=n_outputs)


@operator("Split", since=13, static=["split"])
def split_to(
    x, split=None, *, axis: int = 0, num_outputs: int | None = None, n_outputs: int
):
    """x cut along an axis: at the given sizes, or in equal parts, the last one smaller."""
    axis, parts = axis_in(axis, x.ndim), num_outputs or n_outputs
    if split is None:
        size = -(-x.shape[axis] // parts)
        split = [size] * (parts - 1) + [x.shape[axis] - size * (parts - 1)]
    if sum(sizes := ints(split)) != x.shape[axis]:
        raise ValueError(f"parts of sizes {sizes} do not make axis {axis} of {x.shape}")
    return namespace(x).split(x, np.cumsum(sizes)[:-1].tolist(), axis=axis)


@operator("Cast")
def cast_to(x, *, to: int, saturate: int = 1, round_mode: str = "up"):
    """x in another dtype."""
    return _cast(x, to_dtype(to), saturate)


@operator("CastLike")
def cast_like(x, other, *, saturate: int = 1, round_mode: str = "up"):
    """x in the dtype of another value."""
    return _cast(x, other.dtype, saturate)


def _cast(x, dtype, saturate):
    if is_float(x) and dtype.name == "float8_e8m0fnu":
        raise ValueError("casts of floats to float8_e8m0 are not supported")
    if is_float(x) and dtype.name.startswith("float8") and saturate:
        top = jnp.finfo(dtype).max.astype(np.float32)
        x = jnp.clip(to_jax(x).astype(jnp.float32), -top, top)  # NaN stays
    if is_float(x) and dtype.name in ("int4", "uint4", "int2", "uint2"):
        x = cast(x, np.int32)  # whose lowest bits are kept
    return cast(x, dtype)


@operator("DepthToSpace")
def depth_to_space(x, *, blocksize: int, mode: str = "DCR"):
    """Channels moved into blocks of pixels: (n, c b b, h, w) to (n, c, h b, w b)."""
    n, c, h, w = x.shape
    b, depth = blocksize, c // blocksize**2
    if mode == "DCR":
        x = x.reshape(n, b, b, depth, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        x = x.reshape(n, depth, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(n, depth, h * b, w * b)


@operator("SpaceToDepth")
def space_to_depth(x, *, blocksize: int, mode: str = "DCR"):
    """Blocks of pixels moved into channels: (n, c, h b, w b) to (n, c b b, h, w)."""
    n, c, h, w = x.shape
    b = blocksize
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    x = x.reshape(n, c, h // b, b, w // b, b).transpose(order)
    return x.reshape(n, c * b * b, h // b, w // b)
