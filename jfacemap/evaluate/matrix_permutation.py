r"""Is one relation among N things like another? Correlation under permuted names.

The N (N - 1) entries of a table of ordered pairs are not independent: all entries of a
row share a model. The quadratic assignment procedure (QAP; Hubert, 1987; Krackhardt,
1988) therefore permutes the N names, that is rows and columns of one table together, and
compares the correlation found with those under permuted names.
"""

import itertools
import math

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from ..core.types import as_array, Numeric


rounding = 1e-12
"""Correlations closer than this are equal: permutations of alike models give ties."""


class QapTest(eqx.Module):
    r"""A correlation, and those under permuted names.

    - `correlation`: Pearson's, over the off-diagonal entries
    - `null (B,)`: the same under each permutation; of all N! if `exact`, and then the
      identity is among them
    """

    correlation: float
    null: Float[np.ndarray, " B"]
    exact: bool = eqx.field(static=True)

    @property
    def p_greater(self) -> float:
        """How often permuted names correlate at least as much; NaN if undefined."""
        return self._share(self.null - self.correlation)

    @property
    def p_value(self) -> float:
        """The same by absolute value: two-sided."""
        return self._share(np.abs(self.null) - abs(self.correlation))

    def _share(self, lead) -> float:
        if not np.isfinite(self.correlation):
            return math.nan
        extreme = np.count_nonzero(lead >= -rounding)
        # The names as they are count as one of the random draws.
        more = 0 if self.exact else 1
        return (extreme + more) / (len(self.null) + more)


def qap_test(
    key: Key[Array, ""],
    values: Float[Numeric, "..."],
    relation: Shaped[Numeric, "..."],
    *,
    permutations: int = 9999,
) -> QapTest:
    r"""Test whether `values` and `relation` go together over ordered pairs $i \ne j$.

    **Arguments:**

    - `key`: of the permutations, where they are drawn.
    - `values`: such as TAR by source and target; the diagonal is not used.
    - `relation`: such as 1 where two models share an architecture, else 0.
    - `permutations`: all N! are taken if they are no more than this, else so many drawn.

    The least p there can be is 1 / N!, or more where permutations leave `relation` as it
    is: of six models three of which are alike, 1 / 20. Correlation and p are NaN if
    either table is constant off its diagonal, or holds NaN there. Raises `ValueError`
    for tables that are not square and alike, of fewer than three models.
    """
    tables = [np.asarray(as_array(x), np.float64) for x in (values, relation)]
    n = len(tables[0])
    if any(table.shape != (n, n) for table in tables) or n < 3:
        raise ValueError(
            "Two tables of the same three or more models, (N, N); got "
            f"{tables[0].shape} and {tables[1].shape}."
        )
    off = ~np.eye(n, dtype=bool)
    a, b = (_standard(table, off) for table in tables)
    exact = math.factorial(n) <= permutations
    if exact:
        orders = np.array(list(itertools.permutations(range(n))))
    else:
        keys = jax.random.split(key, permutations)
        orders = np.asarray(jax.vmap(lambda k: jax.random.permutation(k, n))(keys))
    permuted = b[orders[:, :, None], orders[:, None, :]]
    null = (permuted * a).sum((1, 2)) / off.sum()
    return QapTest(float((a * b).sum() / off.sum()), null, exact)


def _standard(table, off) -> np.ndarray:
    """Off-diagonal entries of mean 0 and variance 1, the diagonal 0; NaN if constant."""
    entries = table[off]
    spread = entries.std()
    constant = not spread > rounding * np.abs(entries).max(initial=1)
    return np.where(off, (table - entries.mean()) / (np.nan if constant else spread), 0)
