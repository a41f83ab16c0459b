"""What fusing two models gains, and whether their errors foretell it."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np

from ...evaluate.agreement import error_agreement, ErrorAgreement
from ...evaluate.confidence import TarConfidence
from ...evaluate.scoring import label_pairs, score_all
from .likeness import pair_correlation, pair_means
from .map_tables import Judge


class Fusion(eqx.Module):
    """Native scores of two models as one: the mean of both, each z-normalised.

    Mean and deviation are those of impostor scores among the people fitted on, so that
    nothing is learned of those judged. Pairs of models as in `np.triu_indices(N, 1)`.

    - `agreement`: of the models' errors
    - `tar (pairs, far)`: of the fused scores, with intervals
    - `gain`, `gain_lower`, `gain_upper (pairs, far)`: less the better of the two, which is
      the better in each draw
    - `all_models`: TAR of all models fused, `(1, far)`; the same table if there are two
    - `correlation`: Spearman's of `gain` at the leading FAR with the rank correlation of
      impostor scores, over pairs; `lift_correlation`: with the joint false accepts' lift;
      NaN for fewer than `likeness.fewest_pairs`
    """

    agreement: ErrorAgreement
    tar: TarConfidence
    gain: np.ndarray
    gain_lower: np.ndarray
    gain_upper: np.ndarray
    all_models: TarConfidence
    correlation: float
    lift_correlation: float


def fuse_pairs(
    fitted: Sequence[np.ndarray],
    fit_label: np.ndarray,
    rows: Sequence[np.ndarray],
    judge: Judge,
) -> Fusion:
    """Fuse all pairs of models, and all models, on judged rows."""
    scores = [np.asarray(score_all(x, x)) for x in rows]
    agreement = error_agreement(scores, judge.genuine, judge.fars, valid=judge.valid)
    standard = [
        (s - mean) / deviation
        for s, (mean, deviation) in zip(
            scores, (impostor_spread(x, fit_label) for x in fitted), strict=True
        )
    ]
    first, second = np.triu_indices(len(rows), 1)
    pairs = zip(first, second, strict=True)
    fused = [judge.confidence((standard[i] + standard[j]) / 2) for i, j in pairs]
    native = _stack([judge.confidence(s) for s in scores])
    tar = _stack(fused)
    better = lambda x, axis: np.maximum(np.take(x, first, axis), np.take(x, second, axis))
    gain = tar.tar - better(native.tar, 0)
    draws = tar.replicates - better(native.replicates, 1)
    used = draws[~np.isnan(draws).all(axis=(1, 2))]
    ends = np.quantile(used, [0.025, 0.975], axis=0) if len(used) else [gain * np.nan] * 2
    every = judge.confidence(np.mean(standard, axis=0)[None])
    alike = lambda table: pair_correlation(pair_means(table), gain[:, 0])
    return Fusion(
        agreement,
        tar,
        gain,
        ends[0],
        ends[1],
        every,
        alike(agreement.impostor_rank),
        alike(agreement.accept_lift[..., 0]),
    )


def impostor_spread(x: np.ndarray, label: np.ndarray, most: int = 2000):
    """Mean and deviation of impostor scores among some rows, at most the first `most`."""
    x, label = x[:most], label[:most]
    genuine, _ = map(np.asarray, label_pairs(label))
    scores = np.asarray(score_all(x, x), np.float64)[~genuine]
    return np.float32(scores.mean()), np.float32(max(scores.std(), 1e-12))


def _stack(tables: Sequence[TarConfidence]) -> TarConfidence:
    """Single tables as a stack `(tables, far)`, draws first."""
    first = tables[0]
    fields = lambda t: (t.tar, t.lower, t.upper, t.replicates)
    columns = list(zip(*map(fields, tables), strict=True))
    stacked = [np.stack(c) for c in columns[:3]] + [np.stack(columns[3], axis=1)]
    return eqx.tree_at(fields, first, tuple(stacked))
