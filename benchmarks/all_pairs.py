"""All ordered pairs of ten models: against a loop of lstsq, and our own way in NumPy."""

import itertools

import jax.numpy as jnp
import numpy as np
import scipy.linalg

import jfacemap as jfm

from . import simulate
from .harness import gemm_peak, race, Row, Side, Size
from .report import launch
from .truth import least_squares, relative_error


sampled = 3
"""Pairs that the loop is timed on and all are judged on: 90 take most of a minute."""

goals = {"float64": (8, 14), "float32": (15, 25)}
peer_goals = {"float64": (0.65, 0.9), "float32": (0.9, 1.1)}


def run(size: Size) -> list[Row]:
    """Products in either precision, against both baselines; and what the parts take."""
    n, d, models = size.rows, size.width, size.models
    rows = simulate.embeddings(size, condition=10)
    pairs = list(itertools.permutations(range(models), 2))
    sample = pairs[:: len(pairs) // sampled][:sampled]
    wide = {i: rows[i].astype(np.float64) for pair in sample for i in pair}
    truth = {(i, j): least_squares(wide[i], wide[j]) for i, j in sample}
    worst = lambda weight: max(relative_error(weight(*p), truth[p]) for p in sample)

    def loop():
        return {(i, j): np.linalg.lstsq(wide[i], wide[j], rcond=None)[0] for i, j in sample}

    x = list(map(jnp.asarray, rows))
    gather = lambda precision: jfm.joint_moments(x, precision=precision)
    solve = lambda joint: jfm.fit_all_pairs(joint, "linear")
    joint = gather("float64")

    lstsq = f"{len(pairs)} NumPy lstsq, timed on {len(sample)}"
    part = "part: fit_all_pairs of moments"
    sides = {
        lstsq: Side(
            loop,
            lambda weights: worst(lambda i, j: weights[i, j]),
            share=len(sample) / len(pairs),
        ),
        part: Side(lambda: solve(joint)),
    }
    total = d * models
    solution = models * (d**3 / 3 + 2 * d**2 * (total - d)) / gemm_peak("float64")
    lines = [(part, solution)]
    for p in goals:
        ours, peer = f"fit_all_pairs, {p} products", f"the same in NumPy, {p}"
        part = f"part: joint_moments, {p}"
        sides |= {
            ours: Side(
                lambda p=p: solve(gather(p)),
                lambda maps: worst(lambda i, j: maps[i, j].weight),
            ),
            peer: Side(
                lambda p=p: numpy_joint(rows, p),
                lambda blocks: worst(lambda i, j: blocks[i][:, j * d : (j + 1) * d]),
            ),
            part: Side(lambda p=p: gather(p)),
        }
        products = n * total**2 / gemm_peak(p)
        lines += [
            (ours, products + solution, lstsq, *goals[p]),
            (ours, products + solution, peer, *peer_goals[p]),
            (part, products),
        ]
    task = f"{len(pairs)} pairs of {models}, {n} x {d}, {simulate.condition(rows[0])}"
    times = race(sides, size.rounds)
    return [Row(task, times, *line) for line in lines]


def numpy_joint(rows: list[np.ndarray], precision: str) -> list[np.ndarray]:
    """The honest peer: one Gram matrix, one Cholesky factor a source, by NumPy and SciPy.

    Products of chunks have `precision`, their sum and the solutions are float64. Returns
    for each source its weights to all targets, side by side.
    """
    n, d = rows[0].shape
    total, chunk = d * len(rows), 2048 if precision == "float32" else n
    gram = np.zeros((total, total))
    for i in range(0, n, chunk):
        z = np.concatenate([x[i : i + chunk] for x in rows], axis=1, dtype=precision)
        gram += z.T @ z  # NumPy sees that this is symmetric and computes one half
    weights = []
    for source in (slice(i, i + d) for i in range(0, total, d)):
        factor = scipy.linalg.cho_factor(gram[source, source], check_finite=False)
        weights.append(scipy.linalg.cho_solve(factor, gram[source], check_finite=False))
    return weights


if __name__ == "__main__":
    launch(run)
