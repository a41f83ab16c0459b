r"""How many dimensions a map needs: all ranks, cross-validated, from one decomposition.

The errors of nested ranks on a held-out fold are one cumulative sum over directions of the
target space (`held_out`).
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Shaped

from ..core.factor import pair_factor, PairFactor
from ..core.maps import LowRankMap
from ..core.moments import as_rows, batch_moments, PairMoments
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from .closed_form import as_ridge, own_precision
from .folds import as_folds
from .groups import check_folds, gather_groups, places
from .held_out import about, all_but, each_fold, mass_of, total_spread, where_least
from .low_rank import check_ranks, cut_off, frame, Ridge, widths


class LowRankPath(eqx.Module):
    """Maps of several ranks, and their errors on rows they were not fitted on.

    Errors are squared lengths, the mean over rows: compare with `spread`, that of the
    targets about their mean (about the origin, without a bias).

    - `map`: of the rank chosen, fitted on all rows; its inner width is the largest rank,
      padded with zeros. `rank ()`: that
    - `maps`: of every rank, stacked along a leading axis (ranks,), padded likewise
    - `ranks (ranks,)`; `error (ranks,)`: over all rows, each held out once
    - `fold_error (folds, ranks)`: NaN for a fold without weight
    """

    map: LowRankMap
    rank: Int[Array, ""]
    maps: LowRankMap
    ranks: Int[Array, " ranks"]
    error: Float[Array, " ranks"]
    fold_error: Float[Array, "folds ranks"]
    spread: Float[Array, ""]


def fit_low_rank_path(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    ranks: Sequence[int] | None = None,
    *,
    folds: int | Int[Numeric, " n"] = 5,
    groups: Shaped[Numeric, " n"] | None = None,
    weights: Float[Numeric, " n"] | None = None,
    ridge: Ridge = 0.0,
    bias: bool = True,
    mesh: Mesh | None = None,
) -> LowRankPath:
    """`fit_low_rank` for several ranks, and the one of least cross-validated error.

    `ranks` by default are powers of two and min(d, k). Folds, groups, weights, errors and
    `mesh` as in `fit_ridge_path`; the ridge is the same for all.
    """
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    place, real = places(as_folds(x.shape[0], folds, groups))
    chosen, width = _check_path(ranks, x.shape[1], y.shape[1])
    given = x, y, weights, place, real, as_ridge(ridge), chosen
    return _fit_path(*given, width=width, bias=bias, mesh=mesh)


def solve_low_rank_path(
    folds: PairMoments | PairFactor,
    ranks: Sequence[int] | None = None,
    *,
    ridge: Ridge = 0.0,
    bias: bool = True,
    mesh: Mesh | None = None,
) -> LowRankPath:
    """The path `fit_low_rank_path` finds, from the stacked summaries of folds."""
    check_folds(folds)
    chosen, width = _check_path(ranks, *widths(folds))
    given = folds, as_ridge(ridge), chosen
    return _solve_path(*given, width=width, bias=bias, mesh=mesh)


def _check_path(ranks, d: int, k: int):
    if ranks is None:
        most = min(d, k)
        ranks = [*(2**i for i in range(most.bit_length()) if 2**i < most), most]
    ranks, width = check_ranks(ranks, d, k)
    if ranks.ndim != 1:
        raise ValueError(f"A path has a list of ranks; got {ranks}.")
    return ranks, width


def _path(dtype, folds, ridge, ranks, *, width, bias, mesh) -> LowRankPath:
    eps, ranks = own_precision(folds), jnp.asarray(ranks)
    folds, ridge = widen((folds, jnp.asarray(ridge)), dtype)

    def judge(train, fold, ridge, ranks):
        weight, basis, *means = frame(train, ridge, eps, bias=bias)
        return about(fold, *means).nested(weight, basis)[ranks]

    mass, missed = mass_of(folds), each_fold(folds, judge, ridge, ranks, mesh=mesh)
    error = jnp.sum(missed, axis=0) / jnp.sum(mass)
    whole, best = all_but(folds, -1), where_least(error)
    whole_frame = frame(whole, ridge, eps, bias=bias)
    return LowRankPath(
        map=cut_off(*whole_frame, ranks[best], width),
        rank=ranks[best],
        maps=cut_off(*whole_frame, ranks, width),
        ranks=ranks,
        error=error,
        fold_error=missed / jnp.where(mass > 0, mass, jnp.nan)[:, None],
        spread=total_spread(whole, bias=bias) / jnp.sum(mass),
    )


def _factor(dtype, x, y, weights) -> PairFactor:
    return pair_factor(*widen((x, y, weights), dtype))


def _of_folds(summarise):
    def kernel(dtype, x, y, weights, place, real, *given, mesh, **options):
        folds = gather_groups(dtype, x, y, weights, place, real, summarise, mesh)
        return _path(dtype, folds, *given, mesh=mesh, **options)

    return kernel


_options = "width", "bias", "mesh"
_solve_path = in_float64(_path, static=_options)
_fit_path = in_float64(
    _of_folds(batch_moments), without=_of_folds(_factor), static=_options
)
