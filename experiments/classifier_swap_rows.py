"""How much of a swap is kept, by the number of rows maps are fitted on.

At as many rows as features are wide least squares is at its interpolation peak: it fits
every row and nothing else. Fewer rows leave a map of least norm, many the map itself.
"""

import dataclasses
import functools
import itertools

import numpy as np

import jfacemap as jfm

from .classifier_swap_data import Networks
from .grids import mean_energy


shares = 0.2, 0.4, 0.8, 1.0, 1.6
"""Rows over the mean width of features; and all rows there are."""

kinds = "affine", "affine, ridge"


@dataclasses.dataclass(frozen=True)
class Curve:
    """What swaps keep, in percent: `accuracy`, `agreement (kinds, sizes, pairs)`.

    `own (pairs,)`: the source's accuracy; `sizes`, `ridges (sizes,)`: rows fitted on, the
    last all there are, and relative ridges.
    """

    sizes: np.ndarray
    ridges: np.ndarray
    accuracy: np.ndarray
    agreement: np.ndarray
    own: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """By name."""
        return dataclasses.asdict(self)


def fit_few(networks: Networks, whole, seed: int) -> Curve:
    """Maps fitted on ever more whole images of the first fold, judged on its other images.

    `whole` is the fold as fitted on all rows, the last point. A ridge is picked for each
    size, on half of its images, beginning at the penalty of all rows.
    """
    few = list(_maps_of_few(networks, whole, seed))
    sizes = [*(size for size, _, _ in few), whole.rows]
    ridges = [*(ridge for _, ridge, _ in few), whole.ridge]
    last = tuple(whole.maps[kind] for kind in kinds)
    cells = [_judge(networks, tables) for tables in (*(maps for *_, maps in few), last)]
    accuracy, agreement, own = np.moveaxis(np.array(cells), -1, 0)
    to_kinds = lambda values: values.swapaxes(0, 1)
    return Curve(
        np.array(sizes),
        np.array(ridges),
        to_kinds(accuracy),
        to_kinds(agreement),
        own[0, 0],
    )


def _maps_of_few(networks: Networks, whole, seed: int):
    """For each size but the last: rows, the ridge picked, maps without it and with it."""
    fold, names = networks.folds[0], networks.names
    wide = np.mean([head.dim for head in networks.heads.values()])
    sizes = np.rint(np.array(shares) * wide).astype(int)
    sizes = sizes[sizes < whole.rows]
    if not len(sizes):
        return
    rows, image = fold.sample(seed, sizes[-1])
    step, half = _steps(image, sizes, seed)
    blocks = jfm.stream_fold_moments(rows, 2 * step + half, names=names)
    first, second = (
        list(itertools.accumulate(blocks[k : 2 * len(sizes) : 2], jfm.merge))
        for k in range(2)
    )
    for i, (fitted, other) in enumerate(zip(first, second, strict=False)):
        if len(np.unique(half[step <= i])) < 2:
            continue  # images of so many rows that there is none in a half
        joint = jfm.merge(fitted, other)
        size = int(np.asarray(joint.count))
        held = [x[(step <= i) & (half == 1)] for x in rows]
        start = whole.ridge * whole.rows / size
        ridge = _pick(fitted, held, start, networks.pairs)
        plain = jfm.fit_all_pairs(joint, "affine")
        ridged = jfm.fit_all_pairs(joint, "affine", ridge=ridge * mean_energy(joint))
        yield size, ridge, (plain, ridged)


def _steps(image: np.ndarray, sizes, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row the first of the sizes that has its image, and the half it is in."""
    names, code, counts = np.unique(image, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    step, half = np.empty(len(names), int), np.empty(len(names), int)
    step[order] = np.searchsorted(sizes, np.cumsum(counts[order]))
    half[order] = np.arange(len(names)) % 2
    return step[code], half[code]


def _pick(fitted, held, start: float, pairs) -> float:
    """The ridge of the least share of variance left on held-out rows, mean over pairs.

    From `start` up or down by half decades for as long as that gets better: there is no
    grid to be at the end of, and few maps are fitted.
    """
    rows = dict(zip(fitted.names, held, strict=True))
    place = lambda step: start * 10 ** (step / 2)

    @functools.cache
    def left(step: int):
        maps = jfm.fit_all_pairs(fitted, "affine", ridge=place(step) * mean_energy(fitted))
        miss = lambda a, b: np.sum((np.asarray(maps[a, b](rows[a])) - rows[b]) ** 2)
        spread = lambda b: np.sum((rows[b] - rows[b].mean(axis=0)) ** 2)
        return np.mean([miss(a, b) / spread(b) for a, b in pairs])

    step, way = 0, 1 if left(1) < left(0) else -1
    while abs(step) < 12 and left(step + way) < left(step):
        step += way
    return place(step)


def _judge(networks: Networks, tables) -> list:
    """Percent named right, of agreement, and the source's own: (kinds, pairs, 3)."""
    fold, heads, names = networks.folds[0], networks.heads, networks.names

    def swap(maps, a, b):
        x = fold.features[names.index(a)]
        found = jfm.swap_accuracy(maps[a, b], x, fold.labels, heads[a], heads[b])
        return [100 * found.accuracy, 100 * found.agreement, 100 * found.source_accuracy]

    return [[swap(maps, *pair) for pair in networks.pairs] for maps in tables]


def rows_of_curve(networks: Networks, curve: Curve):
    """Rows of the CSV file; of the first fold, without intervals."""
    each = itertools.product(enumerate(kinds), enumerate(curve.sizes))
    for (k, kind), (s, size) in each:
        for p, (a, b) in enumerate(networks.pairs):
            accuracy, own = curve.accuracy[k, s, p], curve.own[p]
            yield {
                "kind": f"{kind}, first fold",
                "source": a,
                "target": b,
                "rows": size,
                "accuracy": accuracy / 100,
                "change": 100 * (accuracy - own) / own if own else np.nan,
                "agreement": curve.agreement[k, s, p] / 100,
            }
