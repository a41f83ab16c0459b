"""The two-sample Kolmogorov-Smirnov statistic, and its p however small."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float


def ks_statistic(a: Float[np.ndarray, " m"], b: Float[np.ndarray, " n"]) -> float:
    """Largest difference of the two empirical distributions; NaN if one is empty."""
    if not a.size or not b.size:
        return math.nan
    a, b = np.sort(a), np.sort(b)
    largest = 0.0
    for x in (a, b):  # at the places where one of them steps
        f, g = (np.searchsorted(y, x, side="right") / y.size for y in (a, b))
        largest = max(largest, float(np.abs(f - g).max()))
    return largest


def ks_p_value(statistic: float, m: int, n: int) -> tuple[float, float]:
    r"""Two-sided p of the statistic of m and n independent draws, and its logarithm.

    The law of the one-sample statistic at round(mn / (m + n)) draws, as
    `scipy.stats.ks_2samp(method="asymp")` has it. Where p is below 1e-280 its logarithm is
    that of twice the exact one-sided tail (Smirnov), which differs from the two-sided one
    by p^3 or so. NaN for a NaN.

    Distances among the same images are not independent draws: then this p is too small.
    """
    import scipy.stats

    if math.isnan(statistic):
        return math.nan, math.nan
    size = max(round(m * n / (m + n)), 1)
    p = float(np.clip(scipy.stats.kstwo.sf(statistic, size), 0, 1))
    if p > 1e-280:
        return p, math.log(p)
    return p, min(math.log(2) + _log_smirnov(statistic, size), 0.0)


def _log_smirnov(d: float, n: int) -> float:
    r"""$\ln d \sum_{j \le n(1-d)} \binom{n}{j} (d + j/n)^{j-1} (1 - d - j/n)^{n-j}$."""
    from scipy.special import gammaln, logsumexp

    if d >= 1:
        return -math.inf
    j = np.arange(math.floor(n * (1 - d)) + 1)
    j = j[1 - d - j / n > 0]
    log_choose = gammaln(n + 1) - gammaln(j + 1) - gammaln(n - j + 1)
    terms = (j - 1) * np.log(d + j / n) + (n - j) * np.log1p(-d - j / n)
    total: Any = logsumexp(log_choose + terms)
    return math.log(d) + float(total)
