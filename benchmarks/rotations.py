"""Rotations between all ordered pairs from their cross-moments, against SVDs in NumPy."""

import contextlib
import itertools
import os

import jax
import numpy as np
import threadpoolctl

import jfacemap as jfm

from . import simulate, truth
from .harness import race, Row, Side, Size
from .report import launch


step = 6
"""Every sixth pair is timed: 90 decompositions take a quarter of a minute."""

judged = 2
"""Pairs that are compared with truth."""


def run(size: Size) -> list[Row]:
    """Well conditioned cross-moments; and steep ones, which need singular vectors.

    The former also where OpenBLAS has one thread on both sides, as the experiments set it.
    """
    rows = [row for condition in (10, 1e3) for row in rows_at(size, condition)]
    with one_blas_thread():
        return rows + rows_at(size, 10, ", one BLAS thread")


@contextlib.contextmanager
def one_blas_thread():
    """As if the process had been started with `OPENBLAS_NUM_THREADS=1`."""
    before = os.environ.get(variable)
    os.environ[variable] = "1"
    jax.clear_caches()  # the variable is read when a program is made
    try:
        with threadpoolctl.threadpool_limits(1, "blas"):
            yield
    finally:
        os.environ.pop(variable)
        if before is not None:
            os.environ[variable] = before
        jax.clear_caches()


variable = "OPENBLAS_NUM_THREADS"


def rows_at(size: Size, condition: float, note: str = "") -> list[Row]:
    rows = simulate.embeddings(size, condition)
    joint = jfm.joint_moments(rows)
    mass, mean, scatter = (np.asarray(a) for a in (joint.mass, joint.mean, joint.scatter))
    products = scatter + mass * np.outer(mean, mean)
    pairs = list(itertools.permutations(range(size.models), 2))
    sample = pairs[::step]
    cross = {(i, j): products[joint.columns[i], joint.columns[j]] for i, j in sample}
    best = {pair: truth.rotation(cross[pair]) for pair in sample[:judged]}
    worst = lambda rotation: max(
        truth.relative_error(rotation(*pair), best[pair]) for pair in best
    )
    svd, ours = f"{len(pairs)} NumPy SVDs, timed on {len(sample)}", "fit_all_pairs"
    sides = {
        svd: Side(
            lambda: {pair: kabsch(c) for pair, c in cross.items()},
            lambda rotations: worst(lambda i, j: rotations[i, j]),
            share=len(sample) / len(pairs),
        ),
        ours: Side(
            lambda: jfm.fit_all_pairs(joint, "rotation"),
            lambda maps: worst(lambda i, j: maps[i, j].rotation),
        ),
    }
    d, steep = size.width, simulate.condition(cross[0, 1])
    task = f"{len(pairs)} rotations, {d} x {d}, cross-moments of {steep}{note}"
    times = race(sides, size.rounds)
    return [Row(task, times, ours, baseline=svd, must=4, stretch=6)]


def kabsch(cross: np.ndarray) -> np.ndarray:
    """The rotation of paper 000, eq. 3."""
    u, _, vt = np.linalg.svd(cross)
    sign = np.ones(len(cross))
    sign[-1] = np.linalg.det(u @ vt)
    return (u * sign) @ vt


if __name__ == "__main__":
    launch(run)
