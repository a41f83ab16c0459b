"""An entry of the ledger: what was published, and the function that looks whether it holds.

A test reads arrays of a run of an experiment, or recomputes from published tables alone.
Where the data are not to be had it is untestable here, and says why.
"""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Callable
from types import ModuleType

import numpy as np


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Our number, with its interval where there is one, and whether the claim holds.

    `holds` is None where the run cannot tell; `data`: what it is of, where that is no run.
    """

    value: str
    holds: bool | None
    interval: str = ""
    data: str = "published tables"


@dataclasses.dataclass(frozen=True)
class Run:
    """The record of a run: its arrays by name, its table, and the data it is of."""

    experiment: str
    data: str
    arrays: dict[str, np.ndarray]
    rows: list[dict[str, str]]

    @property
    def is_simulated(self) -> bool:
        """Whether nothing can be learnt from it about networks."""
        return self.data.startswith(("simulated", "a simulation"))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a paper says, in our words, and how it is tested.

    - `name`: unique; `source`: paper and section, table or figure
    - `experiment`: whose record `test` reads; None if it needs none
    - `test`: None where nothing here can tell; `why` then says so
    """

    name: str
    source: str
    says: str
    published: str
    experiment: str | None
    test: Callable[..., Outcome] | None
    why: str = ""

    @property
    def kind(self) -> str:
        """What a verdict rests on."""
        if self.test is None:
            return "nothing here"
        if self.published in ("", "open", "not published"):
            return "a question of ours"
        return "data at hand" if self.experiment else "printed tables or made-up data"

    @property
    def function(self) -> str:
        """Where the test is, as module:function."""
        return f"{self.test.__module__}:{self.test.__name__}" if self.test else ""


def tested(source: str, says: str, published: str, experiment: str | None = None):
    """Make a claim of a test: a function of a `Run`, or of nothing."""

    def wrap(test) -> Claim:
        paper = source.split(",")[0].split()[-1]
        name = f"{paper}-{test.__name__.replace('_', '-')}"
        return Claim(name, source, says, published, experiment, test)

    return wrap


def untestable(name: str, source: str, says: str, published: str, why: str) -> Claim:
    """A claim that no data at hand can decide."""
    return Claim(name, source, says, published, None, None, why)


def claims_of(module: ModuleType) -> list[Claim]:
    """The claims of a module, in the order they stand in."""
    return [value for value in vars(module).values() if isinstance(value, Claim)]


def read_runs(folders) -> dict[str, Run]:
    """The last run of each experiment in these folders and in folders within them."""
    found: dict[str, tuple[float, pathlib.Path]] = {}
    for folder in folders:
        for path in pathlib.Path(folder).rglob("record.json"):
            name, age = json.loads(path.read_text())["experiment"], path.stat().st_mtime
            if name not in found or age > found[name][0]:
                found[name] = age, path.parent
    return {name: _read(folder) for name, (_, folder) in found.items()}


def _read(folder: pathlib.Path) -> Run:
    record = json.loads((folder / "record.json").read_text())
    with np.load(folder / "results.npz") as file:
        arrays = {name: file[name] for name in file.files}
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    source = record["data"].get("source", "")
    quick = record["config"].get("quick") == "True"
    about = f"{source}{' (a smoke run)' if quick else ''}"
    return Run(record["experiment"], about, arrays, rows)


def rate(x: float) -> str:
    """.123"""
    return f"{x:.3f}".replace("0.", ".", 1)


def keeps_half(run: Run, *kinds: str) -> bool:
    """Whether maps of these kinds keep half of the native TAR at FAR .01, on average.

    Of maps that carry nothing a comparison would hold whatever they are.
    """
    k = int(np.argmin(np.abs(run["fars"] - 1e-2)))
    tables = [run[f"{kind}/tar"][..., k] for kind in kinds]
    off = lambda t: t[~np.eye(len(t), dtype=bool)].mean()
    return all(off(t) >= 0.5 * np.diagonal(t).mean() for t in tables)


def counted(held: int, cases: int, note: str = "", **more: str) -> Outcome:
    """Holds if it does in every case, and there is one."""
    value = f"{held} of {cases}{f'; {note}' if note else ''}"
    return Outcome(value, 0 < cases == held, **more)
