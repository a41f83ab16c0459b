"""What travels between devices, and what many chips would take.

Bytes are read off compiled programs for 1, 2, 4 and 8 devices of the host: their time means
nothing, their programs are those of as many chips. Predictions multiply work by the
efficiency measured here on one device, and peaks and bandwidths as vendors state them.
"""

import dataclasses
import json
import os
import subprocess
import sys
from typing import NamedTuple

import jax
import numpy as np
import rich
import rich.box
import rich.table

import jfacemap as jfm
from jfacemap.core.cost import program_cost

from . import simulate
from .harness import gemm_peak, race, Row, Side, Size
from .report import launch


numbers = 1, 2, 4, 8
chips = 1, 8, 64


@dataclasses.dataclass(frozen=True)
class Chip:
    """A vendor's figures: float64 flops a second, bytes a second each way.

    By default NVIDIA's data sheet of the H100 SXM: 67e12 by its matrix units, NVLink of 900
    GB/s both ways together within eight, and 400 Gb/s of network a chip beyond.
    """

    peak: float = 67e12
    link: float = 450e9
    network: float = 50e9
    together: int = 8


class Work(NamedTuple):
    """A job to predict: flops in all, and bytes that each of p chips sends."""

    name: str
    flops: float
    bytes: float
    efficiency: float

    def seconds(self, p: int, chip: Chip) -> float:
        """Work shared by p chips, and a ring through all of them."""
        link = chip.link if p <= chip.together else chip.network
        sent = 2 * (p - 1) / p * self.bytes / link
        return self.flops / (p * chip.peak * self.efficiency) + sent


def run(size: Size, chip: Chip | None = None) -> list[Row]:
    """Print both tables; the rows are the measurements that predictions start from."""
    _show_traffic(_traffic(size))
    moments, maps = _moments(size), _maps(size)
    peak, draws = gemm_peak("float64"), _draws(size)
    assert moments.floor is not None
    share = moments.floor / moments.times[moments.ours].median
    per_map = maps.times[maps.ours].median / draws
    columns = 10 * 4320
    jobs = (
        Work("moments of 10 x 1.3M x 4320", 1.3e6 * columns**2, 8 * columns**2, share),
        Work(
            f"10,000 maps of width {size.width}",
            1e4 * _map_flops(size),
            0,
            _map_flops(size) / per_map / peak,
        ),
    )
    _show_predictions(jobs, chip or Chip())
    return [moments, maps]


def _moments(size: Size) -> Row:
    rows = simulate.embeddings(size, condition=10)
    columns = size.models * size.width
    sides = {"joint_moments": Side(lambda: jfm.joint_moments(rows))}
    floor = size.rows * columns**2 / gemm_peak("float64")
    task = f"moments of {size.models} x {size.rows} x {size.width}, one device"
    return Row(task, race(sides, min(size.rounds, 3)), "joint_moments", floor)


def _maps(size: Size) -> Row:
    x, y = simulate.embeddings(size, condition=10)[:2]
    people, draws, key = np.arange(size.rows) % 30, _draws(size), jax.random.key(0)
    fit = lambda: jfm.bootstrap_maps(key, x, y, groups=people, replicates=draws).maps
    floor = draws * _map_flops(size) / gemm_peak("float64")
    task = f"{draws} affine maps of width {size.width} from one pass, one device"
    sides = {"bootstrap_maps": Side(fit)}
    return Row(task, race(sides, min(size.rounds, 3)), "bootstrap_maps", floor)


def _draws(size: Size) -> int:
    return 20 if size.width > 100 else 4


def _map_flops(size: Size) -> float:
    """A Cholesky factor and two triangular solves."""
    return size.width**3 * (1 / 3 + 2)


def _traffic(size: Size) -> list[dict]:
    """In a process with eight devices: they must be there before JAX wakes up."""
    given = [str(v) for v in (size.rows, size.width, size.models)]
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling", "--traffic", *given],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    return json.loads(out.splitlines()[-1])


def traffic(rows: int, width: int, models: int) -> list[dict]:
    """Costs of the moments' program on more and more devices; nothing is run."""
    from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

    table = []
    for grows in (False, True):
        for p in numbers:
            mesh = Mesh(np.array(jax.devices()[:p]), ("rows",), axis_types=(AxisType.Auto,))
            n = (rows // 8 * 8) * (p if grows else 1)
            over = NamedSharding(mesh, PartitionSpec("rows"))
            shape = jax.ShapeDtypeStruct((n, width), np.float32, sharding=over)
            costs = {}
            for name, where in (("told", mesh), ("left to the compiler", None)):
                fit = lambda *x, where=where: jfm.joint_moments(x, mesh=where)
                compiled = jax.jit(fit).lower(*[shape] * models).compile()
                costs[name] = program_cost(compiled)
            told = costs["told"]
            table.append(
                {
                    "scaling": "weak" if grows else "strong",
                    "devices": p,
                    "rows a device": n // p,
                    "flops": told.flops,
                    "bytes": told.bytes_accessed,
                    "all-reduce": told.bytes_of("all-reduce"),
                    "sent": told.sent,
                    "untold": costs["left to the compiler"].sent,
                }
            )
    return table


def _show_traffic(table: list[dict]) -> None:
    shown = rich.table.Table(
        title="Moments: what a device does and sends to others, from the compiled program",
        title_justify="left",
        box=rich.box.SIMPLE,
        caption="flops and bytes as XLA counts them: a loop's body once. Untold: without "
        "mesh= within jit, rows are gathered.",
    )
    for name in table[0]:
        shown.add_column(name, justify="right")
    for line in table:
        shown.add_row(*(v if isinstance(v, str) else _short(v) for v in line.values()))
    rich.print(shown)


def _short(x: float) -> str:
    """Three digits, and k, M, G or T."""
    power = 0 if x < 1000 else min(4, int(np.log10(x)) // 3)
    return f"{x / 1000**power:.3g}{' kMGT'[power]}".strip()


def _show_predictions(jobs, chip: Chip) -> None:
    shown = rich.table.Table(
        title=f"Predicted, not measured, for chips of {chip.peak:.3g} flops/s, "
        f"{chip.link:.3g} B/s within {chip.together}, {chip.network:.3g} B/s beyond "
        "(vendor's figures), reached as much as here",
        title_justify="left",
        box=rich.box.SIMPLE,
    )
    shown.add_column("work")
    for name in ("efficiency here", *(f"{p} chip{'s' * (p > 1)}" for p in chips)):
        shown.add_column(name, justify="right")
    for job in jobs:
        times = (f"{job.seconds(p, chip):.3g} s" for p in chips)
        shown.add_row(job.name, f"{job.efficiency:.2g}", *times)
    rich.print(shown)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--traffic"]:
        print(json.dumps(traffic(*map(int, sys.argv[2:]))))
    else:
        launch(run)
