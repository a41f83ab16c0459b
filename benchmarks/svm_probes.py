"""Linear SVMs of many attributes and penalties, against scikit-learn's LIBLINEAR.

LinearSVC one after the other, and the same through joblib on all cores; timed on some
attributes and penalties, all of them would take many minutes.
"""

import itertools
import os

import numpy as np

import jfacemap as jfm

from .harness import gemm_peak, race, Row, Side, Size
from .report import launch


attributes = 40
grid = np.geomspace(1e-3, 10, 8).astype(np.float32)
timed = 4
"""Attributes and penalties each that LIBLINEAR is timed on, spread over all."""


def simulate(n: int, d: int):
    """Rows of falling variance, and attributes from common to rare that they half tell."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d)) * np.geomspace(1, 0.1, d)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    score = x @ rng.standard_normal((d, attributes))
    score += rng.standard_normal(score.shape) * score.std(axis=0)
    bars = np.quantile(score, np.linspace(0.5, 0.97, attributes))
    return x.astype(np.float32), np.where(score > bars, 1, -1).astype(np.int8)


def run(size: Size) -> list[Row]:
    """20,000 rows at full size: CelebA has eight times as many."""
    from joblib import delayed, Parallel
    from sklearn.svm import LinearSVC

    n = min(20_000, 2 * size.rows)
    x, labels = simulate(n, size.width)
    wide = np.float64(x)
    some = list(
        itertools.product(
            range(0, attributes, attributes // timed),
            range(0, len(grid), len(grid) // timed),
        )
    )
    share = len(some) / (attributes * len(grid))

    def one(a, i):
        weights = {"class_weight": "balanced", "dual": False, "tol": 1e-4}
        return LinearSVC(C=float(grid[i]), **weights).fit(wide, labels[:, a])

    best = {cell: objective(wide, labels, cell, one(*cell)) for cell in some[:: timed + 1]}

    def excess(objectives) -> float:
        """How far above the least objective known, relative to it, at worst."""
        return max(objectives[cell] / least - 1 for cell, least in best.items())

    def judge(svms):
        return excess({c: objective(wide, labels, c, s) for c, s in
                       zip(some, svms, strict=True)})  # fmt: skip

    loop, jobs, ours = "LinearSVC in a loop", "LinearSVC in joblib", "fit_svm"
    cores = os.cpu_count() or 1
    sides = {
        loop: Side(lambda: [one(*cell) for cell in some], judge, share),
        jobs: Side(
            lambda: Parallel(cores)(delayed(one)(*cell) for cell in some), judge, share
        ),
        ours: Side(
            lambda: jfm.fit_svm(x, labels, grid),
            lambda svm: excess({c: float(svm.objective[c]) for c in best}),
        ),
    }
    times = race(sides, min(size.rounds, 3))
    flops = 148 * 2.0 * n * size.width * attributes * len(grid)
    floor = flops / gemm_peak("float32")
    task = f"{attributes} SVMs x {len(grid)} penalties, {n} x {size.width}"
    goals = ((loop, 50, 120), (jobs, None, None))
    return [
        Row(task, times, ours, floor, base, must, stretch) for base, must, stretch in goals
    ]


def objective(x, labels, cell, svc) -> float:
    """What both minimise, in float64."""
    a, i = cell
    y = labels[:, a]
    counts = {c: np.sum(y == c) for c in (-1, 1)}
    s = len(y) / (2 * np.where(y > 0, counts[1], counts[-1]))
    w, b = svc.coef_[0], float(svc.intercept_[0])
    slack = np.maximum(0, 1 - y * (x @ w + b))
    return float((w @ w + b * b) / 2 + grid[i] * np.sum(s * slack**2))


if __name__ == "__main__":
    launch(run)
