"""Gradient fits of rows that need not fit in memory, driven from the host."""

import dataclasses
from collections.abc import Callable, Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..core.maps import AbstractMap
from .buffers import as_source, buffers, Source
from .descent import begin, Data, descend, miss
from .gradient import (
    as_data,
    as_judge,
    as_start,
    check_checks,
    check_mask,
    check_used,
    GradientFit,
)


def fit_source(
    key,
    x,
    y,
    weights,
    labels,
    held_out,
    init: AbstractMap,
    loss: Callable,
    optimizer,
    steps: int,
    batch_size: int | None,
    check_every: int,
    patience: int | None,
) -> GradientFit:
    """`fit_gradient` of row sources: as many steps in each buffer as it has batches.

    By weight, as batches of all rows would be drawn: a buffer of twice the mean weight has
    twice the steps, one of none is passed over, any other has at least one. Keys and checks
    are those of arrays, so that one buffer gives the same fit.
    """
    source = as_source(x, y, weights, labels, batch_size)
    source, judge = _part(source, held_out, init)
    check_checks(judge, steps, check_every)
    keys, losses = jax.random.split(key, steps), np.full(steps, np.nan)
    # The last run takes as many as the others: what pads it is not used.
    keys = keys[np.arange(steps + check_every, dtype=np.int32) % steps]
    look, state, seen = eqx.filter_jit(miss), None, []
    best, least, best_at = init, np.nan, 0
    for data, done, count in _runs(buffers(source, batch_size), steps, check_every):
        if state is None:
            best = init = as_start(init, data)
            state = begin(init, optimizer)
            if judge is not None:
                least = float(look(init, judge, loss))
                seen.append(least)
        own = jax.lax.dynamic_slice_in_dim(keys, np.int32(done), check_every)
        number = jnp.asarray(count, jnp.int32)
        state, new = _descend(own, state, data, loss, optimizer, batch_size, number)
        losses[done : done + count] = np.asarray(new)[:count]
        done += count
        if judge is None:
            best, best_at = state.map, done
        elif done % check_every == 0:
            seen.append(float(look(state.map, judge, loss)))
            if seen[-1] < least:
                best, least, best_at = state.map, seen[-1], done
            if patience is not None and done - best_at >= patience * check_every:
                break
    dtype = jax.tree.leaves(best)[0].dtype
    trace = None
    if judge is not None:
        left = steps // check_every + 1 - len(seen)
        trace = jnp.asarray(seen + [np.nan] * left, judge.x.dtype)
    at = jnp.asarray(best_at, jnp.int32)
    return GradientFit(best, jnp.asarray(losses, dtype), trace, at)


_descend = eqx.filter_jit(descend)


def _part(source: Source, held_out, init) -> tuple[Source, Data | None]:
    """Rows to fit on, and the pairs to look at: of a mask, those are gathered in memory."""
    if held_out is None or isinstance(held_out, tuple):
        return source, as_judge(held_out, init)
    n = source.x.shape[0]
    check_mask(held_out, n)
    held = np.asarray(held_out, bool)
    w = np.ones(n, np.float32) if source.weights is None else source.weights
    left = np.where(held, 0, w)
    if not left.any():
        raise ValueError("There is no row to fit: held_out and weights of 0 leave none.")
    looked = dataclasses.replace(source, weights=np.where(held, w, 0))
    kept = [_of_weight(part) for part in looked.parts()]
    columns = zip(*kept, strict=True)
    judge = as_data(*(None if c[0] is None else np.concatenate(c) for c in columns))
    as_start(init, judge)
    check_used(judge, "look at: held_out has none of any weight")
    return dataclasses.replace(source, weights=left), judge


def _of_weight(part):
    used = part[2] != 0
    return tuple(None if a is None else a[used] for a in part)


def _runs(parts, steps: int, most: int) -> Iterator[tuple[Data, int, int]]:
    """Buffers, the steps done before, and those to do up to a multiple of `most`."""
    done = 0
    for data, batches in parts:
        stop = min(done + batches, steps)
        while done < stop:
            count = min(stop, done - done % most + most) - done
            yield data, done, count
            done += count
        if done == steps:
            return
