"""Exact TAR at FAR over a billion comparisons that are never stored."""

import numpy as np

import jfacemap as jfm

from .harness import gemm_peak, race, Row, Side, Size
from .report import launch


def run(size: Size) -> list[Row]:
    """All of a gallery with all of a probe set; nobody else does this, so no baseline."""
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
    sides = {
        "cross_match": Side(
            lambda: jfm.cross_match(gallery, probes, left, right, jfm.ijb_fars)
        )
    }
    floor = 2 * 2 * m**2 * d / gemm_peak("float32")
    task = f"TAR at six FARs over {m} x {m} = {m**2:.3g} comparisons, width {d}"
    return [Row(task, race(sides, 1), "cross_match", floor)]


if __name__ == "__main__":
    launch(run)
