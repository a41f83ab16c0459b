"""TAR of every source mapped into every target, with intervals and bands."""

from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Key

from ...core.types import Numeric
from ...evaluate.accepts import TarAtFar
from ...evaluate.bands import Band, simultaneous_band
from ...evaluate.confidence import tar_confidence, TarConfidence
from ...evaluate.identities import identity_pairs, IdentityPairs
from ...evaluate.scoring import label_pairs
from ...fit.all_pairs import PairMaps
from ..cross_verify import cross_scores, table_tar


class Judge(eqx.Module):
    """The pairs of judged images, and the people drawn for intervals."""

    key: Key[Array, ""]
    genuine: np.ndarray
    valid: np.ndarray
    pairs: IdentityPairs
    fars: tuple[float, ...] = eqx.field(static=True)
    replicates: int = eqx.field(static=True)

    def confidence(self, scores) -> TarConfidence:
        """Intervals of a stack of tables; the same draws of people each time."""
        return tar_confidence(
            self.key, scores, self.pairs, self.fars, replicates=self.replicates
        )


class MapTable(eqx.Module):
    """TAR `(source, target, far)`; the diagonal is native.

    - `spread`: identity-bootstrap intervals; `band`: the band that holds for all cells of
      this table at once, within 0 and 1; both None for a control
    """

    tar: TarAtFar
    spread: TarConfidence | None = None
    band: Band | None = None


class MeanTar(eqx.Module):
    """Mean TAR over the cells of a table, and that less native TAR; NaN if not known.

    Native TAR of the same spaces: of centred ones where the table is of these.

    `value`, `lower`, `upper (far,)`, and `less`, `less_lower`, `less_upper (far,)`.
    """

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    less: np.ndarray
    less_lower: np.ndarray
    less_upper: np.ndarray


def judge_of(key: Key[Array, ""], label: np.ndarray, fars, replicates: int) -> Judge:
    """Who is compared with whom among images of people `label (n,)`."""
    genuine, valid = map(np.asarray, label_pairs(label))
    pairs = identity_pairs(label[:, None], label[None], valid=valid)
    return Judge(key, genuine, valid, pairs, tuple(fars), replicates)


def verify_maps(maps: PairMaps, rows, judge: Judge, *, intervals: bool = True) -> MapTable:
    """Judge maps by the rows of each model; the diagonal is native."""
    scores = cross_scores(maps, rows)
    tar = host(table_tar(scores, judge.genuine, judge.fars, valid=judge.valid))
    if not intervals:
        return MapTable(tar)
    spread = judge.confidence(np.asarray(scores))
    band = simultaneous_band(spread.tar, spread.replicates)
    lower, upper = np.clip(band.lower, 0, 1), np.clip(band.upper, 0, 1)
    return MapTable(tar, spread, Band(lower, upper, band.width))


def verify_self_maps(maps: PairMaps, rows, judge: Judge) -> TarAtFar:
    """TAR of each model mapped to itself, on the diagonal: what fitting alone costs."""
    scores = cross_scores(maps, rows, native=False)
    return host(table_tar(scores, judge.genuine, judge.fars, valid=judge.valid))


def shuffled(rng: np.random.Generator, spaces, fit: np.ndarray) -> list[np.ndarray]:
    """Each model's fit rows in an order of its own: pairs of nothing."""
    places = np.flatnonzero(fit)
    spaces = [x.copy() for x in spaces]
    for x in spaces:
        x[places] = x[rng.permutation(places)]
    return spaces


def mean_of(table: Numeric, diagonal: bool = False) -> np.ndarray:
    """Mean over the diagonal, or off it, of `(..., source, target, far)`."""
    table = np.asarray(table)
    kept = np.eye(table.shape[-2], dtype=bool) == diagonal
    return table[..., kept, :].mean(axis=-2)


def mean_tar(
    table: MapTable, native: MapTable | None = None, *, diagonal: bool = False
) -> MeanTar:
    """The mean over a table's cells; `native`, whose diagonal it is compared with."""
    value = mean_of(np.asarray(table.tar.tar), diagonal)
    unknown = [np.full(value.shape, np.nan)] * 5
    if table.spread is None:
        return MeanTar(value, *unknown)
    draws = mean_of(table.spread.replicates, diagonal)
    lower, upper = _ends(draws)
    if native is None or native.spread is None:
        return MeanTar(value, lower, upper, *unknown[2:])
    less = value - mean_of(np.asarray(native.tar.tar), True)
    ends = _ends(draws - mean_of(native.spread.replicates, True))
    return MeanTar(value, lower, upper, less, *ends)


def summary(tables: Mapping[str, MapTable]) -> dict[str, MeanTar]:
    """Mean TAR of native models and of each table `"kind, centring"`."""
    found = {}
    for name, table in tables.items():
        centring = name.split(", ")[1]
        found.setdefault(f"native, {centring}", mean_tar(table, diagonal=True))
        found[name] = mean_tar(table, table)
    return found


def paired(one: MapTable, other: MapTable) -> np.ndarray:
    """Ends `(2, far)` of the 95 % interval of one table's mean less another's.

    Of the same draws of people in both; NaN for controls, which have none.
    """
    if one.spread is None or other.spread is None:
        return np.full((2, one.tar.tar.shape[-1]), np.nan)
    return _ends(mean_of(one.spread.replicates) - mean_of(other.spread.replicates))


def beats_both(table: MapTable) -> tuple[int, int]:
    """Cells whose TAR at the leading FAR is above both of their models' own.

    How many, and of how many the 95 % interval of the difference from the better one,
    which is the better in each draw, is above 0.
    """
    tar = np.asarray(table.tar.tar)[..., 0]
    off = ~np.eye(len(tar), dtype=bool)
    gain = lambda t: (t - np.maximum(_own(t)[..., None], _own(t)[..., None, :]))[..., off]
    if table.spread is None:
        return int(np.sum(gain(tar) > 0)), 0
    lower, _ = _ends(gain(np.asarray(table.spread.replicates)[..., 0]))
    return int(np.sum(gain(tar) > 0)), int(np.sum((gain(tar) > 0) & (lower > 0)))


def _own(tar: np.ndarray) -> np.ndarray:
    return np.diagonal(tar, axis1=-2, axis2=-1)


def host(tar: TarAtFar) -> TarAtFar:
    """Off the device, as other fields of a report are."""
    return jax.tree.map(np.asarray, tar)


def _ends(draws: np.ndarray) -> np.ndarray:
    used = draws[~np.isnan(draws).all(axis=1)]
    if not len(used):
        return np.full((2, draws.shape[1]), np.nan)
    return np.quantile(used, [0.025, 0.975], axis=0)
