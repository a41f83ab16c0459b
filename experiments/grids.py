"""Grids that ridges and widths are chosen from."""

from collections.abc import Sequence

import numpy as np

import jfacemap as jfm

from .harness import console


def mean_energy(joint: jfm.JointMoments) -> float:
    """Mean variance of a feature times the rows: the unit of relative ridges.

    trace(S) / D of the scatter S (D, D): a ridge is added to sums over rows.
    """
    return float(np.trace(np.asarray(joint.scatter)) / sum(joint.dims))


def warn_of_ends(what: str, chosen, grid: Sequence[float]) -> bool:
    """Say so if any of the chosen is the first or last of a rising grid; and was it?"""
    ends = sorted({float(c) for c in np.ravel(chosen)} & {grid[0], grid[-1]})
    if ends:
        values = ", ".join(f"{c:g}" for c in ends)
        console.print(
            f"[yellow]{what}: {values}, at the end of the grid ({grid[0]:g} to "
            f"{grid[-1]:g}); the best may lie beyond.\n"
        )
    return bool(ends)
