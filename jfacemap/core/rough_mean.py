"""A mean of a few rows, about which sums over all of them do not cancel."""

import jax
import jax.numpy as jnp

from .mesh import each_shard, shard_sum
from .precision import widen


few = 256
"""Rows that a rough mean is taken of."""


def rough_mean(blocks, weights, dtype):
    """The mean of some 256 rows, spread over all by weight: rows without it are not met.

    It cancels in what is found of it, so it has no derivative.
    """

    def sums(rows):
        blocks, weights = rows
        if weights is None or not weights.shape[0]:
            stride = max(1, blocks[0].shape[0] // few)
            some = jnp.concatenate([widen(b[::stride], dtype) for b in blocks], axis=1)
            return shard_sum((jnp.sum(some, axis=0), jnp.asarray(some.shape[0], dtype)))
        at, mass = _spread_by_weight(weights.astype(dtype))
        some = jnp.concatenate([widen(b[at], dtype) for b in blocks], axis=1)
        used = weights[at, None] != 0  # rounding may step beside a row
        number = jnp.sum(used, dtype=dtype)
        mean = jnp.sum(jnp.where(used, some, 0), axis=0) / jnp.maximum(number, 1)
        mass = jnp.where(number > 0, mass, 0)
        return shard_sum((mass * mean, mass))

    some, number = jax.lax.stop_gradient(each_shard(sums, (blocks, weights)))
    return some / jnp.where(number > 0, number, 1)


def _spread_by_weight(weights):
    """Rows at which the running sum of weights passes equal steps, and the whole sum."""
    running = jnp.cumsum(weights)
    steps = (jnp.arange(few, dtype=weights.dtype) + 0.5) / few
    at = jnp.searchsorted(running, steps * running[-1], side="right")
    return jnp.minimum(at, weights.shape[0] - 1), running[-1]
