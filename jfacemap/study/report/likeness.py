"""Which similarity index tells how well maps between two models will do?"""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import numpy as np

from ...core.energy import energy_moments
from ...core.types import Numeric
from ...evaluate import compare
from ...evaluate.rank import rank_correlation


of_moments: dict[str, Callable[[Any], Any]] = {
    "linear CKA": lambda m: compare.linear_cka(m.joint),
    "debiased CKA": compare.debiased_cka,
    "mean CCA": lambda m: compare.mean_cca(m.joint),
    "SVCCA": lambda m: compare.svcca(m.joint),
    "PWCCA": lambda m: compare.pwcca(m.joint),
    "Procrustes distance": lambda m: compare.procrustes_distance(m.joint),
    "RSA, distances": compare.rsa,
}


fewest_pairs = 6
"""Of models, to correlate over: of three pairs Spearman's is 1 or -1 by chance in a third
of cases."""


class Likeness(eqx.Module):
    """Similarity indices of all models on judged people, `(N, N)` by name.

    - `random`: the same of rows in an order of their own in each model
    - `correlation`: Spearman's, over unordered pairs of models, of the index with the TAR
      of maps (mean of both ways); NaN for fewer than `fewest_pairs`
    """

    index: dict[str, np.ndarray]
    random: dict[str, np.ndarray]
    correlation: dict[str, float]


def pair_means(table: Numeric) -> np.ndarray:
    """Mean of both ways of each unordered pair of models, in the order of the names."""
    table = np.asarray(table)
    upper = np.triu_indices(len(table), 1)
    return ((table + table.T) / 2)[upper]


def pair_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's over pairs of models; NaN for fewer than `fewest_pairs`."""
    return rank_correlation(a, b) if len(a) >= fewest_pairs else float("nan")


def compare_models(
    rng: np.random.Generator, rows: Sequence[np.ndarray], tar: np.ndarray, neighbours: int
) -> Likeness:
    """All indices of unit rows, their null, and what they foretell of `tar (N, N)`."""
    index = _indices(rows, neighbours)
    random = _indices([x[rng.permutation(len(x))] for x in rows], neighbours)
    worth = pair_means(tar)
    correlation = {
        name: pair_correlation(pair_means(table), worth) for name, table in index.items()
    }
    return Likeness(index, random, correlation)


def _indices(rows, neighbours: int) -> dict[str, np.ndarray]:
    moments = energy_moments(rows)
    found = {name: f(moments) for name, f in of_moments.items()}
    found["RSA, ranks"] = compare.rank_rsa(rows)
    k = min(neighbours, len(rows[0]) - 1)
    found["mutual neighbours"] = compare.mutual_neighbours(rows, k)
    return {name: np.asarray(table, np.float64) for name, table in found.items()}
