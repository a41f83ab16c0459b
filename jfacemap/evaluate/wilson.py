r"""Wilson intervals for error rates of pairs that share people.

A rate over pairs varies more than independent pairs would make it. Its variance over
people, put in the place of $p(1 - p) / n$, gives an effective number of pairs for
Wilson's interval, which stays within [0, 1] and holds up where people are few or errors
rare: there the bootstrap is too narrow (Fogliato, Patil & Perona, 2024, section 3,
arXiv 2306.01198).
"""

import math
from statistics import NormalDist
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Shaped

from ..core.types import as_array, Numeric
from .draws import check_level
from .identities import IdentityPairs


class RateInterval(eqx.Module):
    """A rate, its interval, and the number of independent pairs it is worth; float64."""

    rate: Float[np.ndarray, "*cells_q"]
    lower: Float[np.ndarray, "*cells_q"]
    upper: Float[np.ndarray, "*cells_q"]
    effective: Float[np.ndarray, "*cells_q"]


class WilsonIntervals(eqx.Module):
    """Intervals of the true and the false accept rate at given thresholds."""

    tar: RateInterval
    far: RateInterval


def wilson_intervals(
    scores: Float[Numeric, "..."],
    pairs: IdentityPairs,
    thresholds: float | Float[Numeric, "*cells_q"],
    *,
    level: float = 0.95,
) -> WilsonIntervals:
    r"""Dependence-adjusted Wilson intervals of TAR and FAR at thresholds.

    With $e_c = k_c - p\,n_c$ the accepts in excess of identity (genuine) or pair of
    identities (impostor) c, of n pairs in all,
    $\mathrm{Var}(p) = \sum_c e_c^2 / n^2$ for TAR, and for FAR also the products
    $e_c e_{c'}$ of all c and c' that share a person, if they sum to more than 0. The
    interval is Wilson's with $n^* = p (1 - p) / \mathrm{Var}(p)$. At p = 0 or 1, where
    nothing varies, $n^*$ is the number of identities: the most that dependence can take.

    **Arguments:**

    - `scores (*cells, *pairs.shape)`: a table of scores or a stack of them.
    - `pairs`: `identity_pairs(...)` of a table, shared by all.
    - `thresholds (*cells, *q)`: pairs that score at least this are accepted; usually
      `tar_at_far(...).threshold`. Conditional on them: that a threshold for a target FAR
      is itself estimated is in `tar_confidence`, not here.
    - `level`: coverage.

    Raises `ValueError` on shapes that do not match.
    """
    scores, thresholds = np.asarray(as_array(scores)), np.asarray(as_array(thresholds))
    split = scores.ndim - len(pairs.shape)
    cells = scores.shape[: max(split, 0)]
    if scores.shape[max(split, 0) :] != pairs.shape:
        raise ValueError(
            f"Scores {scores.shape} must end in the shape of the pairs, {pairs.shape}."
        )
    if thresholds.shape[: len(cells)] != cells:
        raise ValueError(
            f"Thresholds {thresholds.shape} must begin with the {cells} of the scores."
        )
    tables = scores.reshape(-1, math.prod(pairs.shape))
    bars = thresholds.reshape(len(tables), -1)
    groups = (
        (pairs.genuine, pairs.genuine_identity, None),
        (pairs.impostor, pairs.impostor_class, pairs.classes),
    )
    rates = []
    for positions, group, classes in groups:
        sizes = np.bincount(group, minlength=1 if classes is None else len(classes))
        people = np.count_nonzero(sizes) if classes is None else len(np.unique(classes))
        accepts = [
            [_counts(table[positions] >= bar, group, sizes.size) for bar in row]
            for table, row in zip(tables, bars, strict=True)
        ]
        accepts = np.array(accepts).reshape(*thresholds.shape, sizes.size)
        variance = _variance(accepts, sizes, classes)
        rates.append(_wilson(accepts.sum(-1) / sizes.sum(), variance, people, level))
    return WilsonIntervals(*rates)


def clustered_rate(
    hits: Bool[np.ndarray, " n"], group: Shaped[np.ndarray, " n"], *, level: float = 0.95
) -> RateInterval:
    r"""The share of `hits` among rows, of which those of one group vary together.

    As TAR in `wilson_intervals`, with groups (people) for identities. NaN if there is no
    row.
    """
    _, at = np.unique(group, return_inverse=True)
    if not at.size:
        return RateInterval(*(np.full((), np.nan) for _ in range(4)))
    sizes = np.bincount(at)
    accepts = _counts(hits, at, sizes.size)
    rate = accepts.sum() / sizes.sum()
    return _wilson(rate, _variance(accepts, sizes, None), sizes.size, level)


def _counts(accepted, group, size) -> np.ndarray:
    return np.bincount(group[accepted], minlength=size)


def _variance(accepts, sizes, classes) -> Any:
    n = sizes.sum()
    excess = accepts - accepts.sum(-1, keepdims=True) / n * sizes
    alone = (excess**2).sum(-1)
    if classes is None:
        return alone / n**2
    # A class counts twice among the squares of its people's sums, every other that shares
    # a person with it once.
    people = np.zeros((*excess.shape[:-1], classes.max() + 1))
    for side in classes.T:
        for i in np.ndindex(excess.shape[:-1]):
            people[i] += np.bincount(side, excess[i], people.shape[-1])
    shared = (people**2).sum(-1) - 2 * alone
    return (alone + np.maximum(shared, 0)) / n**2


def _wilson(rate, variance, people, level) -> RateInterval:
    check_level(level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    varies = variance > 0
    effective = np.where(
        varies, rate * (1 - rate) / np.where(varies, variance, 1), float(people)
    )
    centre = rate + z**2 / 2 / effective
    reach = z * np.sqrt((rate * (1 - rate) + z**2 / 4 / effective) / effective)
    whole = 1 + z**2 / effective
    return RateInterval(
        rate=np.asarray(rate),
        lower=np.where(rate == 0, 0, (centre - reach) / whole),  # but for rounding
        upper=np.where(rate == 1, 1, (centre + reach) / whole),
        effective=np.asarray(effective),
    )
