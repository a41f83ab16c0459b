r"""How well a map does on rows that are given by their moments alone."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.linalg import matmul
from ..core.maps import AbstractMap, AffineMap
from ..core.moments import PairMoments
from ..core.precision import in_float64, widen


def map_residual(m: AbstractMap, moments: PairMoments) -> Float[Array, ""]:
    r"""Share of the target's variance that a map leaves unexplained on some rows.

    $\sum w \|m(x) - y\|^2 / \sum w \|y - \bar y\|^2$, or $1 - R^2$ over all columns: 0 for
    a perfect map, 1 for the constant $\bar y$, more for a worse one. From moments of rows
    the map need not have been fitted on, `jfm.pair_moments(x, y)`, without seeing them.
    NaN where the target does not vary. Raises `ValueError` if widths differ.
    """
    d, k = moments.mean_x.shape[-1], moments.mean_y.shape[-1]
    if (m.in_dim, m.out_dim) != (d, k):
        raise ValueError(
            f"The map goes from width {m.in_dim} to {m.out_dim}; these are moments of "
            f"widths {d} and {k}."
        )
    return _residual(m.as_affine(), moments)


def squared_error(m: AffineMap, moments: PairMoments) -> Float[Array, ""]:
    r"""$\sum w \|m(x) - y\|^2$ of widened moments: the kernel of `map_residual`."""
    w = m.weight
    spread = jnp.sum(w * (matmul(moments.xx, w) - 2 * moments.xy)) + jnp.sum(moments.yy)
    miss = m(moments.mean_x) - moments.mean_y
    # About zero this is a difference of large numbers, and never truly below it.
    return jnp.maximum(spread, 0) + moments.mass * jnp.sum(miss**2)


def _kernel(dtype, m, moments):
    m, moments = widen((m, moments), dtype)
    energy = jnp.sum(moments.yy)
    return squared_error(m, moments) / jnp.where(energy > 0, energy, jnp.nan)


_residual = in_float64(_kernel)
