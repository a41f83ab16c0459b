"""Positions of extremes, also inside the scope of `in_float64`."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def first_least(x: Float[Array, "*n k"]) -> Int[Array, "*n"]:
    """Position of the least value along the last axis, of equals the first; k if NaN.

    What `argmin` says. It does not lower for float64 arrays where x64 is off outside.
    """
    k = x.shape[-1]
    is_least = x == jnp.min(x, axis=-1, keepdims=True)
    position = jnp.arange(k, dtype=jnp.int32).reshape((1,) * (x.ndim - 1) + (k,))
    return jnp.min(jnp.where(is_least, position, k), axis=-1)
