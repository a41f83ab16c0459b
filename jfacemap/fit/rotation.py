r"""Rotations between spaces: orthogonal Procrustes about the origin, and similarity.

Paper 000, section 3.2 and eq. 3 (Wahba, 1965; Kabsch, 1976; Schönemann, 1966).
"""

import warnings

import jax.numpy as jnp
from jaxtyping import Float

from ..core.factor import PairFactor
from ..core.linalg import matmul
from ..core.maps import RotationMap, SimilarityMap
from ..core.moments import as_rows, PairMoments, whole_moments
from ..core.polar import polar
from ..core.precision import in_float64, unrounded, widen
from ..core.types import Numeric
from .closed_form import check_pair, uncentred


def fit_rotation(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    *,
    weights: Float[Numeric, " n"] | None = None,
    reflection: bool = False,
) -> RotationMap:
    r"""Minimise $\sum_i w_i \|x_i R - y_i\|^2$ over rotations $R (d, k)$.

    $R = U\,\mathrm{diag}(1, \dots, 1, \pm 1)\,V'$ where $U \Sigma V' = \sum w_i x_i'y_i$
    (paper 000, eq. 3); rows are not centred, the turn is about the origin. With
    `reflection` the determinant may be -1, which fits no worse. Widths may differ: then
    R has orthonormal rows (d < k) or columns (d > k), the maximiser of
    $\mathrm{tr}(R' \sum w_i x_i'y_i)$, and no sign is fixed.

    With fewer rows than min(d, k) R is not unique: directions unseen by the rows are
    completed by the singular vectors of the cross product, deterministically. NaN in a
    used row makes R NaN. Raises `ValueError` if rows do not pair up.
    """
    x, y, weights = _check(x, y, weights)
    return _fit_rotation(x, y, weights, reflection=reflection)


def fit_similarity(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    *,
    weights: Float[Numeric, " n"] | None = None,
    reflection: bool = False,
) -> SimilarityMap:
    r"""Minimise $\sum_i w_i \|s\,x_i R + b - y_i\|^2$ over scale, rotation and shift.

    Scaled, centred Procrustes (Umeyama, 1991): R from the centred cross product C, then
    $s = \mathrm{tr}(R'C) / \sum w_i \|(x_i - \bar x) R\|^2$. For d > k the scale is the
    best for that R; a joint optimum has no closed form. NaN if all rows are equal.
    """
    x, y, weights = _check(x, y, weights)
    return _fit_similarity(x, y, weights, reflection=reflection)


def solve_rotation(
    moments: PairMoments | PairFactor, *, reflection: bool = False
) -> RotationMap:
    """The rotation `fit_rotation` finds, from moments or a factor of the rows."""
    check_pair(moments)
    return _solve_rotation(moments, reflection=reflection)


def solve_similarity(
    moments: PairMoments | PairFactor, *, reflection: bool = False
) -> SimilarityMap:
    """The similarity `fit_similarity` finds, from moments or a factor of the rows."""
    check_pair(moments)
    return _solve_similarity(moments, reflection=reflection)


def _check(x, y, weights):
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    if x.shape[0] < min(x.shape[1], y.shape[1]):
        warnings.warn(
            f"{x.shape[0]} rows do not determine a rotation of widths {x.shape[1]} and "
            f"{y.shape[1]}: unseen directions are completed arbitrarily.",
            stacklevel=3,
        )
    return x, y, weights


def _moments(dtype, m) -> PairMoments:
    m = unrounded(m, dtype)
    return m.moments if isinstance(m, PairFactor) else m


def _rotation(dtype, m, *, reflection) -> RotationMap:
    _, cross = uncentred(_moments(dtype, m))
    return RotationMap(polar(cross, reflection))


def _similarity(dtype, m, *, reflection) -> SimilarityMap:
    m = _moments(dtype, m)
    rotation = polar(m.xy, reflection)
    m = widen(m, dtype)
    # For d > k the source loses the directions R drops; their energy is not scaled.
    kept = jnp.sum(rotation * matmul(m.xx, rotation))
    # Rows that are all equal leave the rounding of their mean, not a spread.
    rounding = (8 * jnp.finfo(dtype).eps) ** 2 * m.mass * jnp.sum(m.mean_x**2)
    scale = jnp.sum(rotation * m.xy) / jnp.where(kept > rounding, kept, jnp.nan)
    bias = m.mean_y - scale * matmul(m.mean_x, rotation)
    return SimilarityMap(rotation, scale, bias)


def _fit(solve):
    def kernel(dtype, x, y, weights, *, reflection):
        return solve(dtype, whole_moments(dtype, x, y, weights), reflection=reflection)

    return in_float64(kernel, static=("reflection",))


_solve_rotation = in_float64(_rotation, static=("reflection",))
_solve_similarity = in_float64(_similarity, static=("reflection",))
_fit_rotation, _fit_similarity = _fit(_rotation), _fit(_similarity)
