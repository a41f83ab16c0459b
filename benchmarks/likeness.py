"""Indices of likeness of all pairs of models, and a space they share, against NumPy.

CKA also against the package repsim where that is installed, on 1,000 rows: it multiplies
n x n kernels. No extra names it, since for Linux it is C++ that has yet to be compiled.
"""

import importlib
import importlib.util
import itertools

import jax.numpy as jnp
import numpy as np

import jfacemap as jfm

from . import simulate
from .harness import gemm_peak, race, Row, Side, Size
from .report import launch
from .truth import relative_error


sampled = 3
"""Pairs that the loop of CKA is timed on."""

sweeps = 5
"""Of generalised Procrustes: both sides do as many."""

procrustes_models = 4
"""Few, and `procrustes_width` narrow: the loop takes minutes for ten of 512."""

repsim_models, repsim_rows = 3, 1000

procrustes_width = 256


def run(size: Size) -> list[Row]:
    """CKA of all pairs, from one pass or pair by pair; generalised Procrustes."""
    return [*cka(size), *against_repsim(size), *procrustes(size)]


def cka(size: Size) -> list[Row]:
    rows = simulate.embeddings(size, condition=10)
    pairs = list(itertools.combinations(range(size.models), 2))
    sample = pairs[:: max(1, len(pairs) // sampled)][:sampled]
    wide = {i: rows[i].astype(np.float64) for pair in sample for i in pair}
    truth = {(i, j): cka_of_kernels(wide[i], wide[j]) for i, j in sample}
    worst = lambda table: max(relative_error(table[p], np.array(truth[p])) for p in sample)
    loop = f"{len(pairs)} pairs in NumPy, float32, timed on {len(sample)}"
    x = list(map(jnp.asarray, rows))

    def plain():
        return {(i, j): numpy_cka(rows[i], rows[j]) for i, j in sample}

    def ours(precision):
        joint = jfm.joint_moments(x, precision=precision)
        return np.asarray(jfm.compare.linear_cka(joint))

    def debiased():
        return np.asarray(jfm.compare.debiased_cka(jfm.compare.energy_moments(x)))

    true_debiased = {(i, j): numpy_debiased(wide[i], wide[j]) for i, j in sample}
    names = "linear_cka, float64", "linear_cka, float32 products", "debiased_cka, float64"
    sides = {
        loop: Side(plain, worst, share=len(sample) / len(pairs)),
        names[0]: Side(lambda: ours("float64"), worst),
        names[1]: Side(lambda: ours("float32"), worst),
        names[2]: Side(
            debiased,
            lambda table: max(
                relative_error(table[p], np.array(true_debiased[p])) for p in sample
            ),
        ),
    }
    products = size.rows * (size.width * size.models) ** 2
    floors = [products / gemm_peak(p) for p in ("float64", "float32", "float64")]
    task = f"CKA of {len(pairs)} pairs of {size.models}, {size.rows} x {size.width}"
    times = race(sides, min(size.rounds, 3))
    return [Row(task, times, n, f, loop) for n, f in zip(names, floors, strict=True)]


def against_repsim(size: Size) -> list[Row]:
    """Nothing where it is not installed."""
    if importlib.util.find_spec("repsim") is None:
        return []
    repsim = importlib.import_module("repsim")
    small = Size(min(size.rows, repsim_rows), size.width, repsim_models)
    rows = simulate.embeddings(small, condition=10)
    wide, x = [r.astype(np.float64) for r in rows], list(map(jnp.asarray, rows))
    truth = np.array([[cka_of_kernels(a, b) for b in wide] for a in wide])
    error = lambda table: relative_error(table, truth)
    peer, ours = "repsim.cka", "linear_cka, float64"
    sides = {
        peer: Side(lambda: repsim.cka(wide, "linear", "gretton"), error),
        ours: Side(lambda: jfm.compare.linear_cka(jfm.joint_moments(x)), error),
    }
    task = f"CKA of all pairs of {repsim_models}, {small.rows} x {small.width}"
    return [Row(task, race(sides, min(size.rounds, 3)), ours, baseline=peer)]


def numpy_cka(x: np.ndarray, y: np.ndarray) -> float:
    """As packages do it: centre, three cross products, their norms."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    norm = lambda a, b: np.linalg.norm(a.T @ b)
    return float(norm(x, y) ** 2 / (norm(x, x) * norm(y, y)))


def cka_of_kernels(x: np.ndarray, y: np.ndarray, tile: int = 1024) -> float:
    """Truth: by n x n kernels, a few of their rows at a time."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    sums = np.zeros(3)
    for i in range(0, len(x), tile):
        k, l = x[i : i + tile] @ x.T, y[i : i + tile] @ y.T
        sums += (k * l).sum(), (k * k).sum(), (l * l).sum()
    return sums[0] / np.sqrt(sums[1] * sums[2])


def numpy_debiased(x: np.ndarray, y: np.ndarray, tile: int = 1024) -> float:
    """Truth of the debiased index: Song et al. (2012), eq. 5, by tiles of the kernels."""
    n = len(x)

    def hsic(x, y):
        trace, both, sums = 0.0, 0.0, np.zeros(2)
        for i in range(0, n, tile):
            k, l = x[i : i + tile] @ x.T, y[i : i + tile] @ y.T
            own = np.arange(len(k))
            k[own, i + own] = l[own, i + own] = 0
            trace += (k * l).sum()
            k, l = k.sum(axis=1), l.sum(axis=1)
            both += k @ l
            sums += k.sum(), l.sum()
        return trace + sums[0] * sums[1] / (n - 1) / (n - 2) - 2 / (n - 2) * both

    return hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))


def procrustes(size: Size) -> list[Row]:
    width, models = min(size.width, procrustes_width), min(size.models, procrustes_models)
    small = Size(size.rows, width, models, size.rounds)
    rows = simulate.embeddings(small, condition=10)
    x = list(map(jnp.asarray, rows))

    def loop():
        return numpy_procrustes([r.astype(np.float64) for r in rows], sweeps)

    def ours():
        joint = jfm.joint_moments(x)
        return jfm.fit_canonical(joint, tolerance=0.0, max_steps=sweeps).agreement

    true = numpy_procrustes([r.astype(np.float64) for r in rows], 10 * sweeps)
    lacks = lambda table: float(abs(1 - np.sum(np.asarray(table, np.float64)) / true))
    sides = {
        "NumPy on rows, one SVD a turn": Side(
            loop, lambda sum_: float(abs(1 - sum_ / true))
        ),
        "fit_canonical": Side(ours, lacks),
    }
    task = f"generalised Procrustes of {models}, {size.rows} x {width}, {sweeps} sweeps"
    times = race(sides, min(size.rounds, 3))
    return [Row(task, times, "fit_canonical", None, "NumPy on rows, one SVD a turn")]


def numpy_procrustes(rows: list[np.ndarray], sweeps: int) -> float:
    """Each model turned to the mean of the others, in turn; the sum of inner products.

    Rows are centred and scaled, and begin as they are turned to the first model.
    """
    rows = [x - x.mean(axis=0) for x in rows]
    rows = [x / np.sqrt(np.sum(x**2) / len(x)) for x in rows]

    def turn(x, y):
        u, _, vt = np.linalg.svd(x.T @ y, full_matrices=False)
        return x @ (u @ vt)

    turned = [turn(x, rows[0]) for x in rows]
    total = np.sum(turned, axis=0)
    for _ in range(sweeps):
        for i, x in enumerate(rows):
            total = total - turned[i]
            turned[i] = turn(x, total)
            total = total + turned[i]
    return float(np.sum(total**2) / len(rows[0]))


if __name__ == "__main__":
    launch(run)
