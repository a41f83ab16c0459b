"""False positives and false negatives of predicted attributes (paper 001, section 3.1)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from ..core.types import as_array, Numeric
from ..evaluate.wilson import clustered_rate, RateInterval


class ErrorSplit(eqx.Module):
    """Rates of errors, each of its own class; of no such rows it is NaN.

    - `false_positive_rate`: of rows without the attribute, those predicted to have it
    - `false_negative_rate`: of rows with it, those predicted not to
    - `negatives`, `positives`: rows without and with it
    """

    false_positive_rate: Float[Array, "*k"]
    false_negative_rate: Float[Array, "*k"]
    negatives: Float[Array, "*k"]
    positives: Float[Array, "*k"]


class ErrorIntervals(eqx.Module):
    """`ErrorSplit` with intervals (A,): each a `RateInterval`."""

    false_positive: RateInterval
    false_negative: RateInterval


def error_split(
    pred: Shaped[Numeric, "n *k"], truth: Shaped[Numeric, "n *m"]
) -> ErrorSplit:
    """Errors in false positives and false negatives, for every column.

    `pred (n, A, ...)`: predicted present where positive (a score, +1 and -1, or a mask);
    0 and NaN count as absent. `truth (n, A)`: present where positive, not known (left
    out) where it is 0 or NaN and no mask. Further axes of `pred`, such as the grid of
    `LinearSvm.decision`, share the truth. Raises `ValueError` on other shapes.
    """
    pred, truth = (jnp.asarray(as_array(a)) for a in (pred, truth))
    if pred.shape[: truth.ndim] != truth.shape:
        raise ValueError(
            f"Predictions (n, A, ...) begin with the shape of the truth (n, A); got "
            f"{pred.shape} and {truth.shape}."
        )
    return _split(pred, truth)


def error_intervals(
    pred: Shaped[Numeric, "n *k"],
    truth: Shaped[Numeric, "n *k"],
    groups: Shaped[Numeric, " n"] | None = None,
    *,
    level: float = 0.95,
) -> ErrorIntervals:
    """Both rates with Wilson intervals; rows of one group (a person) vary together.

    The rate's variance over groups gives the number of independent rows that Wilson's
    interval takes, as in `wilson_intervals`; without `groups` every row is its own.
    """
    pred, truth = np.asarray(as_array(pred)), np.asarray(as_array(truth))
    if pred.shape != truth.shape:
        raise ValueError(f"{pred.shape} predictions are not one a truth, {truth.shape}.")
    group = np.arange(len(truth)) if groups is None else np.asarray(as_array(groups))
    if group.shape != truth.shape[:1]:
        raise ValueError(f"Groups {group.shape} are not one a row of {truth.shape}.")
    present, absent = (np.asarray(m) for m in _classes(truth))
    said = pred > 0
    rate = lambda wrong, mask: _each_column(wrong, mask, group, level)
    return ErrorIntervals(rate(said, absent), rate(~said, present))


def _each_column(wrong, mask, group, level) -> RateInterval:
    columns = [
        clustered_rate(w[m], group[m], level=level)
        for w, m in zip(_flat(wrong), _flat(mask), strict=True)
    ]
    shape = wrong.shape[1:]
    stack = lambda *x: np.reshape(np.stack(x), shape)
    return jax.tree.map(stack, *columns) if columns else RateInterval(*[np.zeros(0)] * 4)


def _flat(x):
    return x.reshape(len(x), -1).T


def _classes(truth):
    if truth.dtype == bool:
        return truth, ~truth
    return truth > 0, truth < 0


@jax.jit
def _split(pred, truth):
    present, absent = _classes(truth)
    extra = (1,) * (pred.ndim - truth.ndim)
    present, absent = (m.reshape(m.shape + extra) for m in (present, absent))
    said = pred if pred.dtype == bool else pred > 0
    number = lambda mask: jnp.sum(mask, axis=0, dtype=jnp.float32)
    full = lambda mask: jnp.broadcast_to(number(mask), pred.shape[1:])
    rate = lambda wrong, mask: jnp.where(
        full(mask) > 0, number(wrong & mask) / jnp.maximum(full(mask), 1), jnp.nan
    )
    return ErrorSplit(rate(said, absent), rate(~said, present), full(absent), full(present))
