r"""How many directions the images of one person spread along (paper 003's code: PCA of
each identity)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from ..core.linalg import matmul
from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric
from .signs import identity_codes
from .tiles import check_points


class IdentitySpectrum(eqx.Module):
    r"""Of I identities in sorted order, principal components of their own rows.

    - `explained (I, k)`: share of an identity's variance along each, the largest first;
      k is one less than the most images of one identity, or the width if that is less
    - `variance (I,)`: mean squared distance of its rows to their mean, times m / (m - 1)
    - `dimension (I,)`: $(\sum \lambda)^2 / \sum \lambda^2$, the number of directions if
      all spread alike; at most m - 1
    - `count (I,)`: images m that are finite; `skipped`: rows that are not

    With fewer than two images, or all of them the same, shares and `dimension` are NaN.
    """

    explained: Float[Array, "I k"]
    variance: Float[Array, " I"]
    dimension: Float[Array, " I"]
    count: Int[Array, " I"]
    skipped: Int[Array, ""]

    def components(self, share: float) -> np.ndarray:
        """How many components explain at least this share, by identity; 0 for NaN."""
        total = np.cumsum(np.asarray(self.explained, np.float64), axis=1)
        short = np.sum(total < share - 1e-6, axis=1)
        known = np.isfinite(total[:, 0])
        return np.where(known, np.minimum(short + 1, total.shape[1]), 0)


def identity_spectrum(
    embeddings: Float[Numeric, "n d"], identity: Shaped[Numeric, " n"]
) -> IdentitySpectrum:
    """Principal components of each identity's rows about their own mean, in one call.

    `identity` says who each of the n images shows, known before tracing. Rows are taken
    as they are: scale them to unit length first (`jfm.unit`) for what cosine sees. From
    products of rows in float64 where the platform has it, an identity at a time. Raises
    `ValueError` on shapes that do not match.
    """
    embeddings = as_array(embeddings)
    check_points(embeddings, "embeddings")
    n, d = embeddings.shape
    names, code = identity_codes(identity, n, "embeddings")
    if not n:
        raise ValueError("There are no embeddings.")
    count = np.bincount(code, minlength=len(names))
    # Row i holds the images of identity i; n, which is none, fills it up.
    place = np.full((len(names), count.max()), n, np.int32)
    order = np.argsort(code, kind="stable")
    place[np.arange(count.max())[None] < count[:, None]] = order
    size = max(1, min(count.max() - 1, d))
    return _compiled(embeddings, place, k=int(size))


def _spectra(dtype, x, place, *, k) -> IdentitySpectrum:
    x, (n, d) = widen(x, dtype), x.shape
    finite = jnp.all(jnp.isfinite(x), axis=1)
    x = jnp.where(finite[:, None], x, 0)

    def one(rows):
        valid = (rows < n) & finite[jnp.minimum(rows, n - 1)]
        m = jnp.sum(valid, dtype=jnp.int32)
        own = jnp.where(valid[:, None], x[jnp.minimum(rows, n - 1)], 0)
        mean = jnp.sum(own, axis=0) / jnp.maximum(m, 1).astype(dtype)
        own = jnp.where(valid[:, None], own - mean[None], 0)
        product = matmul(own, own.T) if own.shape[0] <= d else matmul(own.T, own)
        largest = jnp.linalg.eigvalsh(product)[::-1][:k]
        largest = jnp.pad(jnp.maximum(largest, 0), (0, k - largest.shape[0]))
        total = jnp.sum(own**2)
        spread = jnp.where((m > 1) & (total > 0), total, jnp.nan)
        share = largest / spread
        freedom = jnp.where(m > 1, (m - 1).astype(dtype), jnp.nan)
        return share, total / freedom, 1 / jnp.sum(share**2), m

    share, variance, dimension, count = jax.lax.map(one, jnp.asarray(place))
    skipped = n - jnp.sum(finite, dtype=jnp.int32)
    return IdentitySpectrum(share, variance, dimension, count, skipped)


_compiled = in_float64(_spectra, static=("k",))
