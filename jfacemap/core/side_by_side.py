"""Decompositions on a CPU, one a core where LAPACK leaves the cores to us."""

import os

import jax
import jax.numpy as jnp
from jaxtyping import Array


def map_side_by_side(f, xs: Array) -> Array:
    """`f` of each entry of `xs`, as `lax.map` gives it.

    OpenBLAS's threads wait for each other, and spin, when two calls come at a time. With
    `OPENBLAS_NUM_THREADS=1` in the environment the entries are written out one by one, so
    that XLA runs those it has threads for at once; otherwise they follow each other.
    """
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1" or xs.shape[0] == 1:
        return jnp.stack([f(x) for x in xs])
    return jax.lax.map(f, xs)
