"""What the public functions take for an array."""

from typing import Any

import jax
import numpy as np


Numeric = jax.Array | np.ndarray
"""A JAX or a NumPy array."""


def as_array(x) -> Any:
    """`x` if it is an array or None; lists, tuples and series as NumPy arrays."""
    known = x is None or isinstance(x, jax.Array | np.ndarray)
    return x if known else np.asarray(x)
