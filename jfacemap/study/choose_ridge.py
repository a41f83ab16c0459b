"""One ridge for all maps among N models, chosen on people nothing else is judged on."""

import functools as ft
from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..core.moments import JointMoments
from ..core.monoid import merge
from ..fit.all_pairs import fit_all_pairs
from .composition import pair_residuals


class RidgeChoice(eqx.Module):
    """The ridge of least held-out error, a penalty per unit of mass.

    - `ridges`, `error (ridges,)`: those tried; the mean over folds and ordered pairs of
      models of the share of the target's variance that maps leave
    """

    ridge: float = eqx.field(static=True)
    ridges: Float[np.ndarray, " r"]
    error: Float[np.ndarray, " r"]


def choose_ridge(
    folds: Sequence[JointMoments], ridges: Sequence[float], *, kind: str = "linear"
) -> RidgeChoice:
    """Fit all maps without each fold in turn, for each ridge, and judge them on the fold.

    **Arguments:**

    - `folds`: `jfm.joint_moments` of disjoint groups of rows, such as those of different
      people. What the ridge is used for is judged on none of them.
    - `ridges`: penalties for each unit of mass (for each row, without weights):
      `fit_all_pairs(joint, kind, ridge=choice.ridge * joint.mass)` uses the chosen one.
    - `kind`: "linear" or "affine".

    Where a single map's ridge is wanted, `jfm.fit_ridge_path` is faster and finer. Raises
    `ValueError` for fewer than two folds or no ridge.
    """
    if len(folds) < 2 or not len(ridges):
        raise ValueError(
            f"A choice needs two folds or more, and a ridge; got {len(folds)} folds and "
            f"{len(ridges)} ridges."
        )
    off = ~np.eye(len(folds[0].dims), dtype=bool)
    error = np.zeros((len(folds), len(ridges)))
    for i, held in enumerate(folds):
        others = [fold for j, fold in enumerate(folds) if j != i]
        fitted = ft.reduce(merge, others)
        for j, ridge in enumerate(ridges):
            penalty = float(ridge) * float(np.asarray(fitted.mass))
            maps = fit_all_pairs(fitted, kind, ridge=penalty)
            error[i, j] = np.mean(np.asarray(pair_residuals(maps, held))[off])
    mean = error.mean(axis=0)
    return RidgeChoice(float(ridges[int(mean.argmin())]), np.asarray(ridges, float), mean)
