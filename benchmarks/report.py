"""What the races found: a table on the terminal, and in markdown."""

import pathlib
import sys
from collections.abc import Callable, Sequence

import numpy as np
import rich
import rich.box
import rich.table
import tyro

from .harness import full, Row, Size, tiny
from .machine import machine, peak_memory


legend = """\
Medians of alternated runs in one process, compilation excluded, both sides with all the
cores and their inputs ready in the dtype they like best. *Ratio* is how many times faster
ours is than the baseline, *range* its extremes over the rounds. *Must* and *stretch* are
goals, set on another machine. *Error* is the largest deviation from float64 truth, found
by a further algorithm, relative to its largest entry. *Floor* is the fewest flops the task
needs over the peak of NumPy's matrix product: no time can be less. Rows are simulated: a
shared signal, and in each model noise and a rotation of its own, scaled to unit length."""

Flag = tyro.conf.FlagCreatePairsOff[bool]


def launch(run: Callable[[Size], list[Row]], legend: str = legend) -> None:
    """Run one benchmark from the command line, and print or write what it found."""
    module = sys.modules["__main__"]

    def main(tiny: Flag = False, out: pathlib.Path | None = None) -> None:
        facts = machine()
        rows = run(size_of(tiny))
        show(rows, facts)
        if out is not None and rows:
            write_markdown(rows, facts, out, legend)

    prog = module.__spec__ and f"python -m {module.__spec__.name}"
    tyro.cli(main, prog=prog, description=module.__doc__)


def size_of(is_tiny: bool) -> Size:
    """The size that a flag stands for."""
    return tiny if is_tiny else full


def show(rows: Sequence[Row], facts: dict[str, str]) -> None:
    """Print a table for each task: for each row a line of ours and one of the baseline."""
    for line in _facts(rows, facts):
        print(line)
    above = "ours", "time", "error", "ratio", "must", "floor"
    below = "baseline", "its time", "its error", "range", "stretch"
    for task in dict.fromkeys(row.task for row in rows):
        table = rich.table.Table(title=task, title_justify="left", box=rich.box.SIMPLE)
        table.pad_edge, table.collapse_padding = False, True  # fits 80 columns
        table.add_column("ours\n- baseline", min_width=26)
        for name in "time", "error", "ratio\nrange", "must\nstretch", "floor":
            table.add_column(name, justify="right", no_wrap=True)
        for cell in (_cells(row) for row in rows if row.task == task):
            table.add_row(*map(cell.get, above))
            if cell["baseline"]:
                first, *rest = map(cell.get, below)
                table.add_row(f"- {first}", *rest)
        rich.print(table)


def write_markdown(
    rows: Sequence[Row], facts: dict[str, str], path: pathlib.Path, legend: str = legend
) -> None:
    """Write all rows as one markdown table, under the facts."""
    cells = [_cells(row) for row in rows]
    if not cells:
        raise SystemExit("Nothing was timed: no file is written. Is $JFACEMAP_DATA set?")
    line = lambda texts: f"| {' | '.join(texts)} |"
    facts_ = [f"- {fact}" for fact in _facts(rows, facts)]
    table = [line(cells[0]), line("---" for _ in cells[0])]
    table += [line(cell.values()) for cell in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["# Benchmarks", "", *facts_, "", legend, "", *table, ""]))


def _facts(rows, facts) -> list[str]:
    races = [row for row in rows if row.ratio is not None and row.must is not None]
    reached = sum(row.ratio >= row.must for row in races)
    beyond = sum(row.ratio >= row.stretch for row in races)
    goals = f"{reached} of {len(races)} ratios reach must, {beyond} reach stretch"
    facts = facts | {"peak memory": peak_memory(), "goals": goals}
    return [f"{name}: {fact}" for name, fact in facts.items()]


def _cells(row: Row) -> dict[str, str]:
    ours, theirs = row.times[row.ours], row.times.get(row.baseline or "")
    return {
        "task": row.task,
        "ours": row.ours,
        "time": _seconds(ours.median),
        "baseline": row.baseline or "",
        "its time": _seconds(theirs.median) if theirs else "",
        "ratio": _number(row.ratio),
        "range": "" if row.ratios is None else _range(row.ratios),
        "must": _number(row.must),
        "stretch": _number(row.stretch),
        "error": _error(ours.error),
        "its error": _error(theirs.error) if theirs else "",
        "floor": _seconds(row.floor),
    }


def _seconds(t: float | None) -> str:
    if t is None:
        return ""
    scale, unit = (1, "s") if t >= 1 else (1e3, "ms") if t >= 1e-3 else (1e6, "us")
    return f"{scale * t:.3g} {unit}"


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.3g}"


def _range(ratios: np.ndarray) -> str:
    return f"{ratios.min():.3g} to {ratios.max():.3g}"


def _error(error: float | None) -> str:
    return "" if error is None else f"{error:.0e}"
