"""Indices in NumPy and SciPy, in float64, from rows or n x n matrices; never moments."""

import numpy as np
import scipy.linalg
import scipy.spatial.distance as distance
import scipy.stats


def centre(x):
    x = np.float64(x)
    return x - x.mean(axis=0)


def linear_cka(x, y):
    n = len(x)
    h = np.eye(n) - 1 / n
    k, l = (h @ np.float64(z) @ np.float64(z).T @ h for z in (x, y))
    return (k * l).sum() / np.sqrt((k * k).sum() * (l * l).sum())


def unbiased_hsic(x, y):
    """Song et al. (2012), eq. 5, of kernel matrices."""
    k, l = (np.float64(z) @ np.float64(z).T for z in (x, y))
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    n = len(k)
    both = k.sum() * l.sum() / (n - 1) / (n - 2) - 2 / (n - 2) * (k @ l).sum()
    return (np.trace(k @ l) + both) / n / (n - 3)


def debiased_cka(x, y):
    own = unbiased_hsic(x, x) * unbiased_hsic(y, y)
    return unbiased_hsic(x, y) / np.sqrt(own)


def canonical(x, y):
    """Correlations, and the variates of x, by QR of the rows."""
    (q, _), (p, _) = (np.linalg.qr(centre(z)) for z in (x, y))
    u, rho, _ = np.linalg.svd(q.T @ p, full_matrices=False)
    return rho, q @ u


def mean_cca(x, y):
    return canonical(x, y)[0].mean()


def svcca(x, y, share=0.99):
    def strongest(z):
        u, s, _ = np.linalg.svd(centre(z), full_matrices=False)
        held = np.cumsum(s**2) / np.sum(s**2)
        keep = np.searchsorted(held, share) + 1
        return u[:, :keep] * s[:keep]

    return mean_cca(strongest(x), strongest(y))


def pwcca(x, y):
    rho, variates = canonical(x, y)
    alpha = np.abs(variates.T @ centre(x)).sum(axis=1)
    return (alpha * rho).sum() / alpha.sum()


def procrustes_distance(x, y):
    x, y = (centre(z) / np.linalg.norm(centre(z)) for z in (x, y))
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    turn, _ = scipy.linalg.orthogonal_procrustes(x, y)
    return np.linalg.norm(x @ turn - y)


def rsa(x, y):
    x, y = (distance.pdist(np.float64(z), "sqeuclidean") for z in (x, y))
    return np.corrcoef(x, y)[0, 1]


def rank_rsa(x, y):
    x, y = (distance.pdist(np.float64(z), "cosine") for z in (x, y))
    return scipy.stats.spearmanr(x, y).statistic


def mutual_neighbours(x, y, k, metric):
    def near(z):
        far = distance.squareform(distance.pdist(np.float64(z), metric))
        np.fill_diagonal(far, np.inf)
        return np.argsort(far, axis=1, kind="stable")[:, :k]

    pairs = zip(near(x), near(y), strict=True)
    return np.mean([len(np.intersect1d(a, b)) / k for a, b in pairs])
