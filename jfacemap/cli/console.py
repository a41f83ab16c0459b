"""What a person sees: tables on stdout, progress and warnings on stderr."""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table
from rich.text import Text


_out, _err = Console(), Console(stderr=True)


def progress(steps: Sequence, title: str) -> Iterable:
    """`steps`, with a bar on stderr while they last if someone watches."""
    quiet = len(steps) < 2 or not _err.is_terminal
    return track(steps, title, console=_err, transient=True, disable=quiet)


@contextlib.contextmanager
def counted(title: str) -> Iterator[Callable[[int, int], None]]:
    """A function of (steps done, of how many) that moves such a bar."""
    quiet = not _err.is_terminal
    with Progress(console=_err, transient=True, disable=quiet) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def staged() -> Iterator[Callable[[str, int, int], None]]:
    """The same of (stage, steps done, of how many), a bar for each stage.

    A line for each as it begins where nobody watches, as in a log.
    """
    quiet = not _err.is_terminal
    with Progress(console=_err, transient=True, disable=quiet) as bar:
        tasks = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
                if quiet:
                    _err.print(stage, markup=False, highlight=False, soft_wrap=True)
            bar.update(tasks[stage], completed=done, total=total)

        yield show


def facts(pairs: Mapping[str, str]) -> None:
    """Print names and values, a line each."""
    width = max(map(len, pairs)) + 2
    for name, value in pairs.items():
        _out.print(Text.assemble((name.ljust(width), "bold"), value), soft_wrap=True)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    grid = Table(box=SIMPLE_HEAD)
    for i, name in enumerate(header):
        grid.add_column(Text(name), justify="right" if i else "left")
    for row in rows:
        grid.add_row(*map(Text, row))
    _out.print(grid)


def line(text: str) -> None:
    """Print a line as it is, long or not."""
    _out.print(text, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """A warning for whoever runs the command."""
    warnings.warn(text, stacklevel=2)
