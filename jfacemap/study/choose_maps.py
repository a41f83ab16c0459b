"""A setting for each pair of models, such as a ridge or a rank, chosen on other people."""

import functools as ft
from collections.abc import Callable, Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..core.moments import JointMoments
from ..core.monoid import merge
from ..fit.all_pairs import PairMaps
from .composition import pair_residuals


class ChosenMaps(eqx.Module):
    """Maps of all pairs, each of the setting of least held-out error.

    - `chosen (N, N)`: the setting of each pair
    - `error (settings, N, N)`: mean over folds of the share of the target's variance left
    """

    maps: PairMaps
    chosen: Float[np.ndarray, "N N"]
    error: Float[np.ndarray, "settings N N"]


def choose_maps(
    folds: Sequence[JointMoments],
    settings: Sequence[float | int],
    fit: Callable[[JointMoments], Sequence[PairMaps]],
) -> ChosenMaps:
    """Fit the maps of every setting without each fold in turn; keep each pair's best.

    **Arguments:**

    - `folds`: joint moments of disjoint groups of rows, such as those of different people.
      What the choice is used for is judged on none of them.
    - `settings`: numbers, such as ridges or ranks; of two alike the first is kept.
    - `fit`: from moments to the maps of each setting, in order.

    The maps returned are fitted on all folds. `choose_ridge` makes one choice for all
    pairs. Raises `ValueError` for fewer than two folds or no setting.
    """
    if len(folds) < 2 or not len(settings):
        raise ValueError(
            f"A choice needs two folds or more, and a setting; got {len(folds)} folds and "
            f"{len(settings)} settings."
        )
    error = np.zeros((len(settings), *(len(folds[0].dims),) * 2))
    for i, held in enumerate(folds):
        fitted = ft.reduce(merge, [fold for j, fold in enumerate(folds) if j != i])
        for total, maps in zip(error, fit(fitted), strict=True):
            total += np.asarray(pair_residuals(maps, held)) / len(folds)
    best = error.argmin(axis=0)
    candidates = fit(ft.reduce(merge, folds))
    row = lambda i: tuple(candidates[k][i, j] for j, k in enumerate(best[i]))
    maps = PairMaps(tuple(map(row, range(len(best)))), candidates[0].names)
    return ChosenMaps(maps, np.asarray(settings, float)[best], error)
