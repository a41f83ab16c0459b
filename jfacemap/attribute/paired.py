"""Two models' energies compared across identities, which are the independent draws."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ..core.types import as_array, Numeric


class PairedTest(eqx.Module):
    """Of each attribute; NaN where fewer than two identities have both values.

    - `difference (A,)`: median over identities of a - b
    - `p (A,)`: two-sided Wilcoxon signed-rank test; 1 where nothing differs
    - `p_holm (A,)`: by Holm over the attributes
    - `n (A,)`: identities that have both
    """

    difference: Float[np.ndarray, " A"]
    p: Float[np.ndarray, " A"]
    p_holm: Float[np.ndarray, " A"]
    n: Int[np.ndarray, " A"]


def compare_energies(a: Float[Numeric, "I A"], b: Float[Numeric, "I A"]) -> PairedTest:
    """Test for each attribute whether energies of the same identities differ.

    `a` and `b (I, A)` are energies of I identities under two models; a NaN takes its
    identity out, for that attribute. Exact for up to 50 identities without ties, else by
    the normal law, as `scipy.stats.wilcoxon` chooses.
    """
    import scipy.stats

    a, b = (np.asarray(as_array(x), np.float64) for x in (a, b))
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"Energies are (I, A) of the same I; got {a.shape} and {b.shape}.")
    gap = a - b
    p, median = np.full(gap.shape[1], np.nan), np.full(gap.shape[1], np.nan)
    for j, column in enumerate(gap.T):
        column = column[np.isfinite(column)]
        if len(column) > 1:
            median[j] = np.median(column)
            test: Any = scipy.stats.wilcoxon(column) if column.any() else None
            p[j] = 1.0 if test is None else test.pvalue
    return PairedTest(median, p, holm(p), np.isfinite(gap).sum(axis=0))


def holm(p: Float[np.ndarray, " A"]) -> Float[np.ndarray, " A"]:
    """Holm's adjusted p: the k-th smallest times (A - k), none below one before it.

    A NaN stays one and is not counted among the tests.
    """
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    stepped = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted
