"""What a map costs: TAR through it less TAR without it, draw by draw."""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .confidence import TarConfidence


class TarDifference(eqx.Module):
    """A difference of two TARs with its percentile interval; cells as in `TarConfidence`.

    - `estimate`: of all identities, each once
    - `lower`, `upper`: percentile interval at `level`
    - `replicates (B, ...)`: the difference in each draw; NaN where it was skipped
    """

    estimate: Float[np.ndarray, "..."]
    lower: Float[np.ndarray, "..."]
    upper: Float[np.ndarray, "..."]
    replicates: Float[np.ndarray, "B ..."]
    level: float = eqx.field(static=True)


def tar_difference(mapped: TarConfidence, native: TarConfidence) -> TarDifference:
    """`mapped` less `native`, paired: both of one key, one set of people and one B.

    The same people are drawn in both, so what makes a draw of people easy or hard cancels
    and the interval is narrower than the two intervals would say. Cells broadcast, so one
    native TAR serves several maps. NaN where either rate is. Raises `ValueError` unless
    draws, people and levels agree.
    """
    ours, theirs = ((len(x.replicates), x.n_identities, x.level) for x in (mapped, native))
    if ours != theirs:
        raise ValueError(
            "Paired rates come from the same draws of the same people at one level; got "
            f"(draws, people, level) {ours} and {theirs}."
        )
    replicates = mapped.replicates - native.replicates
    skipped = np.isnan(replicates).reshape(len(replicates), -1).all(axis=1)
    kept = replicates if skipped.all() else replicates[~skipped]
    ends = np.quantile(kept, [(1 - mapped.level) / 2, (1 + mapped.level) / 2], axis=0)
    return TarDifference(
        estimate=np.asarray(mapped.tar - native.tar),
        lower=np.asarray(ends[0]),
        upper=np.asarray(ends[1]),
        replicates=replicates,
        level=mapped.level,
    )
