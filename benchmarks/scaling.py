"""What travels between devices, and what many chips would take.

Bytes are read off compiled programs for 1, 2, 4 and 8 devices of the host: their time means
nothing, their programs are those of as many chips. Predictions multiply work by the
efficiency measured here on one device, and peaks and bandwidths as vendors state them.
"""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import rich
import rich.box
import rich.table

import jfacemap as jfm
from jfacemap.core.cost import program_cost
from jfacemap.core.mesh import over_all, placed

from . import simulate
from .harness import gemm_peak, race, Row, Side, Size
from .predict import moments_work, show_predictions, Work
from .report import launch


numbers = 1, 2, 4, 8


def run(size: Size) -> list[Row]:
    """Print the tables; the rows are the measurements that predictions start from."""
    seen = _in_eight_devices(size)
    _show(
        "Moments: what a device does and sends to others, from the compiled program",
        seen["traffic"],
        "Products are flops of matrix products, in all turns of loops; bytes of memory as "
        "XLA counts them, a loop's body once; needs are of rows, sums and all between. "
        "Untold: without mesh= within jit, rows are gathered.",
    )
    _show(
        "Other calls on 8 devices, of as many rows",
        seen["calls"],
        "Of loops that stop when they are done one turn is counted, as for the SVM.",
    )
    moments, maps = _moments(size), _maps(size)
    share = [row.floor / row.times[row.ours].median for row in (moments, maps) if row.floor]
    columns = size.models * size.width
    one = seen["traffic"][0]
    room = (one["needs"] - 4 * one["rows a device"] * columns) / (8 * columns**2)
    wide, many = 10 * [4320], 10_000
    one_map = size.width**2
    jobs = (
        moments_work("moments of 10 x 1.3M x 4320, at once", 1.3e6, wide, room, share[0]),
        moments_work(
            "the same by 45 pairs of models", 1.3e6, wide[:2], room, share[0], times=45
        ),
        Work(
            f"{many:,} affine maps of width {size.width}",
            flops=many * _map_flops(size),
            summed=0,
            shared=4 * many * one_map,
            held=room * 4 * one_map,
            efficiency=share[1],
        ),
    )
    show_predictions(jobs)
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


def _in_eight_devices(size: Size) -> dict[str, list[dict]]:
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
                    "products": told.products,
                    "bytes": told.bytes_accessed,
                    "needs": told.needs,
                    "all-reduce": told.bytes_of("all-reduce"),
                    "sent": told.sent,
                    "untold": costs["left to the compiler"].sent,
                }
            )
    return table


def calls(rows: int, width: int) -> list[dict]:
    """Costs of other calls on eight devices; nothing is run."""
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    mesh = jax.make_mesh((8,), ("rows",), axis_types=(AxisType.Auto,))
    over = NamedSharding(mesh, PartitionSpec("rows"))
    array = lambda *shape, dtype="float32": jax.ShapeDtypeStruct(
        shape, dtype, sharding=over
    )
    n, templates, size = rows // 8 * 8, rows // 160 * 8, np.float32(1)
    groups = jfm.group_templates(np.arange(n) // 20, np.arange(n) // 4)
    m = jfm.LinearMap(jnp.zeros((width, width)))
    ids, C = np.arange(templates), np.full(1, size)
    pairs = np.random.default_rng(0).integers(0, templates, (100 * templates, 2))
    score = lambda a, b: jfm.score_pairs(
        jfm.Templates(ids, a), jfm.Templates(ids, b), pairs
    )
    near = lambda x, v: jfm.field_energy(x, v, neighbours=jfm.KNearest((10,))).energy
    x, flags, side = array(n, width), array(n, 8, dtype="int8"), array(templates, width)
    scores = array(n, width), array(n, width, dtype="bool")
    programs = {
        "pool_mapped": (lambda x: jfm.pool_mapped(m, x, groups).vectors, n, x),
        "score_pairs": (score, templates, side, side),
        "tar_at_far": (lambda s, g: jfm.tar_at_far(s, g, [1e-2]).tar, n, *scores),
        "fit_svm, 8 attributes": (lambda x, y: jfm.fit_svm(x, y, C).weight, n, x, flags),
        "field_energy": (near, n, x, x),
    }
    table = []
    for name, (f, number, *given) in programs.items():
        with placed(over_all(mesh, number)):
            cost = program_cost(jax.jit(f).lower(*given).compile())
        exchanged = {c.kind: c.times for c in cost.collectives}
        table.append(
            {
                "call": name,
                "products": cost.products,
                "bytes": cost.bytes_accessed,
                "needs": cost.needs,
                "exchanges": ", ".join(f"{v} {k}" for k, v in exchanged.items()),
                "sent": cost.sent,
            }
        )
    return table


def _show(title: str, table: list[dict], caption: str) -> None:
    box = rich.box.SIMPLE
    shown = rich.table.Table(title=title, title_justify="left", box=box, caption=caption)
    for name in table[0]:
        shown.add_column(name, justify="right")
    for line in table:
        shown.add_row(*(v if isinstance(v, str) else _short(v) for v in line.values()))
    rich.print(shown)


def _short(x: float) -> str:
    """Three digits, and k, M, G or T."""
    power = 0 if x < 1000 else min(4, int(np.log10(x)) // 3)
    return f"{x / 1000**power:.3g}{' kMGT'[power]}".strip()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--traffic"]:
        rows, width, models = map(int, sys.argv[2:])
        seen = {"traffic": traffic(rows, width, models), "calls": calls(rows, width)}
        print(json.dumps(seen))
    else:
        launch(run)
