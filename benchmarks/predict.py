"""How long a job would take, and whether it fits, on chips that are not here."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import rich
import rich.box
import rich.table

from jfacemap.core.gram import block_edges


class Chip(NamedTuple):
    """A vendor's figures, as its name says whose.

    - `peak`: flops a second of the products that sums are made of
    - `digits`: bytes of a number in those sums
    - `memory`: bytes
    - `link`, `network`: bytes a second each way, among `together` chips and beyond
    """

    name: str
    peak: float
    digits: int
    memory: float
    link: float
    network: float
    together: int


chips = (
    # Matrix units in float64; NVLink is 900 GB/s both ways together, the network 400 Gb/s.
    Chip("H100 SXM (NVIDIA's data sheet)", 67e12, 8, 80e9, 450e9, 50e9, 8),
    # No float64: products of five slices a number take 19 passes of its 459 Tflop/s in
    # bfloat16, and sums are pairs of float32.
    # 1,200 GB/s between chips, both ways together, throughout a pod.
    Chip("TPU v5p (Google's page)", 459e12 / 19, 8, 95 * 2**30, 600e9, 600e9, 8960),
)
numbers = 1, 8, 64


class Work(NamedTuple):
    """A job for p chips.

    - `flops`: in all
    - `summed`: numbers that all chips add up, through a ring
    - `shared`: bytes that they share out; `held`: numbers that each has all of
    - `efficiency`: the share of the peak that is reached
    """

    name: str
    flops: float
    summed: float
    shared: float
    held: float
    efficiency: float

    def seconds(self, p: int, chip: Chip) -> float:
        """Work shared by p chips, and a ring through all of them."""
        link = chip.link if p <= chip.together else chip.network
        sent = 2 * (p - 1) / p * chip.digits * self.summed / link
        return self.flops / (p * chip.peak * self.efficiency) + sent

    def needs(self, p: int, chip: Chip) -> float:
        """Bytes on each of p chips."""
        return self.shared / p + chip.digits * self.held

    def told(self, p: int, chip: Chip) -> str:
        """Seconds, or how much it lacks."""
        needs = self.needs(p, chip)
        if needs > chip.memory:
            return f"needs {needs / 1e9:.3g} GB"
        return f"{self.seconds(p, chip):.3g} s"


def moments_work(
    name: str, rows: float, dims: Sequence[int], room: float, efficiency: float, times=1
) -> Work:
    """`joint_moments` of float32 rows, `times` over; it has room for `room` D^2 numbers."""
    columns = sum(dims)
    return Work(
        name,
        flops=times * rows * columns**2,
        summed=times * numbers_summed(dims),
        shared=4 * rows * columns,
        held=room * columns**2,
        efficiency=efficiency,
    )


def numbers_summed(dims: Sequence[int]) -> int:
    """What moments of models of widths `dims` add up over devices.

    Products of upper blocks; sums, and the same of a few rows; their count and mass.
    """
    edges, columns = block_edges(dims), sum(dims)
    blocks = sum((b - a) * (columns - a) for a, b in itertools.pairwise(edges))
    return blocks + (columns + 2) + (columns + 1)


def show_predictions(jobs: Sequence[Work]) -> None:
    """A table for each kind of chip."""
    for chip in chips:
        shown = rich.table.Table(
            title=f"Predicted, not measured: {chip.name}, {chip.peak / 1e12:.3g} Tflop/s, "
            f"{chip.memory / 1e9:.3g} GB, {chip.link / 1e9:.3g} GB/s among "
            f"{chip.together:,}, {chip.network / 1e9:.3g} GB/s beyond, sums of "
            f"{8 * chip.digits} bits; reached as much as here",
            title_justify="left",
            box=rich.box.SIMPLE,
        )
        shown.add_column("work")
        for name in ("efficiency here", *(f"{p} chip{'s' * (p > 1)}" for p in numbers)):
            shown.add_column(name, justify="right")
        for job in jobs:
            times = (job.told(p, chip) for p in numbers)
            shown.add_row(job.name, f"{job.efficiency:.2g}", *times)
        rich.print(shown)
