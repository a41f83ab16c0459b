"""Cells of a table `(source, target, *rest)` of models."""

import numpy as np


def off_diagonal(table) -> np.ndarray:
    """Those of ordered pairs, `(pairs, *rest)`."""
    table = np.asarray(table)
    return table[~np.eye(len(table), dtype=bool)]


def own(table) -> np.ndarray:
    """Those of each model with itself, `(models, *rest)`."""
    table = np.asarray(table)
    return table[np.eye(len(table), dtype=bool)]
