"""Rates and the dtypes of what is scored and counted."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..core.types import Numeric


def at_least_float32(x: Float[Numeric, "*n"]) -> Float[Array, "*n"]:
    """`x` as it is, or half precision widened: sums and ties need the digits."""
    x = jnp.asarray(x)
    return x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x


def home(*arrays) -> Any:
    """NumPy, where float64 is at hand, if all `arrays` are concrete; else `jax.numpy`."""
    return jnp if any(isinstance(x, Tracer) for x in arrays) else np


def ratio(k, n):
    """`k / n` of counts: float64 NumPy, or float32 if they are traced; 0 / 0 is NaN.

    The axes of `n` are the first of `k`.
    """
    xp = home(k, n)
    k, n = xp.asarray(k), xp.asarray(n)
    with np.errstate(invalid="ignore"):
        return xp.asarray(k / n.reshape(n.shape + (1,) * (k.ndim - n.ndim)))
