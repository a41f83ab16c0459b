r"""Maps fitted by gradient: any loss, any map, the whole fit one program.

$$\min_m \sum_i w_i\, \ell(m(x_i), y_i) \Big/ \sum_i w_i$$

A fit is a scan over steps, so that it vmaps over keys, starts, hyperparameters and pairs of
models. Rotations are turned (`retraction`) and stay rotations. Where a closed form exists
it is the better start, and often the better end: `fit_affine`, `fit_robust`.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, Key

from ..core.maps import AbstractMap
from ..core.moments import as_rows
from ..core.precision import outer_dtype
from ..core.rows import RowSource
from ..core.types import Numeric
from .descent import begin, Data, descend, miss
from .losses import squared


Rows = Float[Numeric, "n _"] | RowSource


class GradientFit(eqx.Module):
    """A map, and how the loss went.

    - `map`: after the last step; with held-out pairs, the best of those checked on them
    - `losses (steps,)`: of each step's batch, before the step; NaN where it stopped early
    - `held_out (1 + checks,)`: mean loss of the held-out pairs, at the start and after each
      check; NaN where it stopped early; None without such pairs
    - `step`: steps that `map` has taken
    """

    map: AbstractMap
    losses: Float[Array, " steps"]
    held_out: Float[Array, " checks"] | None
    step: Int[Array, ""]


def fit_gradient(
    key: Key[Array, ""],
    x: Rows,
    y: Rows,
    *,
    init: AbstractMap,
    loss: Callable = squared,
    optimizer: Any = None,
    steps: int = 1000,
    batch_size: int | None = None,
    weights: Float[Numeric, " n"] | None = None,
    labels: Int[Numeric, " n"] | None = None,
    held_out: tuple | Bool[Numeric, " n"] | None = None,
    check_every: int = 10,
    patience: int | None = None,
) -> GradientFit:
    """Minimise the mean loss of mapped rows by `steps` of an optimiser.

    **Arguments:**

    - `key`: of the batches.
    - `x`, `y`: rows `(n, d)` and `(n, k)`, or a `RowSource` each (an `EmbeddingStore`, or
      `jfacemap.core.rows.ArrayRows` of a memory map): those are read in turn, and batches
      drawn within 65,536 rows at a time. Of no more rows the fit is that of arrays.
    - `init`: where to start, any map: `fit_affine(x, y)`, `identity_map(d, k)`,
      `fit_low_rank(x, y, 16)`, `mlp_map(key, start, 64)`. The result is of its kind; a
      rotation stays one, its determinant the same sign.
    - `loss`: `(guess, target) -> (n,)`, one of `jfm.losses` or any other; with `labels`
      `(n,)` it is given a batch's labels too.
    - `optimizer`: of optax, learning-rate schedule and all; `optax.lbfgs()` works, for full
      batches. By default Adam, its rate falling from 1e-2 to 0 by a cosine.
    - `batch_size`: rows of a batch, drawn with replacement, by weight; None for all.
    - `held_out`: pairs `(x, y)` or `(x, y, labels)`, or a mask `(n,)` of the rows given:
      pairs that are not fitted on but looked at every `check_every` steps, from memory.
      After `patience` checks in a row without a new best the fit stops.

    Computed in the dtype of the rows: near the optimum losses are exact to some 1e-6 in
    float32. Rows of zero weight may be NaN. NaN elsewhere makes the losses and the map NaN.
    Compiled once for each `loss` and `optimizer` object: make them once for many calls, or
    `eqx.filter_vmap` over arrays, learning rates included (`optax.adam(rate)` of a traced
    rate). Raises `ValueError` on shapes that do not match, where no row is left to fit or
    none is held out, and for a loss that is no function.
    """
    _check_numbers(steps, batch_size, check_every, patience)
    if not callable(loss):
        raise ValueError(
            f"loss is a function (guess, target) -> (n,), such as jfm.losses.cosine: one "
            f"of jfm.losses or your own; got {loss!r}."
        )
    optimizer = _default(steps) if optimizer is None else optimizer
    if isinstance(x, RowSource) or isinstance(y, RowSource):
        from .gradient_source import fit_source

        how = loss, optimizer, steps, batch_size, check_every, patience
        return fit_source(key, x, y, weights, labels, held_out, init, *how)
    data = as_data(x, y, weights, labels)
    init = as_start(init, data)
    data, judge = part(data, held_out, init)
    check_used(data, "fit: held_out and weights of 0 leave none")
    check_checks(judge, steps, check_every)
    given = key, data, judge, init, loss, optimizer
    return _fit(*given, steps, batch_size, check_every, patience)


def as_data(x, y, weights, labels=None) -> Data:
    """Rows in one dtype; `ValueError` unless they pair up."""
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    check_labels(labels, len(x))
    dtype = outer_dtype(x, y)
    x, y = (jnp.asarray(rows, dtype) for rows in (x, y))
    if weights is not None:
        weights = jnp.asarray(weights, dtype)
        x, y = (jnp.where(weights[:, None] != 0, rows, 0) for rows in (x, y))
    return Data(x, y, weights, None if labels is None else jnp.asarray(labels))


def check_labels(labels, n: int) -> None:
    """`ValueError` unless there are none, or one for each of n rows."""
    if labels is not None and jnp.shape(labels) != (n,):
        raise ValueError(f"labels has one for each of {n} rows: {jnp.shape(labels)}.")


def check_used(data: Data, what: str) -> None:
    """`ValueError` if it is known already that no row counts: the mean loss is 0 / 0."""
    w = data.weights
    if isinstance(w, Tracer):
        return
    with jax.ensure_compile_time_eval():
        some = len(data.x) > 0 and (w is None or bool(jnp.any(w != 0)))
    if not some:
        raise ValueError(f"There is no row to {what}.")


def part(data: Data, held_out, init: AbstractMap) -> tuple[Data, Data | None]:
    """Pairs to fit on and pairs to look at."""
    if held_out is None or isinstance(held_out, tuple):
        return data, as_judge(held_out, init)
    check_mask(held_out, len(data.x))
    w = jnp.ones(len(data.x), data.x.dtype) if data.weights is None else data.weights
    fit, look = jnp.where(held_out, 0, w), jnp.where(held_out, w, 0)
    with_weights = lambda w: Data(data.x, data.y, w, data.labels)
    judge = with_weights(look)
    check_used(judge, "look at: held_out has none of any weight")
    return with_weights(fit), judge


def check_mask(held_out, n: int) -> None:
    """`ValueError` unless there is one for each of n rows."""
    if jnp.shape(held_out) != (n,):
        raise ValueError(
            f"held_out is (x, y), (x, y, labels) or a mask of {n} rows; got an array of "
            f"shape {jnp.shape(held_out)}."
        )


def check_checks(judge: Data | None, steps: int, check_every: int) -> None:
    """`ValueError` if steps would be left after the last look at the pairs held out."""
    if judge is not None and steps % check_every:
        raise ValueError(f"steps {steps} is no multiple of check_every {check_every}.")


def as_judge(held_out: tuple | None, init: AbstractMap) -> Data | None:
    """The pairs held out; `ValueError` unless `init` goes from the one to the other."""
    if held_out is None:
        return None
    x, y, *labels = held_out
    judge = as_data(x, y, None, labels[0] if labels else None)
    as_start(init, judge)
    check_used(judge, "look at: held_out is empty")
    return judge


def as_start(init: AbstractMap, data: Data) -> AbstractMap:
    """The map in the dtype of the rows; `ValueError` unless it goes from x to y."""
    widths = data.x.shape[1], data.y.shape[1]
    if (init.in_dim, init.out_dim) != widths:
        raise ValueError(
            f"init maps width {init.in_dim} to {init.out_dim}; rows are {widths[0]} and "
            f"{widths[1]} wide."
        )
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, data.x.dtype), init)


def _check_numbers(steps, batch_size, check_every, patience) -> None:
    named = {"steps": steps, "batch_size": batch_size, "check_every": check_every}
    for name, number in (named | {"patience": patience}).items():
        if number is not None and number < 1:
            raise ValueError(f"{name} is at least 1; got {number}.")


_defaults: dict = {}


def _default(steps: int):
    """One optimiser for each number of steps, so that calls share a program."""
    import optax

    if steps not in _defaults:
        _defaults[steps] = optax.adam(optax.cosine_decay_schedule(1e-2, steps))
    return _defaults[steps]


@eqx.filter_jit
def _fit(
    key, data, judge, init, loss, optimizer, steps, batch_size, check_every, patience
) -> GradientFit:
    state = begin(init, optimizer)
    go = lambda state, keys: descend(keys, state, data, loss, optimizer, batch_size)
    keys = jax.random.split(key, steps)
    if judge is None:
        state, losses = go(state, keys)
        return GradientFit(state.map, losses, None, jnp.asarray(steps, jnp.int32))
    checks = steps // check_every
    patience = checks + 1 if patience is None else patience
    nan = lambda *shape: jnp.full(shape, jnp.nan, data.x.dtype)
    first = miss(init, judge, loss)

    def goes_on(carry):
        i, best_at = carry[:2]
        return (i < checks) & (i - best_at < patience)

    def check(carry):
        i, best_at, best, least, state, losses, seen = carry
        part = jax.lax.dynamic_slice_in_dim(keys, i * check_every, check_every)
        state, new = go(state, part)
        losses = jax.lax.dynamic_update_slice_in_dim(losses, new, i * check_every, 0)
        now = miss(state.map, judge, loss)
        better = now < least
        best = jax.tree.map(lambda a, b: jnp.where(better, a, b), state.map, best)
        least, best_at = jnp.where(better, now, least), jnp.where(better, i + 1, best_at)
        return i + 1, best_at, best, least, state, losses, seen.at[i + 1].set(now)

    zero = jnp.zeros((), jnp.int32)
    seen = nan(checks + 1).at[0].set(first)
    carry = zero, zero, init, first, state, nan(steps), seen
    _, best_at, best, _, _, losses, seen = jax.lax.while_loop(goes_on, check, carry)
    return GradientFit(best, losses, seen, best_at * check_every)
