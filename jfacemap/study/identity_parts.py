"""Does a map come from who people are, or from how one person's images differ?

Rows are the mean of their identity plus a deviation, and their products are the sum

    sum_i x_i y_i' = sum_s n_s m_s k_s' + sum_i (x_i - m_s)(y_i - k_s)',

with m_s and k_s the means of identity s: between identities and within them (the
decomposition of MANOVA and of LDA).
"""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int, Shaped

from ..core.types import as_array, Numeric


class IdentityParts(eqx.Module):
    """Rows of each model in two parts, to fit maps on either.

    - `between`: of each model `(people, d)`, the mean of each identity
    - `count (people,)`: its images: the weights of `between`
    - `within`: of each model `(n, d)`, the rows less the mean of their identity

    The moments of `between` with weights `count`, and those of `within`, merge to products
    equal to those of the rows: `solve_linear` and `solve_rotation` find the same.
    """

    between: list[Float[np.ndarray, "people _"]]
    count: Int[np.ndarray, " people"]
    within: list[Float[np.ndarray, "n _"]]


def identity_parts(
    embeddings: Sequence[Float[Numeric, "n _"]], label: Shaped[Numeric, " n"]
) -> IdentityParts:
    """Split rows into the means of their identities, in sorted order, and the rest.

    Identities of one image have deviation zero. Raises `ValueError` if labels are not
    one a row.
    """
    label = np.asarray(as_array(label))
    _, who, count = np.unique(label, return_inverse=True, return_counts=True)
    between, within = [], []
    for x in embeddings:
        x = np.asarray(as_array(x))
        if label.shape != x.shape[:1]:
            raise ValueError(f"Labels {label.shape} are not one a row of {x.shape}.")
        order = np.argsort(who, kind="stable")
        starts = np.cumsum(count) - count
        mean = np.add.reduceat(np.float64(x[order]), starts) / count[:, None]
        between.append(mean.astype(x.dtype))
        within.append((x - mean[who]).astype(x.dtype))
    return IdentityParts(between, count, within)
