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
    - `unit`: of the edges
    """

    matched: Float[np.ndarray, " bins"]
    unmatched: Float[np.ndarray, " bins"]
    edges: Float[np.ndarray, " edges"]
    unit: Unit = eqx.field(static=True, default="degrees")

    def densities(
        self, at: Float[np.ndarray, " k"], bandwidth: float | None = None
    ) -> Float[np.ndarray, "2 k"]:
        """Gaussian kernel densities of both kinds at some distances, NaN of no pairs.

        A bin's pairs count as spread evenly over it, so that a density integrates to 1
        however wide the bins. `bandwidth` is in the unit of the edges; by default 0.05 of
        a metric, as in paper 003, and one degree.
        """
        from scipy.special import ndtr

        h = self._bandwidth(bandwidth)
        counts = np.stack([self.matched, self.unmatched])
        some = counts.sum(axis=1, keepdims=True)
        share = counts / np.where(some > 0, some, np.nan)
        below = ndtr((at[None] - self.edges[:, None]) / h)
        return share @ (below[:-1] - below[1:]) / (self.edges[1] - self.edges[0])

    def overlap(self, bandwidth: float | None = None) -> float:
        r"""$\int \min(f, g)$ of both `densities`: twice the Bayes error at equal priors."""
        h = self._bandwidth(bandwidth)
        width = float(self.edges[1] - self.edges[0])
        step = max(min(width, h) / 4, width / 16)
        low, high = self.edges[0] - 5 * h, self.edges[-1] + 5 * h
        parts = np.array_split(np.arange(low, high, step) + step / 2, 64)
        least = [self.densities(part, h).min(axis=0).sum() for part in parts]
        return float(np.sum(least) * step)

    def _bandwidth(self, given: float | None) -> float:
        usual = 1.0 if self.unit == "degrees" else 0.05
        h = usual if given is None else given
        if not h > 0:
            raise ValueError(f"A bandwidth is above 0; got {given}.")
        return h


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
    return PairHistogram(matched, unmatched, np.linspace(0, high, bins + 1), unit)


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
