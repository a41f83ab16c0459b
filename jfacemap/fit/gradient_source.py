"""Gradient fits of rows that need not fit in memory, driven from the host."""

import itertools
from collections.abc import Callable, Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..core.maps import AbstractMap
from ..core.moments import check_signs
from ..core.rows import as_rows, RowSource
from ..core.same_images import check_same_images
from .descent import begin, Data, descend, miss
from .gradient import as_data, as_judge, as_start, check_labels, GradientFit


buffer_rows = 2**16
"""Rows in memory at a time, from which batches are drawn."""


def fit_source(
    key,
    x,
    y,
    init: AbstractMap,
    loss: Callable,
    optimizer,
    steps: int,
    batch_size: int | None,
    weights,
    labels,
    held_out: tuple | None,
    patience: int | None,
) -> GradientFit:
    """`fit_gradient` of row sources: as many steps in each buffer as it has batches.

    By weight, as batches of all rows would be drawn: a buffer of twice the mean weight has
    twice the steps, one of none is passed over, any other has at least one. Held-out pairs
    are looked at after each buffer. Pairs of buffers and steps are the same each time, so
    that a fit is of its key alone.
    """
    x, y = as_rows(x), as_rows(y)
    if x.shape[0] != y.shape[0] or not x.shape[0]:
        raise ValueError(f"Rows must pair up: x has shape {x.shape} and y {y.shape}.")
    check_same_images({"x": x, "y": y})
    weights = _check_weights(weights, x.shape[0])
    check_labels(labels, x.shape[0])
    if batch_size is None:
        raise ValueError("Rows of a source are read a part at a time: pass batch_size=.")
    judge = as_judge(held_out, init)
    mean_weight = 1.0 if weights is None else np.mean(weights, dtype=float)
    state, losses, seen = None, [], []
    best, least, best_at, waited, done = init, np.inf, 0, 0, 0
    look = eqx.filter_jit(miss)
    for i, data in enumerate(_buffers(x, y, weights, labels)):
        if state is None:
            init = as_start(init, data)
            best, state = init, begin(init, optimizer)
            if judge is not None:
                least = float(look(init, judge, loss))
                seen.append(least)
        count = min(_steps_of(data, mean_weight, batch_size), steps - done)
        if not count:
            continue
        keys = jax.random.split(jax.random.fold_in(key, i), count)
        state, new = _descend(keys, state, data, loss, optimizer, batch_size)
        losses.append(np.asarray(new))
        done += count
        if judge is not None:
            seen.append(float(look(state.map, judge, loss)))
            waited += 1
            if seen[-1] < least:
                best, least, best_at, waited = state.map, seen[-1], done, 0
        else:
            best, best_at = state.map, done
        if done == steps or (patience is not None and waited >= patience):
            break
    trace = np.concatenate([*losses, np.full(steps - done, np.nan)])
    checks = None if judge is None else jnp.asarray(seen, judge.x.dtype)
    dtype = jax.tree.leaves(best)[0].dtype
    at = jnp.asarray(best_at, jnp.int32)
    return GradientFit(best, jnp.asarray(trace, dtype), checks, at)


def _check_weights(weights, n: int) -> np.ndarray | None:
    """Those of all n rows on the host, before any is read; `ValueError` as of arrays."""
    if weights is None:
        return None
    weights = np.asarray(weights)
    if weights.shape != (n,):
        raise ValueError(f"weights must be ({n},) for {n} rows, got {weights.shape}.")
    check_signs(weights)
    if not weights.any():
        raise ValueError("There is no row to fit: weights of 0 leave none.")
    return weights


def _steps_of(data: Data, mean_weight: float, batch_size: int) -> int:
    """Batches of a buffer, whose rows count by their weight."""
    if data.weights is None:
        return max(1, len(data.x) // batch_size)
    mass = np.sum(np.asarray(data.weights), dtype=float) / mean_weight
    # Float32 weights that are all equal add up to whole rows but for rounding.
    return max(1, int(mass + 1e-3) // batch_size) if mass > 0 else 0


_descend = eqx.filter_jit(descend)


def _buffers(x: RowSource, y: RowSource, weights, labels) -> Iterator[Data]:
    """Aligned parts of the rows, over and over."""
    for _ in itertools.count():
        start = 0
        both = zip(x.batches(buffer_rows), y.batches(buffer_rows), strict=True)
        for rows_x, rows_y in both:
            part = slice(start, start + len(rows_x))
            own = lambda a, part=part: None if a is None else np.asarray(a)[part]
            yield as_data(rows_x, rows_y, own(weights), own(labels))
            start = part.stop
