"""Scores of all comparisons, counted and not kept: a mergeable histogram of each class.

A score is one of 2^32 float32 values. Its order (`selection.sortable`) splits in two
halves: the upper 16 bits say which of 65,536 bins it falls in, the lower 16 bits where in
the bin. One pass counts all bins; a second counts the lower halves inside the few bins
that hold a wanted threshold, and there every score is known to the last bit.
"""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int, Integer, UInt32

from ..core.monoid import merges
from .roc import RocCurve


bins = 2**16
"""Bins of a pass: half of the bits of a score."""


class MatchCounts(eqx.Module):
    """How many scores of each class fall in each bin, from the lowest to the highest.

    - `genuine`, `impostor (*maps, 65536)`: int64; bin 0 holds NaN, and nothing else

    Summaries of disjoint comparisons merge (`jfm.merge`).
    """

    genuine: Int[np.ndarray, "*maps bins"]
    impostor: Int[np.ndarray, "*maps bins"]

    @classmethod
    def zero(cls, *maps: int) -> "MatchCounts":
        """The neutral element, for results of shape `maps`."""
        none = np.zeros((*maps, bins), np.int64)
        return cls(none, none)

    @property
    def n_nan(self) -> Int[np.ndarray, "*maps"]:
        """Comparisons whose score is NaN; they count and are never accepted."""
        return np.asarray(self.genuine[..., 0] + self.impostor[..., 0])

    @property
    def curve(self) -> RocCurve:
        """The operating points at the edges of bins: exact counts at those thresholds.

        Bins are 1/128 of a score wide and have 65,536 edges; a few scores share each. The
        curve between edges is that of `roc_curve` on the scores themselves: `tar_at` takes
        the strictest edge above what `cross_match` finds, and `equal_error_rate` is that
        of the nearest edge, off by up to what a bin there accepts. For DET plots take
        `far` and `1 - tar`.
        """

        def fall(x):
            accepts = x[..., :0:-1].cumsum(axis=-1)  # all but NaN
            return np.concatenate([np.zeros_like(x[..., :1]), accepts], axis=-1)

        edges = np.arange(bins - 1, 0, -1, dtype=np.uint32) << 16
        thresholds = np.append(np.float32(np.inf), scores_of(edges))
        return RocCurve(
            genuine_accepts=fall(self.genuine),
            impostor_accepts=fall(self.impostor),
            thresholds=np.broadcast_to(thresholds, self.genuine.shape).copy(),
            n_genuine=np.asarray(self.genuine.sum(axis=-1)),
            n_impostor=np.asarray(self.impostor.sum(axis=-1)),
            n_nan=self.n_nan,
        )


class FineCounts(eqx.Module):
    """Counts of single scores inside some bins.

    - `bins (*maps, r)`: the bins, the same number for each map
    - `genuine`, `impostor (*maps, r, 65536)`: by the lower half of the score's bits
    """

    bins: Int[np.ndarray, "*maps r"]
    genuine: Int[np.ndarray, "*maps r low"]
    impostor: Int[np.ndarray, "*maps r low"]


@merges(MatchCounts)
def _merge_counts(a: MatchCounts, b: MatchCounts) -> MatchCounts:
    return MatchCounts(a.genuine + b.genuine, a.impostor + b.impostor)


@merges(FineCounts)
def _merge_fine(a: FineCounts, b: FineCounts) -> FineCounts:
    if not np.array_equal(a.bins, b.bins):
        raise ValueError(f"Counts inside different bins do not merge: {a.bins}, {b.bins}.")
    return FineCounts(a.bins, a.genuine + b.genuine, a.impostor + b.impostor)


def keys_of(scores: Float[np.ndarray, "*n"]) -> UInt32[np.ndarray, "*n"]:
    """`selection.sortable` of float32 scores, on the host."""
    sign = np.uint32(1 << 31)
    bits = np.asarray(scores).view(np.uint32)
    key = np.where(bits > sign, ~bits, bits | sign)
    return np.where(np.isnan(scores), np.uint32(0), key)


def scores_of(keys: Integer[np.ndarray, "*n"]) -> Any:
    """The float32 score of each key of `selection.sortable`; infinite past the last."""
    sign = np.uint32(1 << 31)
    keys = np.asarray(keys, np.uint32)
    scores = np.where(keys >= sign, keys ^ sign, ~keys).view(np.float32)
    beyond = np.where(keys >= sign, np.float32(np.inf), np.float32(-np.inf))
    return np.where(np.isnan(scores), beyond, scores)
