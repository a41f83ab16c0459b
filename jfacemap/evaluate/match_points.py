"""Operating points from counts, and which bins must be looked into to be sure of one."""

from typing import NamedTuple

import numpy as np

from .match_counts import bins, FineCounts, MatchCounts, scores_of
from .tar import TarAtFar
from .target import far_words


rules = "strict", "nearest", "interpolate"
"""Those that need the counts around a threshold alone, and not the whole curve."""


class Points(NamedTuple):
    """Operating points in order of falling threshold; point 0 accepts nothing.

    - `key`: accepted are scores whose key is at least this; of a whole bin its lower end
    - `bin`: where the point lies; `sure`: whether it is a score and not a whole bin
    - `genuine`, `impostor`: accepts
    """

    key: np.ndarray
    bin: np.ndarray
    sure: np.ndarray
    genuine: np.ndarray
    impostor: np.ndarray


def read_points(counts: MatchCounts, fine: FineCounts | None) -> Points:
    """The points of one map: of every score in the bins of `fine`, else one a bin."""
    known = [] if fine is None else list(fine.bins)
    coarse = np.flatnonzero(counts.genuine + counts.impostor)
    coarse = coarse[~np.isin(coarse, known)]
    parts = [(coarse << 16, coarse, np.zeros(coarse.size, bool))]
    parts[0] += (counts.genuine[coarse], counts.impostor[coarse])
    for i, which in enumerate(known):
        genuine, impostor = fine.genuine[i], fine.impostor[i]
        low = np.flatnonzero(genuine + impostor)
        place = np.full(low.size, which)
        sure = np.ones(low.size, bool)
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
    )


def count_limits(n: int, fars: np.ndarray) -> np.ndarray:
    """The largest k with k / n <= far in float64, by target; 0 without pairs."""
    if n == 0:
        return np.zeros(fars.shape, np.int64)
    limits = np.floor(fars * n).astype(np.int64)
    limits = np.where(limits / n > fars, limits - 1, limits)  # the product has rounded
    return np.where((limits + 1) / n <= fars, limits + 1, limits)


def choose(points: Points, limit: int, target: float, rule: str) -> tuple[int, int]:
    """The point a rule takes, and the one it looked at beside it."""
    impostor = points.impostor
    within = int(np.searchsorted(impostor, limit, side="right")) - 1
    after = min(within + 1, impostor.size - 1)
    if rule != "nearest":
        return within, after
    beyond = int(np.searchsorted(impostor, impostor[after], side="right")) - 1
    n = max(int(impostor[-1]), 1)
    distance = lambda i: abs(impostor[i] / n - target)
    return (beyond, within) if distance(beyond) <= distance(within) else (within, beyond)


def unsure(points: Points, chosen: tuple[int, int]) -> set[int]:
    """Bins to be looked into before the choice is certain: its own, and the ones beside."""
    last = points.key.size - 1
    near = {min(i + step, last) for i in chosen for step in (0, 1)}
    return {int(points.bin[i]) for i in near if not points.sure[i]}


def tar_from_points(each: list[Points], n_nan, fars, rule: str, shape) -> TarAtFar:
    """`TarAtFar` of the points of several maps, with axes `(*shape, *q)`."""
    words = far_words(np.asarray(fars, np.float64))
    targets = np.asarray(fars, np.float64).ravel()
    fields = {k: [] for k in ("genuine", "impostor", "key", "limit", "next", "zero", "n")}
    for points in each:
        limits = count_limits(int(points.impostor[-1]), targets)
        both = [
            choose(points, k, far, rule)
            for k, far in zip(limits.tolist(), targets.tolist(), strict=True)
        ]
        at, beside = np.array(both).T
        fields["genuine"].append(points.genuine[at])
        fields["impostor"].append(points.impostor[at])
        fields["key"].append(points.key[at])
        fields["limit"].append(limits)
        fields["next"].append([points.genuine[beside], points.impostor[beside]])
        fields["zero"].append(points.genuine[choose(points, 0, 0.0, "strict")[0]])
        fields["n"].append([points.genuine[-1], points.impostor[-1]])
    full = {k: np.array(v) for k, v in fields.items()}
    cells = lambda x: x.reshape(*shape, *words.shape[:-1])
    top = full["key"] == 2**32
    scores = scores_of(np.where(top, 0, full["key"]))
    beyond = [cells(full["next"][:, i]) for i in range(2)]
    return TarAtFar(
        genuine_accepts=cells(full["genuine"]),
        impostor_accepts=cells(full["impostor"]),
        threshold=cells(np.where(top, np.float32(np.inf), scores)),
        supported=cells(full["limit"] > 0),
        genuine_at_zero=full["zero"].reshape(shape),
        n_genuine=full["n"][:, 0].reshape(shape),
        n_impostor=full["n"][:, 1].reshape(shape),
        n_nan=np.asarray(n_nan).reshape(shape),
        target_words=np.broadcast_to(words, (*shape, *words.shape)).copy(),
        beyond=beyond if rule == "interpolate" else None,
        rule=rule,
    )
