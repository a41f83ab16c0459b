"""Integers as strings of bits."""

import jax
import jax.numpy as jnp
import numpy as np

from ..registry import operator
from ..tensors import to_dtype
from .values import canonicalize_dtype, match, namespace, to_jax


def _of_two(name: str):
    def apply(a, b):
        a, b = match(a, b)
        return getattr(namespace(a, b), name)(a, b)

    return apply


for op in ("And", "Or", "Xor"):
    operator(f"Bitwise{op}")(_of_two(f"bitwise_{op.lower()}"))


@operator("BitwiseNot")
def invert(x):
    """Every bit turned over."""
    return namespace(x).invert(x)


@operator("BitShift")
def shift(a, b, *, direction: str):
    """The bits of a moved b places; zeros come in, but from the left the sign's."""
    a, b = jnp.broadcast_arrays(*match(to_jax(a), to_jax(b)))
    if direction == "LEFT":
        return jax.lax.shift_left(a, b)
    signed = jnp.issubdtype(a.dtype, jnp.signedinteger)
    return (jax.lax.shift_right_arithmetic if signed else jax.lax.shift_right_logical)(a, b)


@operator("BitCast")
def bit_cast(x, *, to: int):
    """The same bits read as another dtype of the same width."""
    x = to_jax(x)
    x = x.astype(jnp.uint8) if x.dtype == np.bool_ else x
    dtype = canonicalize_dtype(to_dtype(to))
    if dtype == np.bool_:
        return x != np.zeros((), x.dtype)
    return jax.lax.bitcast_convert_type(x, dtype)
