"""What a result is judged by: float64, by another algorithm than any side of a race."""

from typing import Any

import numpy as np
import scipy.linalg


def least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights from `x` to `y` by Householder QR (lstsq goes by singular values)."""
    q, r = np.linalg.qr(x.astype(np.float64))
    return scipy.linalg.solve_triangular(r, q.T @ y.astype(np.float64))


def rotation(cross: np.ndarray) -> np.ndarray:
    """Paper 000, eq. 3, by QR iteration (NumPy's SVD goes by divide and conquer)."""
    u, _, vt = scipy.linalg.svd(cross, lapack_driver="gesvd")
    u[:, -1] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))
    return u @ vt


def relative_error(ours: Any, truth: np.ndarray) -> float:
    """Largest deviation from `truth`, in units of its largest entry."""
    deviation = np.abs(np.asarray(ours, np.float64) - truth)
    return float(deviation.max() / np.abs(truth).max())
