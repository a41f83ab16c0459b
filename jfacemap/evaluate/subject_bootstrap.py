r"""Intervals for TAR at FAR over millions of pairs: probe subjects are drawn.

Where `tar_confidence` draws identities on both sides of a pair and ranks anew, here the
subjects of the probes are drawn alone, $w \sim \mathrm{Multinomial}(I; 1/I)$, and a pair
weighs what its probe's subject weighs. Then one histogram of scores a subject is all that
is needed, and all replicates are a product of two matrices.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Bool, Float, Key, Shaped

from ..core.types import as_array, Numeric
from .confidence import bootstrap_weights, TarConfidence
from .draws import check_draws
from .target import check_fars, count_limits


edges_of_histogram = 4096
"""Thresholds tried: at falling impostor ranks, 1, 2, 3, ... and then 0.3 % apart."""


def subject_confidence(
    key: Key[Array, ""],
    scores: Float[Numeric, " P"],
    genuine: Bool[Numeric, " P"],
    probe_subject: Shaped[Numeric, " P"],
    fars: float | Sequence[float] | Float[np.ndarray, "*q"],
    *,
    replicates: int = 200,
    level: float = 0.95,
) -> TarConfidence:
    """Bootstrap TAR at FAR (strict rule) over the subjects of the probes.

    **Arguments:**

    - `key`: with one key and one set of subjects all maps see the same draws, so that
      replicates subtract, as in `tar_confidence`.
    - `scores`, `genuine`, `probe_subject (P,)`: of each pair; NaN is never accepted.
    - `fars`: targets, plain numbers from 0 to 1.

    Thresholds are just above one of some 4,096 impostor scores, 0.3 % of a rank apart:
    exact where impostors in reach are fewer, else a replicate's FAR falls short of its
    target by what it draws of the impostors between two of them; 0.3 % of the target where
    those are of many subjects, more where they are of one. `tar` is by the same thresholds;
    `n_skipped` draws held no genuine or no impostor pair, and of nothing else intervals are
    NaN. Raises `ValueError` on shapes that do not match, if a class is missing, or for
    targets that are no rates.
    """
    check_draws(key, replicates, level)
    scores, genuine = np.asarray(as_array(scores)), np.asarray(as_array(genuine))
    subject, fars = np.asarray(as_array(probe_subject)), check_fars(fars)
    if not scores.shape == genuine.shape == subject.shape or scores.ndim != 1:
        raise ValueError(
            "Scores, genuine flags and subjects are one a pair; got "
            f"{scores.shape}, {genuine.shape} and {subject.shape}."
        )
    if genuine.all() or not genuine.any():
        raise ValueError(f"Of {genuine.size} pairs {genuine.sum()} are genuine: need both.")
    present, code = np.unique(subject, return_inverse=True)
    drawn = np.asarray(bootstrap_weights(key, present.size, replicates))
    weights = np.pad(drawn, ((1, 0), (0, 0)), constant_values=1).astype(np.float64)
    totals = [
        weights @ np.bincount(code[which], minlength=present.size)
        for which in (genuine, ~genuine)
    ]
    used = (totals[0] > 0) & (totals[1] > 0)
    flat = fars.ravel()
    picked = _rates_at(scores, genuine, code, weights, totals, flat)
    picked[~used] = np.nan
    picked[:, count_limits(int(np.count_nonzero(~genuine)), flat) == 0] = np.nan
    picked = picked.reshape(len(weights), *fars.shape)
    kept = picked[1:][used[1:]]
    ends = (1 - level) / 2, (1 + level) / 2
    lower, upper = np.quantile(kept, ends, axis=0) if len(kept) else picked[[0, 0]] * np.nan
    return TarConfidence(
        tar=np.asarray(picked[0]),
        lower=np.asarray(lower),
        upper=np.asarray(upper),
        replicates=picked[1:],
        n_identities=present.size,
        n_skipped=replicates - len(kept),
        level=level,
    )


def _rates_at(scores, genuine, code, weights, totals, targets) -> np.ndarray:
    """TAR `(B, q)` of each draw at the last threshold within each target."""
    impostor = scores[~genuine & ~np.isnan(scores)]
    n, used = impostor.size, (totals[0] > 0) & (totals[1] > 0)
    some = int(2 * targets.max(initial=0) * n) + edges_of_histogram
    for reach in (min(some, n), n):
        edges = _edges(impostor, reach)
        tar, far = _rates(scores, genuine, code, edges, weights, totals)
        within = np.empty((len(far), targets.size), int)
        for i, target in enumerate(targets):
            within[:, i] = (far <= target).sum(-1) - 1
        # A draw without the subjects of the best impostors has its threshold further down.
        if reach == n or np.all(within[used] < edges.size - 1):
            break
    return np.where(within < 0, 0, np.take_along_axis(tar, np.maximum(within, 0), axis=1))


def _edges(impostor, reach: int) -> np.ndarray:
    """Falling scores of the best `reach` impostors to serve as thresholds."""
    last = impostor.size - reach
    best = -np.sort(-(np.partition(impostor, last)[last:] if last else impostor))
    ranks = np.arange(1, min(reach, edges_of_histogram) + 1)
    if reach > edges_of_histogram:
        ranks = np.append(ranks[:512], np.geomspace(512, reach, edges_of_histogram))
        ranks = ranks.astype(int)
    return np.unique(best[ranks - 1])[::-1]


def _rates(scores, genuine, code, edges, weights, totals) -> list[np.ndarray]:
    """TAR and FAR `(B, edges + 1)` of each draw above each edge, and of all but NaN."""
    place = _places(edges, scores)
    known = ~np.isnan(scores)
    rates = []
    for which, total in zip((genuine & known, ~genuine & known), totals, strict=True):
        hist = _histograms(code[which], place[which], weights.shape[1], edges.size)
        rates.append((weights @ hist).cumsum(-1) / np.maximum(total, 1)[:, None])
    return rates


def _places(edges, scores) -> np.ndarray:
    """The first edge each score exceeds; most exceed none and are not searched for."""
    place = np.full(scores.shape, edges.size, np.int32)
    high = np.flatnonzero(scores > edges.min(initial=np.inf))
    place[high] = np.searchsorted(-edges, -scores[high], side="right")
    return place


def _histograms(code, place, subjects: int, edges: int) -> np.ndarray:
    """Pairs `(subjects, edges + 1)` by the first edge exceeded; the last exceed none."""
    counts = np.bincount(code * (edges + 1) + place, minlength=subjects * (edges + 1))
    return counts.reshape(subjects, edges + 1).astype(np.float64)
