r"""Two spaces whitened and turned into each other: canonical correlations.

With $X = U_x S_x V_x'$ and $Y = U_y S_y V_y'$ (centred) the whitened rows are $U_x$ and
$U_y$, and the singular value decomposition $U_x'U_y = P \rho Q'$ has the canonical
correlations (Hotelling, 1936; Björck & Golub, 1973). The rotation of whitened spaces
$V_x S_x^{-1} P Q' S_y V_y'$ gives mapped rows the target's covariance; with $\rho$ between
P and Q' it is least squares, which shrinks each direction by what it does not explain.
"""

import warnings

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.factor import pair_factor, PairFactor, pivot_cutoff
from ..core.linalg import matmul, spectrum_cutoff
from ..core.maps import AffineMap, LowRankMap
from ..core.moments import as_rows, joint_moments, JointMoments
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from .closed_form import as_ridge, own_precision


class CcaAlignment(eqx.Module):
    """Maps of two models into a space they share, and from one into the other.

    - `source` (d -> r), `target` (k -> r): to uncorrelated coordinates of mean 0 and
      variance 1 (without a ridge), in falling order of correlation between the two
    - `correlations (r,)`
    - `map` (d -> k): whitened, turned, and given the target's covariance
    - `predictor` (d -> k): the same with each direction shrunk by its correlation; of all
      r it is the least squares map
    """

    source: AffineMap
    target: AffineMap
    correlations: Float[Array, " r"]
    map: LowRankMap
    predictor: LowRankMap


def fit_cca(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    rank: int | None = None,
    *,
    weights: Float[Numeric, " n"] | None = None,
    ridge: float | int | Float[Numeric, ""] = 0.0,
) -> CcaAlignment:
    r"""Canonical correlation analysis of paired rows, and the maps it gives.

    **Arguments:**

    - `rank`: r, how many directions to keep; by default min(d, k).
    - `ridge`: $\lambda$ added to both Gram matrices, on the scale of sums over rows. With
      few rows it is needed: without one, and fewer rows than d + k, some correlations are
      1 whatever the data (a warning says so).

    Directions in which rows do not vary are left out: their coordinates are 0, as are
    correlations beyond the rank of the rows. NaN in a used row makes all NaN. Raises
    `ValueError` if rows do not pair up, or for another rank.
    """
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    (n, d), k, ridge = x.shape, y.shape[1], as_ridge(ridge)
    rank = _check_rank(rank, d, k)
    if n <= d + k and isinstance(ridge, float) and ridge == 0:
        warnings.warn(
            f"{n} rows of widths {d} and {k} have correlations of 1 by their number alone: "
            "pass ridge=, or gather more rows.",
            stacklevel=2,
        )
    return _fit_cca(x, y, weights, ridge, rank=rank)


def solve_cca(
    moments: JointMoments | PairFactor,
    rank: int | None = None,
    *,
    ridge: float | int | Float[Numeric, ""] = 0.0,
) -> CcaAlignment:
    """What `fit_cca` finds, from joint moments of two models or a factor of the rows."""
    if isinstance(moments, JointMoments) and len(moments.dims) == 2:
        d, k = moments.dims
    elif isinstance(moments, PairFactor):
        d, k = moments.d, moments.r.shape[-1] - 1 - moments.d
    else:
        raise ValueError(
            "This takes jfm.joint_moments of two models, or jfm.pair_factor of them; got a "
            f"{type(moments).__name__}."
        )
    return _solve_cca(moments, as_ridge(ridge), rank=_check_rank(rank, d, k))


def _check_rank(rank: int | None, d: int, k: int) -> int:
    rank = min(d, k) if rank is None else rank
    if not 1 <= rank <= min(d, k):
        raise ValueError(f"Widths {d} and {k} share 1 to {min(d, k)} directions: {rank}.")
    return rank


def _whiten(s, v, ridge, cutoff):
    """Roots of the Gram matrix, their inverses (0 where that is rounding), and vectors."""
    total = s + ridge
    keep = total > cutoff
    root = jnp.sqrt(jnp.where(keep, total, 1))
    return jnp.where(keep, root, 0), jnp.where(keep, 1 / root, 0), v


def _of_moments(m: JointMoments, ridge):
    a, b = m.columns

    def side(part):
        s, v = jnp.linalg.eigh(m.scatter[part, part])
        return _whiten(s, v, ridge, spectrum_cutoff(s[-1] + ridge, s.shape[0]))

    left, right = side(a), side(b)
    core = matmul(left[2].T, matmul(m.scatter[a, b], right[2]))
    return left, right, core, m.mean[a], m.mean[b], m.mass


def _of_factor(m: PairFactor, ridge, eps):
    def side(rows):
        _, s, vt = jnp.linalg.svd(rows, full_matrices=False)
        cutoff = (pivot_cutoff(s.shape[0], eps) * s[0]) ** 2
        return _whiten(s**2, vt.T, ridge, cutoff)

    a, b = m.centred
    left, right = side(a), side(b)
    core = matmul(matmul(a, left[2]).T, matmul(b, right[2]))
    return left, right, core, *m.means, m.r[0, 0] ** 2


def _cca(dtype, m, ridge, *, rank) -> CcaAlignment:
    eps = own_precision(m)
    m, ridge = widen((m, jnp.asarray(ridge)), dtype)
    of = _of_factor(m, ridge, eps) if isinstance(m, PairFactor) else _of_moments(m, ridge)
    (_, down_x, v_x), (up_y, down_y, v_y), core, mean_x, mean_y, mass = of
    core = down_x[:, None] * core * down_y[None]
    p, rho, qt = jnp.linalg.svd(core, full_matrices=False)
    p, rho, qt = p[:, :rank], rho[:rank], qt[:rank]
    to_shared_x = matmul(v_x, down_x[:, None] * p)
    to_shared_y = matmul(v_y, down_y[:, None] * qt.T)
    from_shared = matmul(qt * up_y[None], v_y.T)

    def into(weight, mean):
        weight = jnp.sqrt(mass) * weight
        return AffineMap(weight, -matmul(mean, weight))

    def across(left):
        return LowRankMap(
            left, from_shared, mean_y - matmul(matmul(mean_x, left), from_shared)
        )

    return CcaAlignment(
        source=into(to_shared_x, mean_x),
        target=into(to_shared_y, mean_y),
        correlations=rho,
        map=across(to_shared_x),
        predictor=across(to_shared_x * rho[None]),
    )


def _from_moments(dtype, x, y, weights, ridge, *, rank) -> CcaAlignment:
    x, y, weights = widen((x, y, weights), dtype)
    return _cca(dtype, joint_moments((x, y), weights), ridge, rank=rank)


def _from_factor(dtype, x, y, weights, ridge, *, rank) -> CcaAlignment:
    factor = pair_factor(*widen((x, y, weights), dtype))
    return _cca(dtype, factor, ridge, rank=rank)


_solve_cca = in_float64(_cca, static=("rank",))
_fit_cca = in_float64(_from_moments, without=_from_factor, static=("rank",))
