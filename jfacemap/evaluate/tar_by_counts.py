"""TAR at FAR of many concrete scores: counted on the host, twice, and never sorted."""

import jax
import numpy as np

from .accepts import TarAtFar
from .match_counts import bins, FineCounts, MatchCounts
from .match_points import settle
from .match_tar import tar_from_points
from .selection import sortable


_keys = jax.jit(sortable)


def tar_by_counts(scores, genuine, valid, fars, *, rule: str) -> TarAtFar:
    """What `tar_at_far` finds, from float32 scores or narrower."""
    key = np.asarray(_keys(scores)).ravel()
    own = np.asarray(genuine).ravel()
    if valid is not None:
        valid = np.asarray(valid).ravel()
        key, own = key[valid], own[valid]
    high = (key >> 16).astype(np.uint16)
    own_key = key[own]
    both, mine = (
        np.bincount(high, minlength=bins), np.bincount(own_key >> 16, minlength=bins)
    )  # fmt: skip
    counts = MatchCounts(mine, both - mine)

    def look(wanted: list[int]) -> FineCounts:
        """Counts of the lower halves inside the bins wanted."""
        slot = np.zeros(bins, np.int32)
        slot[wanted] = 1 + np.arange(len(wanted))

        def inside(key, slots):
            here = np.flatnonzero(slots)
            code = (slots[here] - 1) * bins + (key[here] & (bins - 1))
            found = np.bincount(code, minlength=len(wanted) * bins)
            return found.reshape(-1, bins)

        every, mine = inside(key, slot[high]), inside(own_key, slot[own_key >> 16])
        return FineCounts(np.asarray(wanted), mine, every - mine)

    targets = np.asarray(fars, np.float64).ravel().tolist()
    points = settle(counts, targets, rule, look)
    return tar_from_points([points], counts.n_nan, fars, rule, ())
