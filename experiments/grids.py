"""Is what was chosen at the end of the grid it was chosen from?"""

from collections.abc import Sequence

import numpy as np

from .harness import console


def warn_of_ends(what: str, chosen, grid: Sequence[float]) -> bool:
    """Say so if any of the chosen is the first or last of a rising grid; and was it?"""
    low, high = grid[0], grid[-1]
    at_end = [c for c in np.unique(np.asarray(chosen)) if c in (low, high)]
    if at_end:
        values = ", ".join(f"{c:g}" for c in at_end)
        console.print(
            f"[yellow]{what}: {values}, at the end of the grid ({low:g} to {high:g}); the "
            "best may lie beyond.\n"
        )
    return bool(at_end)
