"""Where four rules put the threshold for a target false accept rate.

Each takes keys (`Pairs.genuine`, `Pairs.impostor`) and the most false accepts within
each target, and returns one floor a target, or two to choose from: accepted is a key at
or above its floor. Of two the first is within the target, the second beyond it.
"""

import jax
import jax.numpy as jnp

from ..core.mesh import shard_max
from .roc import ranked
from .selection import by_lanes, kth_largest


@by_lanes
def strict(keys, limits):
    """Just above the impostor that would be one too many."""
    return _bar(keys, limits)[None] + 1


@by_lanes
def nearest(keys, limits):
    """The strict floor, and the loosest one at the next false accept rate."""
    bar = _bar(keys, limits)
    return jnp.stack([bar, _next_below(keys, bar)]) + 1


@by_lanes
def interpolate(keys, limits):
    """The strict floor, and the tightest one at the next false accept rate."""
    bar = _bar(keys, limits)
    return jnp.stack([bar + 1, jnp.maximum(bar, 1)])


def insightface(keys, limits):
    """As `nearest`, among the points that scikit-learn's `roc_curve` keeps.

    With `drop_intermediate=True` it drops a point, not the first or last, if the tie
    group that ends there is as large in both classes as the next one: the second
    differences of both counts are zero.
    """
    key, counts = ranked(*keys)
    change, edge = key[1:] != key[:-1], jnp.ones(1, bool)
    start, end = jnp.concatenate([edge, change]), jnp.concatenate([change, edge])
    shift = lambda x: jnp.pad(x[:, :-1], ((0, 0), (1, 0)))
    before = jax.lax.cummax(jnp.where(start[None], shift(counts), 0), axis=1)
    at_end = jnp.where(end[None], counts, counts[:, -1:])
    after = jax.lax.cummin(at_end, axis=1, reverse=True)
    after = jnp.concatenate([after[:, 1:], after[:, -1:]], axis=1)
    corner = jnp.any(after - counts != counts - before, axis=0)
    first = key == key[0]
    last = jnp.concatenate([key[1:] == 0, edge])
    kept = (end & (key > 0) & (first | corner | last))[None]

    accepts, limits = counts[1][None], limits[:, None]
    nothing = ~jnp.zeros((), key.dtype)
    loosest = lambda which: jnp.min(jnp.where(which, key[None], nothing), axis=1)
    beyond = kept & (accepts > limits)
    fewest = jnp.min(jnp.where(beyond, accepts, jnp.iinfo(jnp.int32).max), axis=1)
    within = loosest(kept & (accepts <= limits))
    further = loosest(beyond & (accepts == fewest[:, None]))
    return jnp.stack([within, jnp.where(jnp.any(beyond, axis=1), further, within)])


def _bar(keys, limits):
    return kth_largest(keys[1], limits)


def _next_below(keys, bar):
    impostor = keys[1][None]
    below = jnp.where(impostor < bar[:, None, None], impostor, 0)
    return shard_max(jnp.max(below, axis=(1, 2)))


rules = {f.__name__: f for f in (strict, nearest, insightface, interpolate)}


def check_rule(rule: str) -> None:
    """Raise `ValueError` unless this names a rule."""
    if rule not in rules:
        raise ValueError(f"rule is one of {', '.join(rules)}; got {rule!r}.")
