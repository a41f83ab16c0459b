"""Operating points from counts, and which bins must be looked into to be sure of one."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .match_counts import bins, FineCounts, MatchCounts
from .target import count_limits


looked_at = 8
"""Points in doubt that a pass looks into: the nearest, of which one mostly settles it."""


class Points(NamedTuple):
    """Operating points in order of falling threshold; point 0 accepts nothing.

    - `key`: accepted are scores whose key is at least this; of a whole bin its lower end
    - `bin`: where the point lies; `sure`: whether it is a score and not a whole bin
    - `genuine`, `impostor`: accepts; `n_genuine`, `n_impostor`: of how many
    """

    key: np.ndarray
    bin: np.ndarray
    sure: np.ndarray
    genuine: np.ndarray
    impostor: np.ndarray
    n_genuine: int
    n_impostor: int


class Choice(NamedTuple):
    """The point a rule takes, the one it looked at beside it, and the bins in doubt."""

    at: int
    beside: int
    doubt: set[int]


def read_points(counts: MatchCounts, fine: FineCounts | None) -> Points:
    """The points of one map: of every score in the bins of `fine`, else one a bin."""
    known = () if fine is None else fine.bins.tolist()
    coarse = np.flatnonzero(counts.genuine + counts.impostor)
    coarse = coarse[~np.isin(coarse, [0, *known])]
    hidden = np.zeros(coarse.size, bool)
    parts = [
        (coarse << 16, coarse, hidden, counts.genuine[coarse], counts.impostor[coarse])
    ]
    inside = () if fine is None else zip(known, fine.genuine, fine.impostor, strict=True)
    for which, genuine, impostor in inside:
        low = np.flatnonzero(genuine + impostor)
        place, sure = np.full(low.size, which), np.ones(low.size, bool)
        parts.append(((which << 16) + low, place, sure, genuine[low], impostor[low]))
    key, place, sure, genuine, impostor = map(np.concatenate, zip(*parts, strict=True))
    falling = np.argsort(-key)
    total = lambda x: np.append(0, np.cumsum(x[falling]))
    return Points(
        key=np.append(2**32, key[falling]),
        bin=np.append(bins, place[falling]),
        sure=np.append(True, sure[falling]),
        genuine=total(genuine),
        impostor=total(impostor),
        n_genuine=int(counts.genuine.sum()),
        n_impostor=int(counts.impostor.sum()),
    )


def choose(points: Points, target: float, rule: str) -> Choice:
    """The operating point of a rule at one target; sure of it if nothing is in doubt."""
    if rule == "insightface":
        return _nearest_kept(points, target)
    impostor = points.impostor
    (limit,) = count_limits(points.n_impostor, np.array([target]))
    within = int(np.searchsorted(impostor, limit, side="right")) - 1
    after = min(within + 1, impostor.size - 1)
    if rule != "nearest":
        return Choice(within, after, _doubt(points, (within, after)))
    beyond = int(np.searchsorted(impostor, impostor[after], side="right")) - 1
    distance = lambda i: abs(impostor[i] / max(points.n_impostor, 1) - target)
    looser = distance(beyond) <= distance(within)
    pair = (beyond, within) if looser else (within, beyond)
    return Choice(*pair, _doubt(points, pair))


def _doubt(points: Points, chosen: tuple[int, int]) -> set[int]:
    """The unknown bins of the points chosen and of the ones after them."""
    last = points.key.size - 1
    near = {min(i + step, last) for i in chosen for step in (0, 1)}
    return {int(points.bin[i]) for i in near if not points.sure[i]}


def _nearest_kept(points: Points, target: float) -> Choice:
    """The nearest of the points that scikit-learn's `roc_curve` keeps by default.

    It drops a point whose step is as large as the next in both classes; the first, the
    last and the one that accepts nothing stay. Whether a point stays is known where its
    neighbours are; a bin is in doubt if it may hide a nearer one.
    """
    genuine, impostor, sure = points.genuine, points.impostor, points.sure
    n, last = max(points.n_impostor, 1), impostor.size - 1
    known, corner = sure.copy(), np.ones(last + 1, bool)
    if last > 2:
        inner = slice(2, last)
        known[inner] &= sure[1 : last - 1] & sure[3:]
        bend = lambda x: np.diff(x[1:], 2) != 0
        corner[inner] = bend(genuine) | bend(impostor)
    distance = np.abs(impostor / n - target)
    kept = np.flatnonzero(known & corner)
    nearest = distance[kept].min()
    at = int(kept[distance[kept] == nearest][-1])
    # A hidden or doubtful point has a FAR from that of the point before to its own.
    before = np.append(0, impostor[:-1]) / n
    closest = np.maximum(0, np.maximum(before - target, target - impostor / n))
    near = np.flatnonzero(~known & (closest <= nearest))
    near = near[np.argsort(closest[near], kind="stable")[:looked_at]]
    beside = {j for i in near for j in range(max(i - 1, 0), min(i + 1, last) + 1)}
    return Choice(at, at, {int(points.bin[j]) for j in beside if not sure[j]})


def in_doubt(points: Points, targets: list[float], rule: str) -> set[int]:
    """Bins that may hide a threshold of the targets, or that of no false accept at all."""
    return choose(points, 0.0, "strict").doubt.union(
        *(choose(points, target, rule).doubt for target in targets)
    )


def settle(
    counts: MatchCounts,
    targets: list[float],
    rule: str,
    look: Callable[[list[int]], FineCounts],
) -> Points:
    """Points that are sure around each target, and around no false accept at all.

    `look` counts inside the bins asked for: once as a rule, again if that shows that a
    threshold may lie beside them.
    """
    wanted: set[int] = set()
    fine: FineCounts | None = None
    while True:
        points = read_points(counts, fine)
        doubt = in_doubt(points, targets, rule)
        if not doubt:
            return points
        wanted |= doubt
        fine = look(sorted(wanted))
