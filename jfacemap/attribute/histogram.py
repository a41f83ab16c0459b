"""Distances of all matched and unmatched pairs as histograms, and how much they overlap."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric
from .signs import identity_codes
from .tiles import check_points, distances, prepare, tile_rows


Unit = Literal["degrees", "cosine", "euclidean"]


class PairHistogram(eqx.Module):
    """Counts of the distances of unordered pairs, in equal bins from `edges[0]` on.

    - `matched`, `unmatched (bins,)`: pairs of one identity, and of two
    - `edges (bins + 1,)`: in degrees, or in units of the metric; what lies beyond is in
      the last bin
    """

    matched: Float[np.ndarray, " bins"]
    unmatched: Float[np.ndarray, " bins"]
    edges: Float[np.ndarray, " edges"]

    def densities(self, bandwidth: float) -> Float[np.ndarray, "2 bins"]:
        """Gaussian kernel densities of both kinds at the middles of the bins."""
        if not bandwidth > 0:
            raise ValueError(f"A bandwidth is above 0; got {bandwidth}.")
        width = self.edges[1] - self.edges[0]
        middle = self.edges[:-1] + width / 2
        kernel = np.exp(-0.5 * ((middle[:, None] - middle[None]) / bandwidth) ** 2)
        kernel /= bandwidth * np.sqrt(2 * np.pi)
        counts = np.stack([self.matched, self.unmatched])
        return counts @ kernel / counts.sum(axis=1, keepdims=True)

    def overlap(self, bandwidth: float = 0.05) -> float:
        r"""$\int \min(f, g)$ of both densities: twice the Bayes error at equal priors.

        `bandwidth` is in the unit of the distances; paper 003's 0.05 is of its metrics.
        """
        width = float(self.edges[1] - self.edges[0])
        return float(self.densities(bandwidth).min(axis=0).sum() * width)


def pair_histogram(
    embeddings: Float[Numeric, "n d"],
    identity: Shaped[Numeric, " n"],
    *,
    unit: Unit = "degrees",
    bins: int = 720,
    high: float | None = None,
) -> PairHistogram:
    """Count the distances of all n (n - 1) / 2 pairs of images, tile by tile.

    **Arguments:**

    - `unit`: angles in degrees, cosine or Euclidean distances.
    - `bins`: from 0 to `high`; that is 180 degrees, 2, or twice the greatest length.

    Images whose row is not finite, or zero where angles are taken, are left out.
    """
    embeddings = as_array(embeddings)
    check_points(embeddings, "embeddings")
    if unit not in ("degrees", "cosine", "euclidean") or bins < 1:
        raise ValueError(
            "pair_histogram takes the unit 'degrees', 'cosine' or 'euclidean' and at least "
            f"one bin; got {unit!r}, {bins}."
        )
    _, code = identity_codes(identity, embeddings.shape[0], "embeddings")
    if high is None:
        length = np.linalg.norm(np.asarray(embeddings, np.float64), axis=1)
        longest = float(np.max(length[np.isfinite(length)], initial=0))
        high = {"degrees": 180.0, "cosine": 2.0}.get(unit, 2 * longest)
    counts = _compiled(embeddings, code, np.float32(high), unit=unit, bins=bins)
    unmatched, matched = np.asarray(counts, np.float64)
    return PairHistogram(matched, unmatched, np.linspace(0, high, bins + 1))


def _histogram(dtype, x, code, high, *, unit, bins) -> Float[Array, "2 bins"]:
    metric = "euclidean" if unit == "euclidean" else "cosine"
    x, alive = prepare(widen(x, dtype), metric)
    code, n = jnp.asarray(code), x.shape[0]
    scale, rows = bins / high.astype(dtype), tile_rows(n)

    def tile(total, step):
        start = jnp.minimum(step * rows, n - rows)  # the last begins early
        cut = lambda a: jax.lax.dynamic_slice_in_dim(a, start, rows)
        d = distances(cut(x), x, metric)
        if unit == "degrees":
            # Of half the chord, as the arc cosine loses small angles.
            d = 2 * jnp.arcsin(jnp.minimum(jnp.sqrt(d / 2), 1)) * (180 / jnp.pi)
        at = jnp.clip((d * scale).astype(jnp.int32), 0, bins - 1)
        own = start + jnp.arange(rows, dtype=jnp.int32)[:, None]
        later = jnp.arange(n, dtype=jnp.int32)[None] > own
        wanted = cut(alive)[:, None] & alive[None] & later & (own >= step * rows)
        same = (cut(code)[:, None] == code[None]).astype(jnp.int32)
        at = jnp.where(wanted, same * bins + at, 2 * bins).ravel()
        count = jnp.zeros(2 * bins, jnp.int32).at[at].add(1, mode="drop")
        return total + count.astype(dtype), None

    steps = jnp.arange(-(-n // rows), dtype=jnp.int32)
    total, _ = jax.lax.scan(tile, jnp.zeros(2 * bins, dtype), steps)
    return total.reshape(2, bins)


_compiled = in_float64(_histogram, static=("unit", "bins"))
