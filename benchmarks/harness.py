"""Race several ways to do the same work, in one process, in alternation.

A time is a median over rounds, after a first run that compiles; a result is compared
with float64 truth. Cores are shared with whoever else is there, so that a ratio comes
with its range over the rounds, in each of which both sides had the same neighbours.
"""

import dataclasses
import functools as ft
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np


settle = 0.1
"""Seconds between two runs: BLAS threads spin for a while after their last product."""


@dataclasses.dataclass(frozen=True)
class Size:
    """How much work: rows and width of each model, models, rounds of the race.

    `protocol` is the size of the verification protocol, in units of IJB-C.
    """

    rows: int = 11_856
    width: int = 512
    models: int = 10
    rounds: int = 7
    protocol: float = 1.0


full = Size()
"""The sizes of paper 000: the rows its maps are fitted on, its ten models."""

tiny = Size(rows=300, width=16, models=3, rounds=2, protocol=0.005)
"""Shows that the benchmarks run; its times mean nothing."""


@dataclasses.dataclass(frozen=True)
class Side:
    """One way to do the work: `run` it, and judge what it returns by `error`.

    `share` is the part of the work that `run` does, where all of it would take minutes:
    its times are divided by it.
    """

    run: Callable[[], Any]
    error: Callable[[Any], float] | None = None
    share: float = 1.0


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of each round, and the error of the result."""

    seconds: np.ndarray
    error: float | None

    @property
    def median(self) -> float:
        """Seconds."""
        return float(np.median(self.seconds))


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table: at one task, one side of a race against another, or alone.

    `floor` is in seconds: flops over the measured peak. `must` and `stretch` are goals.
    """

    task: str
    times: Mapping[str, Timing]
    ours: str
    floor: float | None = None
    baseline: str | None = None
    must: float | None = None
    stretch: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times faster ours is: the ratio of medians."""
        if self.baseline is None:
            return None
        return self.times[self.baseline].median / self.times[self.ours].median

    @property
    def ratios(self) -> np.ndarray | None:
        """The ratio within each round."""
        if self.baseline is None:
            return None
        return self.times[self.baseline].seconds / self.times[self.ours].seconds


def race(sides: Mapping[str, Side], rounds: int) -> dict[str, Timing]:
    """Time every side once a round; who goes first rotates."""
    errors = {name: _first_run(side) for name, side in sides.items()}
    seconds, names = {name: [] for name in sides}, list(sides)
    for i in range(rounds):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            time.sleep(settle)
            seconds[name].append(_time(sides[name]))
    return {name: Timing(np.array(seconds[name]), errors[name]) for name in sides}


def _first_run(side: Side) -> float | None:
    result = jax.block_until_ready(side.run())
    return None if side.error is None else side.error(result)


def _time(side: Side) -> float:
    start = time.perf_counter()
    jax.block_until_ready(side.run())
    return (time.perf_counter() - start) / side.share


@ft.cache
def gemm_peak(dtype: str) -> float:
    """Flops a second of NumPy's matrix product on this machine: the best of five."""
    n = 2048
    a = np.random.default_rng(0).standard_normal((n, n)).astype(dtype)
    return 2 * n**3 / min(_time(Side(lambda: a @ a)) for _ in range(5))
