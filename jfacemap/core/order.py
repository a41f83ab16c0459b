"""Extremes and their positions: what `jnp.max` and `argmin` say, where they do not."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def largest(x: Float[Array, "..."], axis: int, *, keepdims: bool = False) -> Array:
    """The largest along an axis, and NaN where there is one.

    What `jnp.max` says. On a CPU it passes NaN over, in arrays of some thousand numbers
    (XLA of JAX 0.10; it may then also miss the largest).
    """
    unknown = jnp.any(jnp.isnan(x), axis=axis, keepdims=keepdims)
    x = jnp.where(jnp.isnan(x), -jnp.inf, x)
    return jnp.where(unknown, jnp.nan, jnp.max(x, axis=axis, keepdims=keepdims))


def first_least(x: Float[Array, "*n k"]) -> Int[Array, "*n"]:
    """Position of the least value along the last axis, of equals the first; k if NaN.

    What `argmin` says. It does not lower for float64 arrays where x64 is off outside.
    """
    k = x.shape[-1]
    is_least = x == jnp.min(x, axis=-1, keepdims=True)
    position = jnp.arange(k, dtype=jnp.int32).reshape((1,) * (x.ndim - 1) + (k,))
    return jnp.min(jnp.where(is_least, position, k), axis=-1)
