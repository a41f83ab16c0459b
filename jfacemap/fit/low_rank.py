r"""Maps through fewer dimensions: reduced-rank regression (Izenman, 1975).

Of all maps of rank r the one nearest in least squares is the least squares map W followed
by a projection of the target space, $W V_r V_r'$, with $V_r$ the first r eigenvectors of
$W'(X'X + \lambda I)W$. The ranks are nested: one decomposition serves all of them.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..core.factor import least_squares, pair_factor, PairFactor
from ..core.linalg import matmul
from ..core.maps import LowRankMap
from ..core.moments import as_rows, batch_moments, PairMoments
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from .closed_form import as_ridge, check_pair, own_precision, solve_ridge, uncentred


Rank = int | Sequence[int]
Ridge = float | int | Float[Numeric, ""]


def fit_low_rank(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    rank: Rank,
    *,
    weights: Float[Numeric, " n"] | None = None,
    ridge: Ridge = 0.0,
    bias: bool = True,
) -> LowRankMap:
    r"""Minimise $\sum_i w_i \|x_i L R + b - y_i\|^2 + \lambda \|LR\|^2$ over L, R and b.

    `left (d, r)` and `right (r, k)`, r = `rank`, whose rows are orthonormal, in falling
    order of what mapped rows have along them. A list of ranks gives a stack of maps, along
    a leading axis, padded with zeros to the largest, from one decomposition. Without `bias`
    it is zero, and nothing is centred. Ridge, weights, ties and NaN as in `fit_linear`,
    which this is at full rank where d >= k. Raises `ValueError`
    unless ranks are from 1 to min(d, k).
    """
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    ranks, width = check_ranks(rank, x.shape[1], y.shape[1])
    return _fit(x, y, weights, as_ridge(ridge), ranks, width=width, bias=bias)


def solve_low_rank(
    moments: PairMoments | PairFactor, rank: Rank, *, ridge: Ridge = 0.0, bias: bool = True
) -> LowRankMap:
    """The maps `fit_low_rank` finds, from moments or a factor of the rows."""
    check_pair(moments)
    ranks, width = check_ranks(rank, *widths(moments))
    return _solve(moments, as_ridge(ridge), ranks, width=width, bias=bias)


def widths(m: PairMoments | PairFactor) -> tuple[int, int]:
    """Of source and target."""
    if isinstance(m, PairFactor):
        return m.d, m.r.shape[-1] - 1 - m.d
    return m.mean_x.shape[-1], m.mean_y.shape[-1]


def check_ranks(rank, d: int, k: int):
    """Ranks on the host, and the widest: one alone is the width of its own factors."""
    ranks = np.asarray(rank)
    if ranks.ndim > 1 or ranks.dtype.kind not in "iu" or not ranks.size:
        raise ValueError(f"A rank is a whole number, or a list of them; got {rank!r}.")
    if ranks.min() < 1 or ranks.max() > min(d, k):
        raise ValueError(
            f"Ranks of maps from width {d} to {k} are 1 to {min(d, k)}; got {rank}."
        )
    return ranks.astype(np.int32), int(ranks.max())


def frame(m: PairMoments | PairFactor, ridge, eps, *, bias):
    """Least squares weights, the means, and target directions in falling order."""
    if isinstance(m, PairFactor):
        a, b = m.centred if bias else m.linear
        weight, means = least_squares(a, b, ridge, eps), m.means
        mapped = jnp.concatenate([matmul(a, weight), jnp.sqrt(ridge) * weight])
        basis = jnp.linalg.svd(mapped, full_matrices=False)[2].T
    else:
        xx, xy = (m.xx, m.xy) if bias else uncentred(m)
        weight, means = solve_ridge(xx, xy, ridge), (m.mean_x, m.mean_y)
        energy = matmul(weight.T, xy)  # W'(X'X + r I)W, for that W
        basis = jnp.linalg.eigh((energy + energy.T) / 2)[1][:, ::-1]
    mean_x, mean_y = means if bias else map(jnp.zeros_like, means)
    return weight, basis, mean_x, mean_y


def cut_off(weight, basis, mean_x, mean_y, ranks, width) -> LowRankMap:
    """The map of each rank; of one alone without a leading axis."""
    basis = basis[:, :width]
    left, right = matmul(weight, basis), basis.T

    def one(rank):
        kept = (jnp.arange(width, dtype=jnp.int32) < rank).astype(basis.dtype)
        a, b = left * kept[None], right * kept[:, None]
        return LowRankMap(a, b, mean_y - matmul(matmul(mean_x, a), b))

    return jax.vmap(one)(ranks) if ranks.ndim else one(ranks)


def _low_rank(dtype, m, ridge, ranks, *, width, bias) -> LowRankMap:
    eps = own_precision(m)
    m, ridge = widen((m, jnp.asarray(ridge)), dtype)
    return cut_off(*frame(m, ridge, eps, bias=bias), jnp.asarray(ranks), width)


def _factor(dtype, x, y, weights) -> PairFactor:
    return pair_factor(*widen((x, y, weights), dtype))


def _of_rows(solve, summarise):
    def kernel(dtype, x, y, weights, *given, **options):
        return solve(dtype, summarise(dtype, x, y, weights), *given, **options)

    return kernel


_options = "width", "bias"
_solve = in_float64(_low_rank, static=_options)
_fit = in_float64(
    _of_rows(_low_rank, batch_moments),
    without=_of_rows(_low_rank, _factor),
    static=_options,
)
