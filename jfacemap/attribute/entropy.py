r"""How much binary attributes vary within an identity, and between identities.

Of the macroscale analysis of *Attributes Shape the Embedding Space* (Leroy et al., ICML
2025, paper 003). The estimators follow the authors' code, which the paper's text leaves
open: natural logarithms, no weights over identities, no correction of the density at -1
and +1.
"""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Shaped

from ..core.linalg import matmul
from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric
from .signs import as_signs, identity_codes


grid_points = 101
"""Places from -1 to 1 at which the density of identity means is taken."""


def intra_entropy(
    attributes: Shaped[Numeric, "n A"],
    identity: Shaped[Numeric, " n"],
    *,
    weights: Float[Numeric, " I"] | None = None,
) -> Float[Array, " A"]:
    r"""Mean over identities of $H_i = -\sum_{m = \pm 1} p_{im} \ln p_{im}$, in nats.

    $p_{im}$ is the share of value m of an attribute among the images of identity i; each
    identity counts once. From 0 (no identity ever changes) to $\ln 2$.

    **Arguments:**

    - `attributes`: of n images, in {-1, +1}; booleans and {0, 1} are converted.
    - `identity`: who each image shows; integers or strings, known before tracing.
    - `weights`: of the identities, in sorted order, such as a draw of a bootstrap; by
      default each counts once.

    Float32; sums and logarithms run in float64 where there is one. Raises `ValueError`
    for other values, or an identity that is not one a row.
    """
    return _intra(*_read(attributes, identity, weights))


def inter_entropy(
    attributes: Shaped[Numeric, "n A"],
    identity: Shaped[Numeric, " n"],
    *,
    bandwidth: float | Float[Numeric, ""] = 0.1,
    weights: Float[Numeric, " I"] | None = None,
) -> Float[Array, " A"]:
    r"""Entropy $-\sum_g p_g \ln p_g$ of how identities differ in each attribute, in nats.

    With $m_i$ the mean of an attribute over the images of identity i and $f$ the Gaussian
    kernel density of $\{m_i\}$, $p = f / \sum f$ on 101 points from -1 to 1. Its maximum
    is $\ln 101 = 4.615$; all identities alike at a border, with bandwidth 0.1, have 2.375.

    **Arguments:**

    - `attributes`, `identity`, `weights`: as in `intra_entropy`.
    - `bandwidth`: standard deviation of the kernel, traced. The paper's figures used 0.05.

    Raises `ValueError` for a bandwidth that is not above 0, where its value is known.
    """
    if not isinstance(bandwidth, Tracer) and not bandwidth > 0:
        raise ValueError(f"The bandwidth of a density is above 0; got {bandwidth}.")
    read = _read(attributes, identity, weights)
    return _inter(*read, jnp.asarray(bandwidth, jnp.float32))


def _read(attributes, identity, weights):
    signs = as_signs(attributes)
    names, code = identity_codes(identity, signs.shape[0], "attributes")
    sizes = np.bincount(code, minlength=len(names)).astype(np.float32)
    weights = np.ones(len(names), np.float32) if weights is None else as_array(weights)
    if weights.shape != (len(names),):
        raise ValueError(
            f"weights are one an identity, ({len(names)},); got {weights.shape}."
        )
    return jnp.asarray(signs, jnp.float32), code, sizes, weights


def _means(dtype, signs, code, sizes):
    """Mean of each attribute within each identity: sums of whole numbers are exact."""
    total = jnp.zeros((sizes.shape[0], signs.shape[1]), jnp.float32).at[code].add(signs)
    convert = ft.partial(jax.lax.convert_element_type, new_dtype=dtype)
    return convert(total) / convert(sizes)[:, None]


def _intra_entropy(dtype, signs, code, sizes, weights):
    p = (1 + _means(dtype, signs, code, sizes)) / 2
    share = widen(weights, dtype)[:, None] / jnp.sum(widen(weights, dtype))
    return -jnp.sum(share * (_p_log_p(p) + _p_log_p(1 - p)), axis=0)


def _inter_entropy(dtype, signs, code, sizes, weights, bandwidth):
    means = _means(dtype, signs, code, sizes)
    width = jax.lax.convert_element_type(bandwidth, dtype)
    grid = jnp.linspace(-1, 1, grid_points, dtype=dtype)
    weights = widen(weights, dtype)[None]

    def entropy(m):  # one attribute at a time: identities x 101 numbers
        # A constant factor of the density divides out.
        f = matmul(weights, jnp.exp(-0.5 * ((grid[None] - m[:, None]) / width) ** 2))[0]
        return -jnp.sum(_p_log_p(f / jnp.sum(f)))

    return jax.lax.map(entropy, means.T)


def _p_log_p(p):
    return jnp.where(p > 0, p * jnp.log(jnp.where(p > 0, p, 1)), 0)


_intra, _inter = in_float64(_intra_entropy), in_float64(_inter_entropy)
