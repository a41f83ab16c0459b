r"""Ridge maps for many penalties at once, and which of them people held out prefer.

One eigendecomposition of the Gram matrix serves every ridge, and the moments of a fold say
how far a map fitted on the others is off (`held_out`): the whole path, cross-validated,
from one pass over the rows.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Shaped

from ..core.factor import pair_factor, PairFactor
from ..core.linalg import matmul
from ..core.maps import AffineMap, LinearMap
from ..core.moments import as_rows, batch_moments, PairMoments
from ..core.precision import in_float64, outer_dtype, widen
from ..core.types import Numeric
from .closed_form import as_ridge, check_pair, own_precision
from .folds import as_folds
from .groups import check_folds, gather_groups, places
from .held_out import (
    about,
    all_but,
    each_fold,
    mass_of,
    spectrum,
    total_spread,
    where_least,
)


Ridges = Sequence[float] | Float[Numeric, " r"]


class RidgePath(eqx.Module):
    """Ridge maps, and their errors on rows they were not fitted on.

    Errors are squared lengths, the mean over rows: compare with `spread`, that of the
    targets about their mean (about the origin, without a bias).

    - `map`: of the ridge chosen, fitted on all rows; `ridge`: that, or one a target (k,)
    - `maps`: of every ridge, stacked along a leading axis (ridges,)
    - `ridges (ridges,)`; `error (ridges,)`: over all rows, each held out once
    - `fold_error (folds, ridges)`: NaN for a fold without weight
    - `target_error (ridges, k)`: by target column; None unless chosen per target
    """

    map: LinearMap | AffineMap
    ridge: Float[Array, "*k"]
    maps: LinearMap | AffineMap
    ridges: Float[Array, " ridges"]
    error: Float[Array, " ridges"]
    fold_error: Float[Array, "folds ridges"]
    target_error: Float[Array, "ridges k"] | None
    spread: Float[Array, ""]

    @property
    def best(self) -> Int[Array, "*k"]:
        """Where in `ridges` the least error is, of each target if chosen so."""
        errors = self.error if self.target_error is None else self.target_error
        return where_least(errors)

    @property
    def simplest(self) -> Int[Array, ""]:
        """Where the largest ridge is that is within a standard error of the least error.

        The standard error is that of the mean over folds (Hastie, Tibshirani & Friedman,
        2009, section 7.10): a choice for caution, `maps` has its map. Folds without
        weight do not count; of one fold alone there is none, and this is `best`.
        """
        least = where_least(self.error)
        errors = self.fold_error[:, least]
        folds = jnp.sum(~jnp.isnan(errors)).astype(errors.dtype)
        noise = jnp.nanstd(errors, ddof=1) / jnp.sqrt(folds)
        near = self.error <= self.error[least] + jnp.where(folds > 1, noise, 0)
        return jnp.argmax(jnp.where(near, self.ridges, -1)).astype(jnp.int32)


def ridge_grid(
    moments: PairMoments | PairFactor,
    number: int = 21,
    *,
    low: float = 1e-8,
    high: float = 1e2,
    bias: bool = True,
) -> Float[Array, " number"]:
    r"""Ridges from `low` to `high` times $\mathrm{tr}(X'X) / d$, evenly on a log scale.

    The penalty stands beside a sum over rows: what is small or large depends on their
    number and length, hence on the mean eigenvalue of their Gram matrix. Of the moments of
    rows, or of folds stacked; about the mean if there is a `bias`.
    """
    check_pair(moments)
    if number < 1 or not 0 < low <= high:
        raise ValueError(f"Need 0 < low <= high; got {number} from {low} to {high}.")
    steps = np.geomspace(low, high, number, dtype=outer_dtype(moments))
    return _mean_eigenvalue(moments, bias=bias) * steps


def fit_ridge_path(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    ridges: Ridges | None = None,
    *,
    folds: int | Int[Numeric, " n"] = 5,
    groups: Shaped[Numeric, " n"] | None = None,
    weights: Float[Numeric, " n"] | None = None,
    bias: bool = True,
    per_target: bool = False,
    mesh: Mesh | None = None,
) -> RidgePath:
    r"""`fit_affine` for every ridge $\lambda$, and the one of least cross-validated error.

    **Arguments:**

    - `x`, `y`, `weights`: as in `fit_affine`. Errors are weighted too.
    - `ridges (r,)`: penalties from 0 on, in any order; by default those of `ridge_grid`.
    - `folds`: how many parts the rows are cut into, each held out once; or of each row the
      part it is in, from 0. With `groups (n,)`, labels of who or what a row shows, no group
      is on both sides (`assign_folds`). Without, parts are blocks of neighbouring rows.
    - `bias`: False for `fit_linear`'s maps. `per_target`: choose a ridge for each column of
      y, which costs a product for each ridge.
    - `mesh`: each of its devices takes its share of the folds, and holds all rows.

    The error of a map is the squared length of $xW + b - y$, found from moments in float64:
    an error below 1e-14 of the spread of y is rounding. NaN in a used row makes all NaN.
    Reverse-mode derivatives are NaN where two eigenvalues of the Gram matrix are equal.
    Raises `ValueError` for folds or ridges that cannot be.
    """
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    place, real = places(as_folds(x.shape[0], folds, groups))
    ridges = _check_ridges(ridges, outer_dtype(x, y))
    options = {"bias": bias, "per_target": per_target, "mesh": mesh}
    return _fit_path(x, y, weights, place, real, ridges, **options)


def solve_ridge_path(
    folds: PairMoments | PairFactor,
    ridges: Ridges | None = None,
    *,
    bias: bool = True,
    per_target: bool = False,
    mesh: Mesh | None = None,
) -> RidgePath:
    """The path `fit_ridge_path` finds, from the stacked summaries of folds.

    As `group_moments` makes them, or `jax.vmap(jfm.pair_factor)` of rows `(folds, m, d)`.
    Devices of a `mesh` share the folds.
    """
    check_folds(folds)
    ridges = _check_ridges(ridges, outer_dtype(folds))
    options = {"bias": bias, "per_target": per_target, "mesh": mesh}
    return _solve_path(folds, ridges, **options)


def _check_ridges(ridges, dtype):
    """An array of `dtype`, so that it has no say in what is returned."""
    if ridges is None:
        return None
    ridges = ridges if isinstance(ridges, jax.Array) else np.asarray(ridges)
    as_ridge(ridges)
    if ridges.ndim != 1 or not ridges.shape[0]:
        raise ValueError(f"ridges is a list of penalties; got shape {ridges.shape}.")
    return ridges.astype(dtype)


def _mean_eigenvalue_kernel(dtype, m, *, bias):
    m = widen(m, dtype)
    if m.count.ndim:
        m = all_but(m, -1)
    if isinstance(m, PairFactor):
        trace = jnp.sum((m.centred if bias else m.linear)[0] ** 2)
        return trace / m.d
    trace = jnp.trace(m.xx) + (0 if bias else m.mass * jnp.sum(m.mean_x**2))
    return trace / m.mean_x.shape[0]


def _path(dtype, folds, ridges, *, bias, per_target, mesh) -> RidgePath:
    eps = own_precision(folds)
    folds, ridges = widen((folds, ridges), dtype)
    whole = all_but(folds, -1)
    if ridges is None:
        # No table of constants, which would be float64 in programs that have none.
        step = jnp.log(jnp.asarray(10, dtype)) / 2
        steps = jnp.exp(step * (jnp.arange(21, dtype=dtype) - 16))
        ridges = steps * _mean_eigenvalue_kernel(dtype, whole, bias=bias)
    gains = lambda fitted, ridges: jax.vmap(fitted.gain)(ridges)

    def judge(train, fold, ridges):
        fitted = spectrum(train, eps, bias=bias)
        seen = about(fold, fitted.mean_x, fitted.mean_y).turn(fitted.v)
        if not per_target:
            return seen.along(gains(fitted, ridges), fitted.z)
        miss = lambda gain: seen.miss(gain[:, None] * fitted.z)
        return jax.lax.map(miss, gains(fitted, ridges))

    mass, missed = mass_of(folds), each_fold(folds, judge, ridges, mesh=mesh)
    by_target = jnp.sum(missed, axis=0) / jnp.sum(mass) if per_target else None
    missed = jnp.sum(missed, axis=2) if per_target else missed
    error = jnp.sum(missed, axis=0) / jnp.sum(mass)
    fold_error = missed / jnp.where(mass > 0, mass, jnp.nan)[:, None]

    fitted = spectrum(whole, eps, bias=bias)
    map_of = lambda gain: matmul(fitted.v, gain[:, None] * fitted.z)
    weight = jax.lax.map(map_of, gains(fitted, ridges))
    best = where_least(error if by_target is None else by_target)
    if by_target is None:
        chosen = weight[best]
    else:
        chosen = jnp.take_along_axis(weight, best[None, None], axis=0)[0]

    def make(weight):
        if not bias:
            return LinearMap(weight)
        return AffineMap(weight, fitted.mean_y - matmul(fitted.mean_x, weight))

    return RidgePath(
        map=make(chosen),
        ridge=ridges[best],
        maps=jax.vmap(make)(weight),
        ridges=ridges,
        error=error,
        fold_error=fold_error,
        target_error=by_target,
        spread=total_spread(whole, bias=bias) / jnp.sum(mass),
    )


def _factor(dtype, x, y, weights) -> PairFactor:
    return pair_factor(*widen((x, y, weights), dtype))


def _of_folds(summarise):
    def kernel(dtype, x, y, weights, place, real, ridges, *, mesh, **options) -> RidgePath:
        folds = gather_groups(dtype, x, y, weights, place, real, summarise, mesh)
        return _path(dtype, folds, ridges, mesh=mesh, **options)

    return kernel


_options = "bias", "per_target", "mesh"
_mean_eigenvalue = in_float64(_mean_eigenvalue_kernel, static=("bias",))
_solve_path = in_float64(_path, static=_options)
_fit_path = in_float64(
    _of_folds(batch_moments), without=_of_folds(_factor), static=_options
)
