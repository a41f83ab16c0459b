"""Thousands of relabellings of two clouds, against SciPy's two-sample test of each."""

import numpy as np
from scipy.stats import ks_2samp

from jfacemap.attribute.macroscale import cloud_distances
from jfacemap.attribute.relabel import largest_statistics, relabellings, SortedPairs

from .harness import race, Row, Side, Size
from .report import launch


attributes, cloud, relabelled, timed = 40, 500, 9999, 3


def run(size: Size) -> list[Row]:
    """One attribute of forty, drawn and sorted anew; SciPy is timed on a few."""
    small = size.rows < 1000
    n, repeats = (40, 63) if small else (cloud, relabelled)
    rng = np.random.default_rng(0)
    identity = np.stack([rng.permutation(2 * n)[:n] for _ in range(2)])
    x = rng.standard_normal((2 * n, size.width)).astype(np.float32)
    x[:n, 0] += 0.7
    labels = relabellings(rng, identity, repeats)
    d = np.asarray(cloud_distances(x, 2 * n, "cosine"))
    upper = np.triu_indices(n, 1)

    def theirs() -> np.ndarray:
        found = []
        for row in labels[:timed]:
            a, b = np.flatnonzero(row), np.flatnonzero(~row)
            across = d[np.ix_(a, b)].ravel()
            within = (d[np.ix_(side, side)][upper] for side in (a, b))
            found.append(max(ks_2samp(w, across, method="asymp").statistic for w in within))
        return np.array(found)

    def ours() -> np.ndarray:
        own = relabellings(rng, identity, repeats)
        own[:timed] = labels[:timed]
        return largest_statistics(SortedPairs(d, np.zeros(d.shape, bool)), own)

    truth = theirs()
    error = lambda found: float(np.abs(found[:timed] - truth).max())
    scipy = f"ks_2samp, timed on {timed}"
    sides = {
        scipy: Side(theirs, error, share=timed / (repeats + 1)),
        "largest_statistics": Side(ours, error),
    }
    task = f"one attribute: KS of {repeats} relabellings of 2 x {n} images"
    return [Row(task, race(sides, min(size.rounds, 3)), "largest_statistics",
                baseline=scipy)]  # fmt: skip


if __name__ == "__main__":
    launch(run)
