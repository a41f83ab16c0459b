"""The reference way to evaluate IJB, as users run it: NumPy, pair by pair, and sorting."""

import warnings

import numpy as np
from sklearn.metrics import roc_curve


def pool(rows: np.ndarray, starts: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Unit templates of rows sorted by template: unit rows, weighted sums."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    total = np.add.reduceat(rows * share[:, None], starts, axis=0)
    return total / np.linalg.norm(total, axis=1, keepdims=True)


def score(a: np.ndarray, b: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Inner products of rows `i` of `a` and `j` of `b`, a hundred thousand at a time."""
    chunks = np.array_split(np.arange(i.size), max(1, i.size // 100_000))
    return np.concatenate([np.sum(a[i[c]] * b[j[c]], axis=1) for c in chunks])


def tar_at_far(scores: np.ndarray, genuine: np.ndarray, fars) -> np.ndarray:
    """TAR at the nearest point that `roc_curve` keeps, the looser of two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        far, tar, _ = roc_curve(genuine, scores)
    far, tar = far[::-1], tar[::-1]
    return np.array([tar[np.argmin(np.abs(far - target))] for target in fars])


def strict_tar_at_far(scores: np.ndarray, genuine: np.ndarray, fars) -> np.ndarray:
    """TAR above the impostor that would be one too many, by sorting."""
    others, mated = np.sort(scores[~genuine])[::-1], np.sort(scores[genuine])
    reached = np.arange(1, others.size + 1) / others.size
    rates = []
    for target in fars:
        bar = others[np.count_nonzero(reached <= target)]
        refused = np.searchsorted(mated, bar, side="right")
        rates.append((mated.size - refused) / mated.size)
    return np.array(rates)
