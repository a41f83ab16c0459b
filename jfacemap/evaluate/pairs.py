"""Scored pairs as the rules see them: a key for each class, and how many there are."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int, UInt

from ..core.mesh import shard_sum
from ..core.types import as_array
from .selection import sortable


class Pairs(eqx.Module):
    """Keys of scores: 0 where the pair is not of the class or its score is NaN."""

    genuine: UInt[Array, " n"]
    impostor: UInt[Array, " n"]
    n_genuine: Int[Array, ""]
    n_impostor: Int[Array, ""]
    n_nan: Int[Array, ""]


def read_pairs(scores, genuine, valid) -> Pairs:
    """Keys and counts of flattened pairs; those not `valid` are in no class."""
    key, is_genuine = sortable(scores).ravel(), jnp.asarray(genuine).ravel()
    valid = jnp.ones(key.shape, bool) if valid is None else jnp.asarray(valid).ravel()
    count = lambda which: shard_sum(jnp.sum(which, dtype=jnp.int32))
    keep = lambda which: jnp.where(which, key, jnp.zeros_like(key))
    is_genuine, is_impostor = valid & is_genuine, valid & ~is_genuine
    return Pairs(
        genuine=keep(is_genuine),
        impostor=keep(is_impostor),
        n_genuine=count(is_genuine),
        n_impostor=count(is_impostor),
        n_nan=count(valid & (key == 0)),
    )


def as_pairs(scores, genuine, valid):
    """Arrays of scores and of a flag for each; `ValueError` where shapes differ."""
    scores, genuine, valid = map(as_array, (scores, genuine, valid))
    genuine = genuine.astype(bool)
    valid = None if valid is None else valid.astype(bool)
    shapes = [x.shape for x in (scores, genuine, valid) if x is not None]
    if len(set(shapes)) > 1:
        raise ValueError(
            "Scores and the flags of their pairs have one shape; got "
            f"{', '.join(map(str, shapes))}. All scores are one table: for several use "
            "jfm.table_tar, or jax.vmap over the scores."
        )
    if not scores.size:
        raise ValueError("There are no scores.")
    return scores, genuine, valid


def at_precision_of(f, scores, *args, **options):
    """`f(scores, ...)`, with all digits of float64 NumPy scores, so that ties are true.

    Then results are NumPy too: without the x64 flag JAX would round them on first use.
    """
    if not isinstance(scores, np.ndarray) or scores.dtype != np.float64:
        return f(scores, *args, **options)
    with jax.enable_x64(True):
        results = f(scores, *args, **options)
    keep = lambda x: x if isinstance(x, Tracer) else np.asarray(x)
    return jax.tree.map(keep, results)
