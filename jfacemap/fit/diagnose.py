"""How far a statistic determines a least squares map."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.factor import least_squares, PairFactor, pivot_cutoff
from ..core.linalg import matmul, solve_psd, spectrum_cutoff
from ..core.moments import PairMoments
from ..core.precision import in_float64, widen
from .closed_form import check_pair, own_precision, uncentred


class FitInfo(eqx.Module):
    """What the rows say about a map before it is used.

    - `condition`: ratio of the extreme singular values of the source rows; infinite if
      `rank` is short. Relative errors of the map grow with its square times 1e-16.
    - `rank`: source directions the rows determine, out of d.
    - `count`: rows of nonzero weight.
    - `residual`: share of the target's energy the least squares map leaves unexplained,
      $\\sum w \\|x W - y\\|^2 / \\sum w \\|y\\|^2$; about the means if `centered`.
    """

    condition: Float[Array, ""]
    rank: Float[Array, ""]
    count: Float[Array, ""]
    residual: Float[Array, ""]


def diagnose(moments: PairMoments | PairFactor, *, centered: bool = False) -> FitInfo:
    """Condition, rank, count and residual of a linear fit (affine if `centered`)."""
    check_pair(moments)
    return _diagnose(moments, centered=centered)


def _diagnose_kernel(dtype, m, *, centered) -> FitInfo:
    summary = _of_factor if isinstance(m, PairFactor) else _of_moments
    s, cutoff, left, energy = summary(dtype, m, centered)
    rank = jnp.sum(s > cutoff, dtype=dtype)
    full = rank == s.shape[0]
    condition = jnp.where(full, s[-1] / jnp.where(full, s[0], 1), jnp.inf)
    residual = jnp.maximum(left, 0) / energy
    return FitInfo(condition, rank, widen(m.count, dtype), residual)


def _of_moments(dtype, m, centered):
    """Rising singular values of the source, which are rounding; what W leaves, of what."""
    m = widen(m, dtype)
    if centered:
        xx, xy, energy = m.xx, m.xy, jnp.sum(m.yy)
    else:
        xx, xy = uncentred(m)
        energy = jnp.sum(m.yy) + m.mass * jnp.sum(m.mean_y**2)
    s = jnp.linalg.eigvalsh(xx)
    # |XW - Y|^2 = W'XXW - 2 W'XY + YY, so that an error in W enters squared.
    w = solve_psd(xx, xy)
    left = energy - jnp.sum(w * (2 * xy - matmul(xx, w)))
    cutoff = spectrum_cutoff(s[-1], s.shape[0])
    return jnp.sqrt(jnp.maximum(s, 0)), jnp.sqrt(cutoff), left, energy


def _of_factor(dtype, m, centered):
    """As `_of_moments`, without squaring anything."""
    eps = own_precision(m)
    m = widen(m, dtype)
    a, b = m.centred if centered else m.linear
    s = jnp.linalg.svd(a, compute_uv=False)[::-1]
    w = least_squares(a, b, jnp.zeros((), dtype), eps)
    left = jnp.sum((matmul(a, w) - b) ** 2)
    return s, pivot_cutoff(s.shape[0], eps) * s[-1], left, jnp.sum(b**2)


_diagnose = in_float64(_diagnose_kernel, static=("centered",))
