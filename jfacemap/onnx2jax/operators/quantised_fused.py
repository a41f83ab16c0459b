"""Quantised operators of `com.microsoft`: what onnxruntime's quantiser writes.

Inputs come with scale and zero point each, and the output's are given: what stands between
is computed in float32, products of matrices in int32.
"""

import functools as ft

import jax.numpy as jnp
import numpy as np

from ..registry import operator
from .activation import leaky_relu, sigmoid
from .pool import global_average_pool
from .quantised import dequantize, matmul_integer, quantize, requantize, rows_of
from .values import match, to_jax


enter = ft.partial(operator, domain="com.microsoft")


def _quantize_like(x, y, scale, zero):
    """y in the integers of x."""
    zero = np.zeros((), x.dtype) if zero is None else zero
    return quantize(y, scale, zero)


def _of_two(f):
    def apply(a, a_scale, a_zero, b, b_scale, b_zero, scale, zero=None):
        values = dequantize(a, a_scale, a_zero), dequantize(b, b_scale, b_zero)
        return _quantize_like(a, f(*match(*values)), scale, zero)

    return apply


enter("QLinearAdd")(_of_two(jnp.add))
enter("QLinearMul")(_of_two(jnp.multiply))


@enter("QLinearSigmoid")
def qlinear_sigmoid(x, x_scale, x_zero, scale, zero=None):
    """The logistic function of a quantised value, quantised."""
    return _quantize_like(x, sigmoid(dequantize(x, x_scale, x_zero)), scale, zero)


@enter("QLinearLeakyRelu")
def qlinear_leaky_relu(x, x_scale, x_zero, scale, zero=None, *, alpha: float = 0.01):
    """`leaky_relu` of a quantised value, quantised."""
    y = leaky_relu(dequantize(x, x_scale, x_zero), alpha=alpha)
    return _quantize_like(x, y, scale, zero)


@enter("QLinearGlobalAveragePool")
def qlinear_global_average_pool(
    x, x_scale, x_zero, scale, zero=None, *, channels_last: int = 0
):
    """The mean of each channel of a quantised image, quantised."""
    y = dequantize(x, x_scale, x_zero)
    if channels_last:
        y = jnp.mean(y, axis=tuple(range(1, x.ndim - 1)), keepdims=True)
    else:
        y = global_average_pool(y)
    return _quantize_like(x, y, scale, zero)


@enter("QLinearConcat")
def qlinear_concat(scale, zero, *parts, axis: int):
    """Quantised values joined: `parts` are each one, its scale and its zero point."""
    triples = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return quantize(jnp.concatenate([dequantize(*t) for t in triples], axis), scale, zero)


@enter("QGemm")
def qgemm(
    a,
    a_scale,
    a_zero,
    b,
    b_scale,
    b_zero,
    c=None,
    scale=None,
    zero=None,
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
):
    """alpha a b + c with c in the int32 of products; float32 if no scale is given."""
    a, b = (to_jax(a).T if transA else a), (to_jax(b).T if transB else b)
    total = matmul_integer(a, b, a_zero, b_zero)
    if c is not None:
        total = jnp.add(*match(total, to_jax(c)))
    total = total.astype(jnp.float32) * np.float32(alpha)
    by_row, by_column = rows_of(a_scale, total, -2), rows_of(b_scale, total, -1)
    if scale is None:
        return total * (by_row * by_column)
    zero = np.zeros((), np.uint8) if zero is None else zero
    return requantize(
        total, by_row, by_column, rows_of(scale, total, -2), rows_of(zero, total, -2)
    )
