r"""Indices from canonical correlations: how well directions of two spaces correlate.

The canonical correlations $\rho_1 \ge \rho_2 \ge \dots$ are the singular values of
$S_{aa}^{-1/2} S_{ab} S_{bb}^{-1/2}$; there are as many as the lesser rank of the two. All
are 1 where rows are fewer than dimensions, and rise with d / n before that: compare with
rows paired at random.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core.linalg import matmul, spectrum_cutoff
from ...core.moments import JointMoments
from ...core.precision import in_float64, widen
from ...core.types import Numeric
from .given import check_joint


def mean_cca(joint: JointMoments) -> Float[Array, "N N"]:
    r"""Mean canonical correlation of all models (Kornblith et al., 2019, eq. 6).

    The mean of $\rho_i$ over the lesser rank of the two. From 0 to 1, invariant to any
    regular map of either space. Directions whose variance is rounding are left out. NaN
    for a model whose rows are all equal.
    """
    check_joint(joint, "mean_cca")
    return _mean_cca(joint, 1.0)


def svcca(
    joint: JointMoments, *, share: float | Float[Numeric, ""] = 0.99
) -> Float[Array, "N N"]:
    """Mean canonical correlation of the strongest directions (Raghu et al., 2017).

    Of each model the fewest principal axes that hold `share` of its variance, traced.
    """
    check_joint(joint, "svcca")
    if isinstance(share, float | int) and not 0 < share <= 1:
        raise ValueError(f"share is of the variance, above 0 and at most 1; got {share}.")
    return _mean_cca(joint, share)


def pwcca(joint: JointMoments) -> Float[Array, "N N"]:
    r"""Canonical correlations weighted by what they stand for (Morcos et al., 2018).

    Entry (a, b) is $\sum_i \alpha_i \rho_i / \sum_i \alpha_i$ with
    $\alpha_i = \sum_j |\langle h_i, x_j \rangle|$, where $h_i$ is the i-th canonical
    variate of model a and $x_j$ its j-th column: weighted by what a has along it, so that
    the table is not symmetric. NaN for a model whose rows are all equal.
    """
    check_joint(joint, "pwcca")
    return _pwcca(joint)


def _axes(joint: JointMoments, column: slice, share):
    """Whitened principal axes `v / sqrt(s)`, those left out zero; and `sqrt(s)`, `v`."""
    s, v = jnp.linalg.eigh(joint.scatter[column, column])
    s = jnp.maximum(s, 0)
    # From the strongest down, until those before hold the share.
    before = jnp.cumsum(s[::-1])[::-1] - s
    kept = s > spectrum_cutoff(s[-1], s.shape[0])
    kept = kept & ((before < share * jnp.sum(s)) | (share >= 1))
    root = jnp.sqrt(jnp.where(kept, s, 1))
    return jnp.where(kept[None], v / root[None], 0), jnp.where(kept, root, 0), v, kept


def _crossed(joint, spaces, a: int, b: int):
    columns = joint.columns
    cross = joint.scatter[columns[a], columns[b]]
    return matmul(spaces[a][0].T, matmul(cross, spaces[b][0]))


def _mean_kernel(dtype, joint, share):
    joint, share = widen((joint, jnp.asarray(share)), dtype)
    spaces = [_axes(joint, column, share) for column in joint.columns]
    ranks = [jnp.sum(space[3], dtype=dtype) for space in spaces]

    def entry(a, b):
        if a == b:
            return jnp.where(ranks[a] > 0, jnp.ones((), dtype), jnp.nan)
        rho = jnp.linalg.svd(_crossed(joint, spaces, a, b), compute_uv=False)
        rank = jnp.minimum(ranks[a], ranks[b])
        mean = jnp.sum(jnp.minimum(rho, 1)) / jnp.where(rank > 0, rank, 1)
        return jnp.where(rank > 0, mean, jnp.nan)

    n = len(spaces)
    upper = {(a, b): entry(a, b) for a in range(n) for b in range(a, n)}
    table = [[upper[min(a, b), max(a, b)] for b in range(n)] for a in range(n)]
    return jnp.stack(list(map(jnp.stack, table)))


def _pwcca_kernel(dtype, joint):
    joint = widen(joint, dtype)
    spaces = [_axes(joint, column, 1) for column in joint.columns]
    n, ranks = len(spaces), [jnp.sum(space[3]) for space in spaces]
    table = {(a, a): jnp.where(ranks[a] > 0, 1, jnp.nan) for a in range(n)}
    for a in range(n):
        for b in range(a + 1, n):
            u, rho, vt = jnp.linalg.svd(_crossed(joint, spaces, a, b), full_matrices=False)
            # Beyond the lesser rank are no correlations: zeros in arbitrary directions.
            there = jnp.arange(rho.shape[0]) < jnp.minimum(ranks[a], ranks[b])
            rho = jnp.minimum(rho, 1)
            table[a, b] = _weighted(rho, there, spaces[a], u)
            table[b, a] = _weighted(rho, there, spaces[b], vt.T)
    whole = [jnp.stack([table[a, b] for b in range(n)]) for a in range(n)]
    return jnp.stack(whole).astype(dtype)


def _weighted(rho, there, space, u):
    # h_i = X v s^(-1/2) u_i, so that <h_i, x_j> is the j-th number of u_i' s^(1/2) v'.
    _, root, v, _ = space
    alpha = jnp.sum(jnp.abs(matmul((u * root[:, None]).T, v.T)), axis=1)
    alpha = jnp.where(there, alpha, 0)
    total = jnp.sum(alpha)
    weighted = jnp.sum(alpha * rho) / jnp.where(total > 0, total, 1)
    return jnp.where(total > 0, weighted, jnp.nan)


_mean_cca = in_float64(_mean_kernel)
_pwcca = in_float64(_pwcca_kernel)
