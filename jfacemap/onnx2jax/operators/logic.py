"""Comparisons, and logic on truth values."""

import jax.numpy as jnp
import numpy as np

from ..registry import operator
from .values import match, namespace


binary = {
    "And": "logical_and",
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "Or": "logical_or",
    "Xor": "logical_xor",
}


def _of_two(name: str):
    def apply(a, b):
        a, b = match(a, b)
        return getattr(namespace(a, b), name)(a, b)

    return apply


for op, name in binary.items():
    operator(op)(_of_two(name))


@operator("Not")
def negate(x):
    """True where x is not."""
    return namespace(x).logical_not(x)


@operator("Where")
def where(condition, a, b):
    """a where the condition holds, else b."""
    a, b = match(a, b)
    ndim = max(np.ndim(condition), a.ndim)
    fill = lambda x: x.reshape((1,) * (ndim - x.ndim) + x.shape)
    return namespace(condition, a, b).where(fill(condition), fill(a), fill(b))


@operator("IsNaN")
def is_nan(x):
    """True where x is not a number."""
    return namespace(x).isnan(x)


@operator("IsInf")
def is_inf(x, *, detect_negative: int = 1, detect_positive: int = 1):
    """True where x is infinite, of the signs asked for."""
    infinite = jnp.isinf(x)
    if not detect_negative:
        infinite &= x > 0
    return infinite if detect_positive else infinite & (x < 0)
