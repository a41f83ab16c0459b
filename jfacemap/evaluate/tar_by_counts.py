"""TAR at FAR of many concrete scores, counted on the host.

Thresholds lie among the highest scores. Those below a floor are only counted, and never
sorted, unless a threshold turns out to hide there.
"""

import numpy as np

from .accepts import TarAtFar
from .floats import at_least_float32
from .match_counts import bins, FineCounts, keys_of, MatchCounts, scores_of
from .match_points import Points, settle
from .match_tar import tar_from_points


sampled = 2**16
"""Scores looked at to guess where the floor may be."""


class _BelowFloor(Exception):
    """A threshold may lie among the scores left out."""


def tar_by_counts(scores, genuine, valid, fars, *, rule: str) -> TarAtFar:
    """What `tar_at_far` finds, from float32 scores or narrower."""
    score = np.asarray(at_least_float32(scores)).ravel()
    own = np.asarray(genuine).ravel()
    if valid is not None:
        valid = np.asarray(valid).ravel()
        score, own = score[valid], own[valid]
    targets = np.asarray(fars, np.float64).ravel().tolist()
    floor = _guess_floor(score, max(targets, default=0))
    try:
        counts, points = _settle(score, own, targets, rule, floor)
    except _BelowFloor:
        counts, points = _settle(score, own, targets, rule, 0)
    return tar_from_points([points], counts.n_nan, fars, rule, ())


def _guess_floor(score: np.ndarray, far: float) -> int:
    """A bin that about twice `far` of all scores reach; 0, which all do, if unsure."""
    share = 2 * far + 0.01
    if share > 0.5 or not score.size or np.isnan(score.min()):
        return 0
    some = np.sort(score[:: max(1, score.size // sampled)])
    return int(keys_of(some)[-1 - int(share * some.size)]) >> 16


def _settle(score, own, targets, rule: str, floor: int) -> tuple[MatchCounts, Points]:
    """Points sure at each target; `_BelowFloor` if that takes scores of a lower bin."""
    sizes = own.size, np.count_nonzero(own)
    if floor:
        high_ones = np.flatnonzero(score >= scores_of(np.array(floor << 16)))
        score, own = score[high_ones], own[high_ones]
    key, own_key = (np.sort(x) for x in (keys_of(score), keys_of(score[own])))
    edges = np.arange(bins + 1, dtype=np.uint64) << 16
    starts, own_starts = (np.searchsorted(x, edges) for x in (key, own_key))
    both, mine = np.diff(starts), np.diff(own_starts)
    if floor:
        both[floor - 1], mine[floor - 1] = sizes[0] - key.size, sizes[1] - own_key.size
    counts = MatchCounts(mine, both - mine)

    def look(wanted: list[int]) -> FineCounts:
        """Counts of the lower halves inside the bins wanted."""
        if wanted[0] < floor:
            raise _BelowFloor

        def inside(key, starts):
            parts = (key[starts[b] : starts[b + 1]] & (bins - 1) for b in wanted)
            return np.stack([np.bincount(part, minlength=bins) for part in parts])

        every, mine = inside(key, starts), inside(own_key, own_starts)
        return FineCounts(np.asarray(wanted), mine, every - mine)

    return counts, settle(counts, targets, rule, look)
