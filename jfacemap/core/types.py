"""What the public functions take for an array."""

from typing import Any

import jax
import numpy as np

from .mesh import on_automatic_axes


Numeric = jax.Array | np.ndarray
"""A JAX or a NumPy array."""


def as_array(x) -> Any:
    """`x` if it is an array or None; lists, tuples and series as NumPy arrays.

    Rows along explicit axes of a mesh come out along automatic ones.
    """
    if isinstance(x, jax.Array):
        return on_automatic_axes(x)
    return x if x is None or isinstance(x, np.ndarray) else np.asarray(x)
