r"""Intervals for identification rates: the people searched for are drawn.

All probes of a person stay together: $w \sim \mathrm{Multinomial}(I; 1/I)$ and a probe
weighs what its person does. The gallery is taken as given.
"""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Array, Key

from .confidence import bootstrap_weights, TarConfidence
from .draws import check_draws
from .identify import Identification
from .subject_bootstrap import subject_confidence


class SearchConfidence(eqx.Module):
    """Rates of a search with percentile intervals; the same people are drawn for all.

    `.tar` of either is the rate itself, so that two of them subtract by `tar_difference`.

    - `hit_rate`: at each of `ranks`; NaN without mated probes
    - `tpir`: at each target FPIR of the search, by the strict rule; None where the search
      has no open set
    """

    hit_rate: TarConfidence
    tpir: TarConfidence | None
    ranks: tuple[int, ...] = eqx.field(static=True)


def search_confidence(
    key: Key[Array, ""],
    found: Identification | Sequence[Identification],
    probe_subjects,
    *,
    ranks: Sequence[int] = (1, 5, 10),
    replicates: int = 200,
    level: float = 0.95,
) -> SearchConfidence:
    """Bootstrap hit rates and TPIR at FPIR over the people searched for.

    **Arguments:**

    - `key`: one key draws the same people in all searches of one set of probes.
    - `found`: what `identify` found; or of the same probes in several galleries, whose
      rates are averaged draw by draw.
    - `probe_subjects (n,)`: whom each probe shows, as given to `identify`.
    - `ranks`: of the hit rates.
    - `replicates`, `level`: draws, and coverage of the percentile interval.

    In each draw the threshold of a FPIR is found anew, as `subject_confidence` does. Draws
    without mated probes, for TPIR also those without others, are skipped. Raises
    `ValueError` on shapes that do not match.
    """
    check_draws(key, replicates, level)
    searches = [found] if isinstance(found, Identification) else list(found)
    subject = np.asarray(probe_subjects)
    for each in searches:
        if subject.shape != each.mated.shape:
            raise ValueError(
                f"{each.mated.size} probes need a subject each; got {subject.shape}."
            )
    people, code = np.unique(subject, return_inverse=True)
    drawn = np.asarray(bootstrap_weights(key, people.size, replicates))
    weights = np.pad(drawn, ((1, 0), (0, 0)), constant_values=1).astype(np.float64)
    hits = [_hit_rates(each, code, weights, ranks) for each in searches]
    rates = [
        _open_set(key, each, code, each.open_set.target, replicates)
        for each in searches
        if each.open_set is not None
    ]
    whole = len(rates) == len(searches)
    tpir = _summary(rates, people.size, level) if whole else None
    return SearchConfidence(_summary(hits, people.size, level), tpir, tuple(ranks))


def _hit_rates(found: Identification, code, weights, ranks) -> np.ndarray:
    """Hit rates `(1 + B, r)`: of all people once, then of each draw."""
    count = lambda which: weights @ np.bincount(code[which], minlength=weights.shape[1])
    hit = [found.mated & (found.rank > 0) & (found.rank <= rank) for rank in ranks]
    hits = np.array([count(which) for which in hit]).reshape(len(hit), -1).T
    with np.errstate(invalid="ignore"):
        return hits / count(found.mated)[:, None]


def _open_set(key, found: Identification, code, fpirs, replicates) -> np.ndarray:
    """TPIR `(1 + B, *q)`; mated probes are the genuine pairs, the others the impostors."""
    spread = subject_confidence(
        key, found.open_scores, found.mated, code, fpirs, replicates=replicates
    )
    return np.concatenate([spread.tar[None], spread.replicates])


def _summary(rates: list[np.ndarray], people: int, level: float) -> TarConfidence:
    """Means over searches, and percentiles of those of draws that none has skipped."""
    mean = np.mean(rates, axis=0)
    draws = mean[1:]
    skipped = np.isnan(draws).reshape(len(draws), -1).all(axis=1)
    kept = draws if skipped.all() else draws[~skipped]
    lower, upper = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return TarConfidence(
        tar=np.asarray(mean[0]),
        lower=np.asarray(lower),
        upper=np.asarray(upper),
        replicates=draws,
        n_identities=people,
        n_skipped=int(skipped.sum()),
        level=level,
    )
