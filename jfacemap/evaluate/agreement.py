"""Do models err on the same pairs? Where they do not, fusing their scores gains."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from ..core.types import Numeric
from .rank import mean_ranks
from .tar import tar_at_far


class ErrorAgreement(eqx.Module):
    """How the errors of N models on the same pairs go together; symmetric, float64.

    - `impostor_rank`, `genuine_rank (N, N)`: Spearman's correlation of the scores of
      impostor, and of genuine pairs; NaN where scores are all alike
    - `false_accepts (N, N, q)`: share of the impostor pairs that both models accept at
      each target FAR; on the diagonal the model's own, the FAR achieved
    - `false_rejects (N, N, q)`: share of the genuine pairs that both reject

    Rates are NaN where the target is less than one impostor pair.
    """

    impostor_rank: Float[np.ndarray, "N N"]
    genuine_rank: Float[np.ndarray, "N N"]
    false_accepts: Float[np.ndarray, "N N q"]
    false_rejects: Float[np.ndarray, "N N q"]

    @property
    def accept_lift(self) -> Float[np.ndarray, "N N q"]:
        """Joint false accepts over those of independent models: 1 is independence."""
        return lift(self.false_accepts)

    @property
    def reject_lift(self) -> Float[np.ndarray, "N N q"]:
        """Joint false rejects over those of independent models; NaN if one has none."""
        return lift(self.false_rejects)


def error_agreement(
    scores: Sequence[Float[Numeric, "*n"]],
    genuine: Bool[Numeric, "*n"],
    fars: Sequence[float],
    *,
    valid: Bool[Numeric, "*n"] | None = None,
) -> ErrorAgreement:
    """Compare which pairs N models find alike, and which they get wrong.

    **Arguments:**

    - `scores`: of each model those of the same pairs, each of the shape of `genuine`.
    - `fars`: targets; each model has its own threshold, by the strict rule.
    - `valid`: pairs that count; all by default.

    On the host. A NaN score is never accepted, and makes the model's correlations NaN.
    Raises `ValueError` on fewer than two models or shapes that do not match.
    """
    genuine = np.asarray(genuine, bool)
    valid = np.ones(genuine.shape, bool) if valid is None else np.asarray(valid, bool)
    shapes = {np.shape(s) for s in scores} | {valid.shape}
    if len(scores) < 2 or shapes != {genuine.shape}:
        raise ValueError(
            "Agreement is between two models or more, of scores as many as there are "
            f"pairs, {genuine.shape}; got {[np.shape(s) for s in scores]}."
        )
    kept = np.stack([np.asarray(s)[valid] for s in scores])
    same = genuine[valid]
    thresholds = []
    for one in kept:
        tar = tar_at_far(one, same, fars)
        thresholds.append(np.where(tar.supported, np.asarray(tar.threshold), np.nan))
    bars = np.stack(thresholds)
    both = lambda right, known: np.stack(
        [_jointly(right[..., k], known[:, k]) for k in range(len(fars))], axis=-1
    )
    accepted = kept[:, :, None] >= bars[:, None]
    return ErrorAgreement(
        _spearman(kept[:, ~same]),
        _spearman(kept[:, same]),
        both(accepted[:, ~same], ~np.isnan(bars)),
        both(~accepted[:, same], ~np.isnan(bars)),
    )


def lift(joint: Float[np.ndarray, "N N *q"]) -> Float[np.ndarray, "N N *q"]:
    """A joint rate over the product of the two rates on its diagonal."""
    own = np.moveaxis(np.diagonal(joint), -1, 0)
    expected = own[:, None] * own[None]
    return joint / np.where(expected > 0, expected, np.nan)


def _jointly(happened: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Share of pairs `(N, pairs)` for which something happened with both of two models."""
    events = happened.astype(np.float64)
    share = events @ events.T / max(events.shape[1], 1)
    return np.where(known[:, None] & known[None] & (events.shape[1] > 0), share, np.nan)


def _spearman(scores: np.ndarray) -> np.ndarray:
    ranks = np.stack([mean_ranks(s) for s in scores])
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt(np.sum(ranks**2, axis=1))
    products = np.outer(length, length)
    return ranks @ ranks.T / np.where(products > 0, products, np.nan)
