"""One least squares map from rows, against `numpy.linalg.lstsq` in float64."""

import jax.numpy as jnp
import numpy as np

import jfacemap as jfm

from . import simulate
from .harness import gemm_peak, race, Row, Side, Size
from .report import launch
from .truth import least_squares, relative_error


def run(size: Size) -> list[Row]:
    """Well conditioned; and steep, where products in float32 are of no use (no goal)."""
    return [row for condition in (10, 1e4) for row in rows_at(size, condition)]


def rows_at(size: Size, condition: float) -> list[Row]:
    n, d = size.rows, size.width
    pair = simulate.embeddings(size, condition, models=2)
    a, b = (rows.astype(np.float64) for rows in pair)
    x, y = map(jnp.asarray, pair)
    moments, truth = jfm.pair_moments(x, y), least_squares(a, b)
    error = lambda weight: relative_error(weight, truth)

    def fit_by_narrow_products():
        return jfm.solve_linear(jfm.pair_moments(x, y, precision="float32")).weight

    lstsq, fit = "numpy.linalg.lstsq, float64", "fit_linear"
    narrow = "solve_linear, float32 products"
    gather, solve = "part: pair_moments", "part: solve_linear"
    sides = {
        lstsq: Side(lambda: np.linalg.lstsq(a, b, rcond=None)[0], error),
        fit: Side(lambda: jfm.fit_linear(x, y).weight, error),
        narrow: Side(fit_by_narrow_products, error),
        gather: Side(lambda: jfm.pair_moments(x, y)),
        solve: Side(lambda: jfm.solve_linear(moments).weight, error),
    }
    # Half of x'x, all of x'y; a Cholesky factor and two triangular solutions.
    floor = {p: 3 * n * d**2 / gemm_peak(p) for p in ("float64", "float32")}
    solution = (d**3 / 3 + 2 * d**3) / gemm_peak("float64")
    task = f"one OLS pair, {n} x {d} to {d}, {simulate.condition(pair[0])}"
    times = race(sides, size.rounds)
    narrow_goals = (6, 9) if condition < 100 else ()
    return [
        Row(task, times, fit, floor["float64"] + solution, lstsq, 3, 4.5),
        Row(task, times, narrow, floor["float32"] + solution, lstsq, *narrow_goals),
        Row(task, times, gather, floor["float64"]),
        Row(task, times, solve, solution),
    ]


if __name__ == "__main__":
    launch(run)
