import equinox as eqx
import numpy as np


def tree_allclose(a, b, *, rtol=1e-5, atol=1e-8):
    """Same structure, shapes and dtypes, and values within tolerance."""
    return eqx.tree_equal(a, b, typematch=True, rtol=rtol, atol=atol)


def relative_error(ours, truth) -> float:
    """Largest deviation from `truth`, in units of its largest entry."""
    truth = np.asarray(truth, np.float64)
    return float(np.max(np.abs(np.asarray(ours) - truth)) / np.max(np.abs(truth)))


def steep_rows(seed: int, n: int, d: int, condition: float) -> np.ndarray:
    """Float32 rows of a given condition number, with no direction favoured."""
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.normal(size=shape))[0] for shape in ((n, d), (d, d)))
    return np.float32((u * np.geomspace(1, 1 / condition, d)) @ v.T)


def least_squares(x, y, weights=None, ridge=0.0, centred=False):
    """Float64 truth: NumPy's SVD solution of the bordered problem, and the bias."""
    x, y = np.float64(x), np.float64(y)
    w = np.ones(len(x)) if weights is None else np.float64(weights)
    mean_x, mean_y = (centred * np.average(a, axis=0, weights=w) for a in (x, y))
    root = np.sqrt(w)[:, None]
    penalty = np.sqrt(ridge) * np.eye(x.shape[1])
    a = np.concatenate([root * (x - mean_x), penalty])
    b = np.concatenate([root * (y - mean_y), np.zeros((x.shape[1], y.shape[1]))])
    weight = np.linalg.lstsq(a, b, rcond=None)[0]
    return weight, mean_y - mean_x @ weight
