"""Quantised networks: 8-bit integers that stand for scale * (q - zero point).

Products of integers are summed in int32; what comes back is rounded to even and saturated,
as ONNX wants it.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..registry import operator
from ..tensors import to_dtype
from .conv import convolution
from .values import axis_in, to_jax


def _spread(v, x, axis: int, block_size: int):
    """A scale or zero point in the rank of x: of all, of an axis, or of blocks along it."""
    v = to_jax(v)
    if v.size == 1:
        return v.reshape((1,) * x.ndim)
    if v.ndim == 1 and not block_size:
        axis = axis_in(axis, x.ndim)
        return v.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    axis = axis_in(axis, x.ndim)
    return jnp.repeat(v, block_size, axis=axis)[
        tuple(slice(n) if i == axis else slice(None) for i, n in enumerate(x.shape))
    ]


def _to_integers(y, dtype):
    info = jnp.iinfo(dtype)
    return jnp.clip(jnp.round(y), float(info.min), float(info.max)).astype(dtype)


@operator("QuantizeLinear")
def quantize(
    x,
    scale,
    zero_point=None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
):
    """round(x / scale) + zero point, saturated."""
    dtype = to_dtype(output_dtype) if output_dtype else np.dtype(np.uint8)
    if zero_point is not None:
        dtype = zero_point.dtype
    x = to_jax(x)
    y = x.astype(jnp.float32) / _spread(scale, x, axis, block_size).astype(jnp.float32)
    if jnp.issubdtype(dtype, jnp.floating):
        if saturate:
            y = jnp.clip(y, -float(jnp.finfo(dtype).max), float(jnp.finfo(dtype).max))
        return y.astype(dtype)
    y = jnp.round(y)
    if zero_point is not None:
        y = y + _spread(zero_point, x, axis, block_size).astype(jnp.float32)
    return _to_integers(y, dtype)


@operator("DequantizeLinear")
def dequantize(
    x, scale, zero_point=None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0
):
    """scale * (x - zero point), in the dtype of the scale."""
    x, scale = to_jax(x), to_jax(scale)
    dtype = to_dtype(output_dtype) if output_dtype else scale.dtype
    y = x.astype(jnp.float32)
    if zero_point is not None:
        y = y - _spread(zero_point, x, axis, block_size).astype(jnp.float32)
    return (y * _spread(scale, x, axis, block_size).astype(jnp.float32)).astype(dtype)


@operator("DynamicQuantizeLinear")
def dynamic_quantize(x):
    """x in uint8 over its own range, with the scale and the zero point."""
    x = to_jax(x)
    lowest, highest = jnp.minimum(jnp.min(x), 0), jnp.maximum(jnp.max(x), 0)
    scale = (highest - lowest) / 255
    safe = jnp.where(scale == 0, 1, scale)
    zero = _to_integers(-lowest / safe, jnp.uint8)
    y = jnp.round(x / safe) + zero.astype(x.dtype)
    return [_to_integers(y, jnp.uint8), scale, zero]


def _centred(x, zero_point, axis: int):
    x = to_jax(x).astype(jnp.int32)
    if zero_point is None:
        return x
    return x - rows_of(zero_point, x, axis).astype(jnp.int32)


def rows_of(v, x, axis: int):
    """A number, a vector along an axis, or an array that broadcasts already."""
    v = to_jax(v)
    if v.size == 1:
        return v.reshape((1,) * x.ndim)
    if v.ndim != 1:
        return v
    return v.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


@operator("MatMulInteger")
def matmul_integer(a, b, a_zero_point=None, b_zero_point=None):
    """(a - its zero point) @ (b - its zero point), in int32."""
    a, b = _centred(a, a_zero_point, -2), _centred(b, b_zero_point, -1)
    return jnp.matmul(a, b, preferred_element_type=jnp.int32)


@operator("ConvInteger")
def conv_integer(
    x,
    w,
    x_zero_point=None,
    w_zero_point=None,
    *,
    auto_pad: str = "NOTSET",
    dilations=None,
    group: int = 1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    """`convolution` of integers less their zero points, in int32."""
    x, w = _centred(x, x_zero_point, 1), _centred(w, w_zero_point, 0)
    geometry: dict[str, Any] = dict(
        auto_pad=auto_pad, dilations=dilations, group=group, pads=pads
    )
    return convolution(x, w, strides=strides, **geometry)


@operator("QLinearMatMul")
def qlinear_matmul(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero):
    """The product of two quantised matrices, quantised."""
    total = matmul_integer(a, b, a_zero, b_zero).astype(jnp.float32)
    a, b = rows_of(a_scale, total, -2), rows_of(b_scale, total, -1)
    return requantize(total, a, b, rows_of(y_scale, total, -2), rows_of(y_zero, total, -2))


@operator("QLinearConv")
def qlinear_conv(
    x,
    x_scale,
    x_zero,
    w,
    w_scale,
    w_zero,
    y_scale,
    y_zero,
    b=None,
    *,
    auto_pad: str = "NOTSET",
    dilations=None,
    group: int = 1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    """The convolution of a quantised image, quantised; the bias counts in int32."""
    geometry: dict[str, Any] = dict(
        auto_pad=auto_pad, dilations=dilations, group=group, pads=pads
    )
    total: Any = conv_integer(x, w, x_zero, w_zero, strides=strides, **geometry)
    if b is not None:
        total = total + rows_of(b, total, 1).astype(jnp.int32)
    a, b, y = (rows_of(s, total, 1) for s in (x_scale, w_scale, y_scale))
    return requantize(total.astype(jnp.float32), a, b, y, rows_of(y_zero, total, 1))


def requantize(total, a_scale, b_scale, y_scale, y_zero):
    """A sum of products of integers, as integers of the scale and zero point of y."""
    a, b, y = (s.astype(jnp.float32) for s in (a_scale, b_scale, y_scale))
    out = jnp.round(total * (a * b / y)) + y_zero.astype(jnp.float32)
    return _to_integers(out, y_zero.dtype)
