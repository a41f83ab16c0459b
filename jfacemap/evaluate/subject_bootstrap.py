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

    Thresholds are just above one of some 4,096 impostor scores: exact where impostors in
    reach are fewer, else a replicate's FAR falls short of its target by up to 0.3 %.
    `tar` is by the same thresholds; `n_skipped` draws held no genuine or no impostor
    pair. Raises `ValueError` on shapes that do not match or if a class is missing.
    """
    check_draws(key, replicates, level)
    scores, genuine = np.asarray(as_array(scores)), np.asarray(as_array(genuine))
    subject, fars = np.asarray(as_array(probe_subject)), np.asarray(fars, np.float64)
    if not scores.shape == genuine.shape == subject.shape or scores.ndim != 1:
        raise ValueError(
            "Scores, genuine flags and subjects are one a pair; got "
            f"{scores.shape}, {genuine.shape} and {subject.shape}."
        )
    if genuine.all() or not genuine.any():
        raise ValueError(f"Of {genuine.size} pairs {genuine.sum()} are genuine: need both.")
    present, code = np.unique(subject, return_inverse=True)
    edges = _edges(scores[~genuine], float(fars.max()))
    place = _places(edges, scores)
    hist = [
        _histograms(code[which], place[which], present.size, edges.size)
        for which in (genuine, ~genuine)
    ]
    drawn = np.asarray(bootstrap_weights(key, present.size, replicates))
    weights = np.pad(drawn, ((1, 0), (0, 0)), constant_values=1).astype(np.float64)
    accepts = [(weights @ h).cumsum(-1) for h in hist]
    totals = [a[:, -1:] for a in accepts]
    used = ((totals[0] > 0) & (totals[1] > 0))[:, 0]
    with np.errstate(invalid="ignore"):
        tar, far = (a / n for a, n in zip(accepts, totals, strict=True))
    flat = fars.ravel()
    within = np.stack([(far <= target).sum(-1) - 1 for target in flat], axis=1)
    picked = np.take_along_axis(tar, np.maximum(within, 0), axis=1)
    picked[within < 0] = 0
    picked[~used] = np.nan
    picked[:, flat * totals[1][0] < 1] = np.nan
    picked = picked.reshape(-1, *fars.shape)
    kept = picked[1:][used[1:]]
    lower, upper = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return TarConfidence(
        tar=np.asarray(picked[0]),
        lower=np.asarray(lower),
        upper=np.asarray(upper),
        replicates=picked[1:],
        n_identities=present.size,
        n_skipped=replicates - len(kept),
        level=level,
    )


def _edges(impostor, share: float) -> np.ndarray:
    """Falling impostor scores to serve as thresholds, most of them where FAR is small."""
    impostor = impostor[~np.isnan(impostor)]
    reach = min(impostor.size, int(2 * share * impostor.size) + edges_of_histogram)
    best = -np.sort(-np.partition(impostor, impostor.size - reach)[-reach:])
    ranks = np.arange(1, min(reach, edges_of_histogram) + 1)
    if reach > edges_of_histogram:
        ranks = np.append(ranks[:512], np.geomspace(512, reach, edges_of_histogram))
        ranks = ranks.astype(int)
    return np.unique(best[ranks - 1])[::-1]


def _places(edges, scores) -> np.ndarray:
    """The first edge each score exceeds; most exceed none and are not searched for."""
    place = np.full(scores.shape, edges.size, np.int32)
    high = np.flatnonzero(scores > edges[-1])
    place[high] = np.searchsorted(-edges, -scores[high], side="right")
    return place


def _histograms(code, place, subjects: int, edges: int) -> np.ndarray:
    """Pairs `(subjects, edges + 1)` by the first edge exceeded; the last exceed none."""
    counts = np.bincount(code * (edges + 1) + place, minlength=subjects * (edges + 1))
    return counts.reshape(subjects, edges + 1).astype(np.float64)
