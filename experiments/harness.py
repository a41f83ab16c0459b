"""Run an experiment from the command line and leave a complete record of it."""

import contextlib
import csv
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from typing import Any, NoReturn

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.progress import Progress


packages = "jfacemap", "jax", "jaxlib", "numpy"
console = Console(width=None if os.isatty(1) else 110, highlight=False)


@dataclasses.dataclass
class Results:
    """What a run leaves: arrays, rows of a table, figures, and what it says of its data.

    `data["source"]` says in a line what it is of, where all is of the same.
    """

    arrays: Mapping[str, np.ndarray]
    rows: Iterable[Mapping[str, Any]]
    figures: Mapping[str, Any]
    data: Mapping[str, Any]
    config: Any = None
    """The flags as they were used, where they differ from those given."""


def launch(
    name: str, config_type: type, run: Callable[[Any], Results], doc: str | None
) -> None:
    """Parse the flags of `config_type`, run, and write the run folder, which it names.

    The folder appears whole or not at all: `results.npz`, `results.csv`, `record.json`
    (flags, versions, machine, data, seconds) and the figures as PNG and PDF.
    """
    config = tyro.cli(config_type, description=doc)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    out = config.out or pathlib.Path("runs") / f"{name}-{stamp}"
    if out.exists():
        console.print(f"[red]{out} exists already; name another folder with --out.")
        raise SystemExit(2)
    began = time.perf_counter()
    results = run(config)
    if jax.process_index():
        return  # of several processes (`experiments.launch`) the first one writes
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    np.savez_compressed(partial / "results.npz", **results.arrays)  # type: ignore
    _write_rows(partial / "results.csv", results)
    used = results.config or config
    record = {
        "experiment": name,
        "config": {k: str(v) for k, v in dataclasses.asdict(used).items()},
        "data": results.data,
        "versions": {package: metadata.version(package) for package in packages},
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "device": jax.devices()[0].device_kind,
            "cores": os.cpu_count(),
        },
    }
    for figure_name, figure in results.figures.items():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, for both formats
        for suffix in ("png", "pdf"):
            figure.savefig(partial / f"{figure_name}.{suffix}", dpi=110)
    seconds = time.perf_counter() - began
    record["seconds"] = round(seconds, 1)
    (partial / "record.json").write_text(json.dumps(record, indent=2) + "\n")
    partial.rename(out)
    files = ", ".join(sorted(p.name for p in out.iterdir()))
    console.print(f"\n{seconds:.0f} s. Results in [bold]{out}[/bold]: {files}")


def all_devices() -> jax.sharding.Mesh | None:
    """A mesh of all devices of all processes; None if there is but one."""
    devices = jax.devices()
    auto = (jax.sharding.AxisType.Auto,)
    mesh = lambda: jax.make_mesh((len(devices),), ("all",), axis_types=auto)
    return mesh() if len(devices) > 1 else None


def lacking(fault: str, quick: bool) -> NoReturn:
    """Say what is not there, and end: well if the run is a smoke run, else with 2."""
    console.print(f"Skipped: {fault}" if quick else f"[red]{fault}", soft_wrap=True)
    raise SystemExit(0 if quick else 2)


@contextlib.contextmanager
def watch(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the console; gives the function that moves it, of (done, of how many)."""
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _write_rows(path: pathlib.Path, results: Results) -> None:
    """The table, with the data it is of in its last column, if all of it is of the same."""
    of = {"data": results.data["source"]} if "source" in results.data else {}
    rows = [row if "data" in row else {**row, **of} for row in results.rows]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
