"""Thousands of relabellings of two clouds, against SciPy's two-sample test of each."""

from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from jfacemap.attribute.macroscale import cloud_distances
from jfacemap.attribute.relabel import largest_statistics, relabellings, SortedPairs

from .harness import race, Row, Side, Size
from .report import launch


attributes, cloud, relabelled, timed = 40, 500, 9999, 3


def run(size: Size) -> list[Row]:
    """All attributes, drawn and sorted anew; SciPy is timed on a few of the first."""
    small = size.rows < 1000
    many, n, repeats = (2, 40, 63) if small else (attributes, cloud, relabelled)
    rng = np.random.default_rng(0)
    identity = np.stack([rng.permutation(2 * n)[:n] for _ in range(2)])
    labels = relabellings(rng, identity, repeats)
    upper = np.triu_indices(n, 1)

    def distances(a: int) -> np.ndarray:
        """Of two clouds that an attribute moves apart, more or less."""
        x = rng.standard_normal((2 * n, size.width)).astype(np.float32)
        x[:n, 0] += 0.7 * (1 - a / many)
        return np.asarray(cloud_distances(x, 2 * n, "cosine"))

    apart = [distances(a) for a in range(many)]

    def theirs() -> np.ndarray:
        found, d = [], apart[0]
        for row in labels[:timed]:
            a, b = np.flatnonzero(row), np.flatnonzero(~row)
            across = d[np.ix_(a, b)].ravel()
            within = (d[np.ix_(side, side)][upper] for side in (a, b))
            tests: list[Any] = [ks_2samp(w, across, method="asymp") for w in within]
            found.append(max(test.statistic for test in tests))
        return np.array(found)

    def ours() -> np.ndarray:
        found = []
        for d in apart:
            own = relabellings(rng, identity, repeats)
            own[:timed] = labels[:timed]
            pairs = SortedPairs(d, np.zeros(d.shape, bool))
            found.append(largest_statistics(pairs, own))
        return np.stack(found)

    truth = theirs()
    error = lambda found: float(np.abs(found - truth).max())
    scipy = f"ks_2samp, timed on {timed}"
    share = timed / (many * (repeats + 1))
    sides = {
        scipy: Side(theirs, error, share=share),
        "largest_statistics": Side(ours, lambda found: error(found[0, :timed])),
    }
    task = f"{many} attributes: KS of {repeats} relabellings of 2 x {n} images each"
    return [Row(task, race(sides, min(size.rounds, 3)), "largest_statistics",
                baseline=scipy)]  # fmt: skip


if __name__ == "__main__":
    launch(run)
