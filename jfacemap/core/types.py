"""What the public functions take for an array."""

import jax
import numpy as np


Numeric = jax.Array | np.ndarray
"""A JAX or a NumPy array."""
