"""Decompositions on a CPU, one a core where LAPACK leaves the cores to us."""

import os

import jax
import jax.numpy as jnp
from jaxtyping import Array


def map_side_by_side(f, xs: Array) -> Array:
    """`f` of each entry of `xs`, as `lax.map` gives it.

    OpenBLAS's threads wait for each other, and spin, when two calls come at a time. With
    `OPENBLAS_NUM_THREADS=1` in the environment as many entries as there are cores are
    written out in each step, which XLA runs at once; otherwise they follow each other.
    """
    alone = os.environ.get("OPENBLAS_NUM_THREADS") != "1"
    width = 1 if alone else os.cpu_count() or 1
    some = lambda entries: jnp.stack([f(x) for x in entries])
    steps, rest = divmod(xs.shape[0], width)
    if steps < 2:
        return some(xs)
    whole = xs[: steps * width].reshape(steps, width, *xs.shape[1:])
    done = jax.lax.map(some, whole).reshape(-1, *jax.eval_shape(f, xs[0]).shape)
    return jnp.concatenate([done, some(xs[-rest:])]) if rest else done
