"""Normalised exponentials along an axis."""

import math

import jax
import jax.numpy as jnp

from ..registry import operator
from .values import axis_in, to_jax


def _hardmax(x, axis):
    return jax.nn.one_hot(jnp.argmax(x, axis), x.shape[axis], dtype=x.dtype, axis=axis)


def along(f):
    """From opset 13 on, f along one axis."""
    return lambda x, *, axis=-1: f(to_jax(x), axis=axis_in(axis, x.ndim))


def of_rows(f):
    """Before opset 13 all axes from `axis` on count as one."""

    def apply(x, *, axis=1):
        axis = axis % x.ndim if axis < x.ndim else x.ndim
        rows = to_jax(x).reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
        return f(rows, axis=1).reshape(x.shape)

    return apply


functions = {
    "Softmax": jax.nn.softmax,
    "LogSoftmax": jax.nn.log_softmax,
    "Hardmax": _hardmax,
}

for op, f in functions.items():
    operator(op)(of_rows(f))
    operator(op, since=13)(along(f))
