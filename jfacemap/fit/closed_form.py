r"""Least squares maps in closed form (paper 000, section 3.2; thesis 002, section 3).

`solve_*` reads a map off a statistic gathered anywhere (one batch, a stream, a mesh);
`fit_*` is `solve_*` of the moments of one batch, compiled as one program.
"""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float

from ..core.factor import least_squares, pair_factor, PairFactor
from ..core.linalg import matmul, solve_psd
from ..core.maps import AffineMap, LinearMap
from ..core.moments import as_rows, batch_moments, PairMoments
from ..core.precision import in_float64, unrounded, widen
from ..core.split_products import product
from ..core.types import Numeric
from ..core.wide import as_wide, is_wide, outer
from ..core.wide_solve import solve_wide


def fit_linear(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    *,
    weights: Float[Numeric, " n"] | None = None,
    ridge: float | int | Float[Numeric, ""] = 0.0,
) -> LinearMap:
    r"""Minimise $\sum_i w_i \|x_i W - y_i\|^2 + \lambda \|W\|_F^2$ over $W (d, k)$.

    The squared form of paper 000, eq. 2, whose closed form this is.

    **Arguments:**

    - `x`, `y`: rows of the same images under the source and the target model.
    - `weights`: non-negative row weights; a row of zero weight may hold NaN.
    - `ridge`: $\lambda \ge 0$ of the formula (scikit-learn's `alpha`), traced; where
      its value is not yet known, a negative one is not noticed.

    Of many solutions (n < d, or dependent columns) the one of least norm is returned;
    `jfm.diagnose` tells. A NaN in a used row makes the map NaN. Raises `ValueError` if
    rows do not pair up, or for a negative ridge.
    """
    x, y, weights, ridge = _check(x, y, weights, ridge, bias=0)
    return _fit_linear(x, y, weights, ridge)


def fit_affine(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    *,
    weights: Float[Numeric, " n"] | None = None,
    ridge: float | int | Float[Numeric, ""] = 0.0,
) -> AffineMap:
    r"""Minimise $\sum_i w_i \|x_i W + b - y_i\|^2 + \lambda \|W\|_F^2$ over $W$ and $b$.

    Thesis 002, eq. 3.1 (there with $\lambda = 0$). The bias is not penalised. Arguments,
    ties and NaN as in `fit_linear`.
    """
    x, y, weights, ridge = _check(x, y, weights, ridge, bias=1)
    return _fit_affine(x, y, weights, ridge)


def solve_linear(
    moments: PairMoments | PairFactor, *, ridge: float | int | Float[Numeric, ""] = 0.0
) -> LinearMap:
    """The map `fit_linear` finds, from moments or a factor of the rows.

    From a factor of float32 rows to a relative error of some 3 eps condition of the rows
    (eps 6e-8: 2e-3 at condition 1e4), from moments to eps. Where there is no float64
    (TPU), measured at width 32, and of
    rotations:

    | condition of the rows | 10 | 1e2 | 1e3 | 1e4 | 1e5 | 1e6 |
    |---|---|---|---|---|---|---|
    | from moments | 3e-8 | 3e-8 | 3e-8 | 8e-8 | 9e-6 | 1e-3 |
    | from a factor | 3e-7 | 6e-7 | 1e-6 | 1e-5 | 8e-4 | 1e-2 |
    | rotation, from moments | 3e-8 | 3e-8 | 3e-8 | 8e-8 | 1e-6 | 1e-5 |
    | rotation, from a factor | 2e-6 | 7e-4 | 8e-3 | 0.5 | 0.7 | 0.9 |

    There moments that lack rank give the map of least norm to some 1e-4, and reverse
    derivatives take them for of full rank.
    """
    check_pair(moments)
    return _solve_linear(moments, as_ridge(ridge))


def solve_affine(
    moments: PairMoments | PairFactor, *, ridge: float | int | Float[Numeric, ""] = 0.0
) -> AffineMap:
    """The map `fit_affine` finds, from moments or a factor; errors as `solve_linear`."""
    check_pair(moments)
    return _solve_affine(moments, as_ridge(ridge))


def uncentred(m: PairMoments) -> tuple[Any, Any]:
    r"""Products about the origin, $\sum w x'x$ and $\sum w x'y$, of widened moments."""
    xx = m.xx + m.mass * outer(m.mean_x, m.mean_x)
    xy = m.xy + m.mass * outer(m.mean_x, m.mean_y)
    return xx, xy


def spread_of(m: PairMoments):
    """`m.xx` of widened moments; 0 if all of it is rounding of the mean: rows are equal.

    The cutoff of a solution is relative to the largest spread, which would be rounding too.
    """
    if is_wide(m.xx):
        return m.xx
    eps = float(jnp.finfo(m.xx.dtype).eps)
    rounding = 4 * eps**2 * m.count * m.mass * jnp.sum(m.mean_x**2)
    return jnp.where(jnp.trace(m.xx) <= rounding, 0, m.xx)


def solve_ridge(xx, xy, ridge):
    """`(xx + ridge I)^-1 xy`, of minimum norm where that is singular."""
    if is_wide(xx):
        return solve_wide(xx + ridge * jnp.eye(xx.shape[0], dtype=ridge.dtype), xy)
    return solve_psd(xx + ridge * jnp.eye(xx.shape[0], dtype=xx.dtype), xy)


def bias_of(weight, mean_x, mean_y):
    """`mean_y - mean_x W`, which sends one mean to the other."""
    if is_wide(mean_x):
        return (mean_y - product(mean_x[None], as_wide(weight))[0]).high
    return mean_y - matmul(mean_x, weight)


def _linear(dtype, m, ridge) -> LinearMap:
    eps = own_precision(m)
    m, ridge = unrounded((m, jnp.asarray(ridge)), dtype)
    if isinstance(m, PairFactor):
        return LinearMap(least_squares(*m.linear, ridge, eps))
    return LinearMap(solve_ridge(*uncentred(m), ridge))


def _affine(dtype, m, ridge) -> AffineMap:
    eps = own_precision(m)
    m, ridge = unrounded((m, jnp.asarray(ridge)), dtype)
    if isinstance(m, PairFactor):
        weight, (mean_x, mean_y) = least_squares(*m.centred, ridge, eps), m.means
    else:
        weight, mean_x, mean_y = solve_ridge(spread_of(m), m.xy, ridge), m.mean_x, m.mean_y
    return AffineMap(weight, bias_of(weight, mean_x, mean_y))


def own_precision(m) -> float:
    """Precision a factor was gathered in, whatever it is solved in."""
    return float(jnp.finfo(m.r.dtype).eps) if isinstance(m, PairFactor) else 0.0


def _fit(solve):
    """`solve` of the moments of one batch; of its factor where there is no float64."""

    def from_moments(dtype, x, y, weights, ridge):
        return solve(dtype, batch_moments(dtype, x, y, weights), ridge)

    def from_factor(dtype, x, y, weights, ridge):
        x, y, weights = widen((x, y, weights), dtype)
        return solve(dtype, pair_factor(x, y, weights), ridge)

    return in_float64(from_moments, without=from_factor)


_solve_linear, _fit_linear = in_float64(_linear), _fit(_linear)
_solve_affine, _fit_affine = in_float64(_affine), _fit(_affine)


def check_pair(moments) -> None:
    """Raise `ValueError` unless these are moments or a factor of two models."""
    if not isinstance(moments, PairMoments | PairFactor):
        raise ValueError(
            "This takes jfm.pair_moments or jfm.pair_factor of two models; got a "
            f"{type(moments).__name__}. Of JointMoments take joint.pair(source, target), "
            "or jfm.fit_all_pairs(joint, kind)."
        )


def as_ridge(ridge):
    """`ridge` as a float; `ValueError` unless it is a number from 0, or not yet known."""
    if not isinstance(ridge, Tracer) and not np.all(np.asarray(ridge) >= 0):
        raise ValueError(f"A ridge is a penalty from 0 on; got {ridge}.")
    return float(ridge) if isinstance(ridge, int) else ridge


def _check(x, y, weights, ridge, bias: int):
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    ridge = as_ridge(ridge)
    if x.shape[0] < x.shape[1] + bias and isinstance(ridge, float) and ridge == 0:
        warnings.warn(
            f"{x.shape[0]} rows do not determine a map from width {x.shape[1]}: of the "
            "many that fit exactly this is the one of least norm. Pass ridge=, fit a "
            "rotation, or gather more rows.",
            stacklevel=3,
        )
    return x, y, weights, ridge
