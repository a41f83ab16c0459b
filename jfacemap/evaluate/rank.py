"""Ranks of numbers on the host."""

import numpy as np
from jaxtyping import Float


def mean_ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Ranks from 1, equal values sharing their mean rank; all NaN if a value is NaN."""
    if np.isnan(values).any():
        return np.full(values.shape, np.nan)
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


def rank_correlation(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float:
    """Spearman's correlation; NaN for fewer than three values, or values all alike."""
    if len(a) < 3:
        return float("nan")
    x, y = (r - r.mean() for r in map(mean_ranks, (a, b)))
    length = np.sqrt(np.sum(x**2) * np.sum(y**2))
    return float(np.sum(x * y) / length) if length > 0 else float("nan")
