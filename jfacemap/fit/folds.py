"""Folds for cross-validation: rows that belong together are held out together."""

import numpy as np
from jaxtyping import Int, Shaped

from ..core.types import Numeric


def assign_folds(groups: Shaped[Numeric, " n"], folds: int = 5) -> Int[np.ndarray, " n"]:
    """The fold of each row, from 0: rows of one group share it, folds are of like size.

    Groups (labels of any type), the largest first, each go to the fold that has the fewest
    rows so far. On the host, and the same each time. Raises `ValueError` unless there are
    at least two folds, and as many groups.
    """
    names, code = np.unique(np.asarray(groups), return_inverse=True)
    if folds < 2 or len(names) < folds:
        raise ValueError(
            f"Cross-validation takes 2 folds or more, and a group for each; got {folds} "
            f"folds of {len(names)} groups."
        )
    size = np.bincount(code)
    fold, rows = np.zeros(len(names), np.int32), np.zeros(folds, int)
    for group in np.argsort(-size, kind="stable"):
        fold[group] = np.argmin(rows)
        rows[fold[group]] += size[group]
    return fold[code]


def as_folds(n: int, folds: int | Int[Numeric, " n"], groups) -> Int[np.ndarray, " n"]:
    """The fold of each of `n` rows; `ValueError` if that cannot be.

    A number of folds without groups cuts the rows, as they come, into blocks of like size,
    as scikit-learn's KFold does: neighbours may be alike, and then stay together.
    """
    if np.ndim(folds):
        fold = np.asarray(folds)
        if groups is not None:
            raise ValueError("Give the fold of each row, or groups and their number.")
        if fold.shape != (n,) or fold.dtype.kind not in "iu" or not n:
            raise ValueError(
                f"folds is a number, or the fold of each of {n} rows, from 0; got an array "
                f"{fold.shape} of {fold.dtype}."
            )
        if len(np.unique(fold)) != fold.max() + 1 or fold.min() < 0 or fold.max() < 1:
            raise ValueError(
                f"Folds are numbered from 0, two or more, none empty: {np.unique(fold)}."
            )
        return fold.astype(np.int32)
    if groups is None:
        groups, folds = np.arange(n), int(folds)
        if 2 <= folds <= n:
            sizes = [len(part) for part in np.array_split(groups, folds)]
            return np.repeat(np.arange(folds, dtype=np.int32), sizes)
    if np.shape(groups) != (n,):
        raise ValueError(
            f"groups has a label for each of {n} rows; got {np.shape(groups)}."
        )
    return assign_folds(groups, int(folds))
