"""Non-invariance by depth: each layer read linearly (paper 001, section 5)."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ..fit.closed_form import fit_affine


class LayerReading(eqx.Module):
    """What one layer says, linearly, of test rows it was not read on.

    - `angle_r2`: share of the angle's variance that least squares explains, one map for
      all digits; `angle_error`: the standard deviation of what is left, in degrees
    - `digit_error`: share of rows whose digit least squares on indicators misses
    - `between`, `by_angle`, `within`: shares of the rows' variance between digits, between
      the angles of a digit, and among rows of one digit and angle; their sum is 1
    """

    angle_r2: float
    angle_error: float
    digit_error: float
    between: float
    by_angle: float
    within: float


def read_layer(
    x: Float[np.ndarray, "n d"],
    label: Int[np.ndarray, " n"],
    degrees: Float[np.ndarray, " n"],
    test: tuple[Any, Any, Any],
    *,
    classes: int = 10,
    ridge: float = 1e-3,
) -> LayerReading:
    """Fit angle and digit indicators on rows, read both off the rows of `test`.

    `test`: rows, labels and degrees likewise. `ridge`: relative to the mean variance of the
    features. Shares of variance are of the test rows.
    """
    targets = np.concatenate([degrees[:, None], np.eye(classes)[label]], axis=1)
    penalty = ridge * len(x) * float(np.mean(np.var(x, axis=0, dtype=np.float64)))
    m = fit_affine(x, targets.astype(np.float32), ridge=penalty)
    rows, truth, angle = test
    said = np.asarray(m(np.asarray(rows)))
    left = said[:, 0] - angle
    shares = variance_shares(rows, truth, angle)
    return LayerReading(
        1 - float(np.mean(left**2) / np.var(angle)),
        float(np.std(left)),
        float(np.mean(said[:, 1:].argmax(axis=1) != truth)),
        *shares,
    )


def variance_shares(x, label, degrees) -> tuple[float, float, float]:
    """Shares of variance between digits, between a digit's angles, and the rest."""
    x = np.asarray(x, np.float64)
    total = _scatter(x, np.zeros(len(x), int))
    within_digit = _scatter(x, np.unique(label, return_inverse=True)[1])
    cell = np.unique(np.stack([label, degrees]), axis=1, return_inverse=True)[1]
    within_cell = _scatter(x, cell.reshape(-1))
    return (
        1 - within_digit / total,
        (within_digit - within_cell) / total,
        within_cell / total,
    )


def _scatter(x, group) -> float:
    """Sum of squares about the groups' means."""
    order = np.argsort(group, kind="stable")
    _, start, count = np.unique(group[order], return_index=True, return_counts=True)
    means = np.add.reduceat(x[order], start) / count[:, None]
    return float(np.sum(x**2) - np.sum(count[:, None] * means**2))
