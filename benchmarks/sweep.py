"""All pairs of models from random subsets of many sizes, against a loop in NumPy."""

import itertools

import jax
import numpy as np

import jfacemap as jfm
from jfacemap.study.sweep import subset_rows

from . import simulate
from .harness import race, Row, Side, Size
from .report import launch
from .rotations import kabsch
from .truth import relative_error


sampled = 2
"""Pairs that the loop is timed on at each size: all 90 take minutes."""


def run(size: Size) -> list[Row]:
    """Linear maps and rotations, one subset of each size.

    "Error" is the largest deviation from the maps of NumPy's loop, of the pairs that it
    does; rotations are compared where the rows determine them.
    """
    rows = simulate.embeddings(size, condition=10)
    sizes = [2**k for k in range(4, 14) if 2**k <= size.rows]
    pairs = list(itertools.permutations(range(size.models), 2))
    sample = pairs[:: len(pairs) // sampled][:sampled]
    key = jax.random.key(0)
    subsets = [subset_rows(key, size.rows, s, 1)[0] for s in sizes]
    wide = {i: rows[i].astype(np.float64) for pair in sample for i in pair}

    def loop():
        maps = {"linear": [], "rotation": []}
        for subset, (i, j) in itertools.product(subsets, sample):
            x, y = wide[i][subset], wide[j][subset]
            maps["linear"].append(np.linalg.lstsq(x, y, rcond=None)[0])
            maps["rotation"].append(kabsch(x.T @ y))
        return maps

    def ours():
        def look(maps):
            # All maps of one subset are ready before the next is drawn.
            jax.block_until_ready(maps)
            return np.stack([np.asarray(maps[pair].as_affine().weight) for pair in sample])

        return jfm.sweep_subsets(key, rows, sizes, 1, evaluate=look).values

    truth = loop()
    unique = np.repeat(np.array(sizes) > size.width, len(sample))

    def deviation(values) -> float:
        flat = {kind: x.reshape(-1, *x.shape[-2:]) for kind, x in values.items()}
        cells = [("linear", k) for k in range(unique.size)]
        cells += [("rotation", k) for k in np.flatnonzero(unique)]
        return max(relative_error(flat[kind][k], truth[kind][k]) for kind, k in cells)

    numpy, sweep = (
        f"NumPy lstsq and SVD, {len(sample)} of {len(pairs)} pairs",
        "sweep_subsets",
    )
    sides = {
        numpy: Side(loop, share=len(sample) / len(pairs)),
        sweep: Side(ours, deviation),
    }
    count = 2 * len(pairs) * len(sizes)
    task = f"{count} maps of {size.models} x {size.width}, {sizes[0]} to {sizes[-1]} rows"
    return [Row(task, race(sides, min(size.rounds, 3)), sweep, None, numpy, 12, 20)]


if __name__ == "__main__":
    launch(run)
