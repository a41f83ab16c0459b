"""Bands that hold for a whole table at once."""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .draws import check_level


class Band(eqx.Module):
    """`lower` and `upper (*k)`: the estimate less and plus `width` standard deviations.

    A cell whose estimate or draws are all NaN has a NaN band.
    """

    lower: Float[np.ndarray, "*k"]
    upper: Float[np.ndarray, "*k"]
    width: float = eqx.field(static=True)


def simultaneous_band(
    estimate: Float[np.ndarray, "*k"],
    replicates: Float[np.ndarray, "B *k"],
    *,
    level: float = 0.95,
) -> Band:
    r"""Bands that cover all cells of a table together with probability `level`.

    The width is the `level` quantile over draws of $\max_k |r_k - e_k| / s_k$, with s
    the standard deviation of a cell's replicates, which must come from the same draws in
    every cell. Takes differences as well as rates, and so does not clip at 0 and 1. A
    draw that any cell skipped is left out; a cell that never varies has no width.
    """
    if replicates.shape[1:] != estimate.shape:
        raise ValueError(
            f"Replicates {replicates.shape} are not draws of a table {estimate.shape}."
        )
    check_level(level)
    known = ~np.isnan(estimate) & ~np.isnan(replicates).all(axis=0)
    draws = replicates[:, known]
    draws = draws[~np.isnan(draws).any(axis=1)]
    deviation = draws.std(axis=0, ddof=1)
    alive = deviation > 0
    pull = np.abs(draws - estimate[known])[:, alive] / deviation[alive]
    width = float(np.quantile(pull.max(axis=1, initial=0), level)) if len(draws) else np.nan
    spread = np.full(estimate.shape, np.nan)
    spread[known] = width * deviation
    return Band(estimate - spread, estimate + spread, width)
