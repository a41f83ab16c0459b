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


sampled = 2
"""Pairs that the loop is timed on at each size: all 90 take minutes."""


def run(size: Size) -> list[Row]:
    """Linear maps and rotations, one subset of each size; maps are made, not judged."""
    rows = simulate.embeddings(size, condition=10)
    sizes = [2**k for k in range(4, 14) if 2**k <= size.rows]
    pairs = list(itertools.permutations(range(size.models), 2))
    sample = pairs[:: len(pairs) // sampled][:sampled]
    key = jax.random.key(0)
    subsets = [subset_rows(key, size.rows, s, 1)[0] for s in sizes]
    wide = {i: rows[i].astype(np.float64) for pair in sample for i in pair}

    def loop():
        for subset, (i, j) in itertools.product(subsets, sample):
            x, y = wide[i][subset], wide[j][subset]
            np.linalg.lstsq(x, y, rcond=None)
            kabsch(x.T @ y)

    def ours():
        # The maps of one subset are ready before the next is drawn.
        ready = lambda maps: jax.block_until_ready(maps[0, 1].in_dim)
        return jfm.sweep_subsets(key, rows, sizes, 1, evaluate=ready).values

    numpy, sweep = (
        f"NumPy lstsq and SVD, {len(sample)} of {len(pairs)} pairs",
        "sweep_subsets",
    )
    sides = {
        numpy: Side(loop, share=len(sample) / len(pairs)),
        sweep: Side(ours),
    }
    count = 2 * len(pairs) * len(sizes)
    task = f"{count} maps of {size.models} x {size.width}, {sizes[0]} to {sizes[-1]} rows"
    return [Row(task, race(sides, min(size.rounds, 3)), sweep, None, numpy, 12, 20)]


if __name__ == "__main__":
    launch(run)
