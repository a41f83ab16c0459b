"""Exact TAR at FAR over a billion comparisons that are never stored."""

import numpy as np

import jfacemap as jfm

from .harness import gemm_peak, race, Row, Side, Size
from .report import launch


block = 4096
"""Templates of either side whose scores are stored, to compare with."""


def run(size: Size) -> list[Row]:
    """All of a gallery with all of a probe set; nobody else does this, so no baseline.

    "Error" is the largest difference of a TAR or FAR from `tar_at_far` of the stored
    scores of a block: a pair or two, as scores differ in their last digit.
    """
    rng = np.random.default_rng(0)
    d, m = size.width, int(32_768 * size.protocol**0.5)
    people = max(2, m // 8)
    centre = rng.standard_normal((people, d), np.float32)

    def side(n):
        who = rng.integers(0, people, n)
        x = centre[who] + 1.5 * rng.standard_normal((n, d), np.float32)
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        return jfm.Templates(np.arange(n), unit), who

    (gallery, left), (probes, right) = side(m), side(m)

    def apart(_) -> float:
        """Of a block of both, whose scores can be stored."""
        some = lambda t: jfm.Templates(np.asarray(t.ids)[:block], t.vectors[:block])
        a, b = some(gallery), some(probes)
        who = left[:block], right[:block]
        ours = jfm.cross_match(a, b, *who, jfm.ijb_fars).tar
        scores = np.asarray(a.vectors) @ np.asarray(b.vectors).T
        stored = jfm.tar_at_far(scores, who[0][:, None] == who[1][None], jfm.ijb_fars)
        rates = [(ours.tar, stored.tar), (ours.far, stored.far)]
        return max(float(np.nanmax(np.abs(np.subtract(x, y)))) for x, y in rates)

    sides = {
        "cross_match": Side(
            lambda: jfm.cross_match(gallery, probes, left, right, jfm.ijb_fars), apart
        )
    }
    floor = 2 * 2 * m**2 * d / gemm_peak("float32")
    task = f"TAR at six FARs over {m} x {m} = {m**2:.3g} comparisons, width {d}"
    return [Row(task, race(sides, 1), "cross_match", floor)]


if __name__ == "__main__":
    launch(run)
