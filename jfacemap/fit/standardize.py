"""Fitting the centring and whitening of one embedding space."""

import jax.numpy as jnp
from jaxtyping import Float

from ..core.gram import sum_over_chunks
from ..core.linalg import inverse_root, matmul
from ..core.maps import Standardize
from ..core.moments import as_rows
from ..core.precision import in_float64, widen
from ..core.types import Numeric


def fit_standardize(
    x: Float[Numeric, "n d"],
    *,
    weights: Float[Numeric, " n"] | None = None,
    whiten: bool = False,
) -> Standardize:
    r"""Centre, and with `whiten` decorrelate, the rows of `x`.

    The mean is $\bar x = \sum w_i x_i / \sum w_i$. The whitener is the symmetric
    $S^{-1/2}$ of the weighted covariance S (ZCA), zero along directions of no variance.
    Fit it on rows used for fitting maps, never on rows evaluated.
    """
    (x,), weights = as_rows((x,), ("x",), weights)
    return _fit_standardize(x, weights, whiten=whiten)


def _standardize(dtype, x, weights, *, whiten) -> Standardize:
    w = jnp.ones(x.shape[0], x.dtype) if weights is None else weights
    used = lambda x, w: jnp.where(w[:, None] != 0, x, 0)

    def totals(rows):
        x, w = widen(rows, dtype)
        return jnp.sum(w), matmul(w, used(x, w))

    mass, total = sum_over_chunks(totals, (x, w))
    mean = total / jnp.where(mass > 0, mass, 1)
    if not whiten:
        return Standardize(mean)

    def scatter(rows, mean):
        x, w = widen(rows, dtype)
        z = used(x - mean[None], w)
        return matmul((w[:, None] * z).T, z)

    covariance = sum_over_chunks(scatter, (x, w), mean) / mass
    return Standardize(mean, inverse_root(covariance))


_fit_standardize = in_float64(_standardize, static=("whiten",))
