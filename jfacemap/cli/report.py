"""Compare two or more models on the same images, and write one HTML page of it.

Row i of every file is the same image under another model. Half of the people, drawn by
--seed, are fitted on, the other half is judged. The page has native TAR, maps of every
family between all models with bands and controls, the family ladder, similarity indices,
how few rows suffice, shared errors and fusion, re-identification, and LaTeX to paste. It
opens from disk, asks the network for nothing, and prints. Six models and 1,600 images take
some minutes, a fraction with --quick.

examples:
  jfacemap report a.npy b.npy --labels who.npy -o report.html
  jfacemap report a.zarr b.zarr --labels a.zarr:person -o report.html --card CARD.md
  jfacemap report faces.npz:arcface faces.npz:facenet --names ArcFace FaceNet
      --labels faces.npz:who --datasets faces.npz:from -o report.html --quick
"""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from ..data.arrays import InputError, split_spec
from ..page.count import images, people
from ..page.report import report
from ..study.report.settings import quick, ReportSettings
from .console import facts, staged
from .files import array_ends, check_file, check_output, Flag, short_name
from .row_order import row_order


defaults = ReportSettings()
_file = tyro.conf.arg(metavar="FILE")


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap report`."""

    models: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="A B ...")]
    ]
    """Embeddings of two or more models: .npy, .npz:KEY, .safetensors:KEY or stores."""
    labels: Annotated[str, tyro.conf.arg(metavar="L")]
    """Identity of each row, integers or strings."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE.html")]
    """The page."""
    names: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="NAME ...")] = None
    """Names of the models, in order; by default those of their files, without endings."""
    datasets: Annotated[str | None, tyro.conf.arg(metavar="L")] = None
    """The collection each row is from: people of each are halved alike."""
    card: Annotated[Path | None, _file] = None
    """Data card, a text file: what the images are, from where, on which terms."""
    overlap: Annotated[str | None, tyro.conf.arg(metavar="TEXT")] = None
    """What is known of the networks having been trained on these images."""
    title: Annotated[str, tyro.conf.arg(metavar="TEXT")] = (
        "What these models have in common"
    )
    """Title of the page."""
    fars: Annotated[tuple[float, ...], tyro.conf.arg(metavar="FAR ...")] = defaults.fars
    """Target false accept rates; the first leads: figures and the summary show it."""
    quick: Flag = False
    """Fewer draws, refits and images judged: wide intervals, soon."""
    seed: int = 0
    """Seed of the halves and of every draw."""
    force: Flag = False
    """Replace the output if it exists."""


def run(c: Options) -> None:
    """Read, measure, write the page."""
    inputs = [s for s in (*c.models, c.labels, c.datasets) if s is not None]
    check_output(c.output, ".html", inputs, c.force)
    names = _names(c)
    card = None if c.card is None else _read_card(c.card)
    order = row_order(*c.models, c.labels, c.datasets)
    rows = {
        name: np.asarray(order.rows(spec)[:])
        for name, spec in zip(names, c.models, strict=True)
    }
    labels = order.people(c.labels)
    datasets = None if c.datasets is None else order.people(c.datasets)
    settings = dataclasses.replace(quick if c.quick else defaults, fars=c.fars)
    with staged() as progress:
        found = report(
            rows,
            labels,
            c.output,
            datasets=datasets,
            card=card,
            overlap=c.overlap,
            title=c.title,
            seed=c.seed,
            settings=settings,
            command=" ".join(["jfacemap", *sys.argv[1:]]),
            progress=progress,
        )
    _show(c, found)


def _names(c: Options) -> tuple[str, ...]:
    if c.names is None:
        short = tuple(map(short_name, c.models))
        bare = tuple(map(_bare, c.models))
        distinct = (n for n in (bare, short) if len(set(n)) == len(n))
        names = next(distinct, c.models)
    elif len(c.names) != len(c.models):
        raise InputError(f"{len(c.names)} --names for {len(c.models)} models.")
    else:
        names = c.names
    if len(set(names)) < len(names):
        raise InputError(f"Two models share a name: {', '.join(names)}.")
    return names


def _bare(spec: str) -> str:
    """A file's name without folders and ending; the key within it stays."""
    path, key = split_spec(spec)
    name = path.stem if path.suffix.lower() in (*array_ends, ".zarr") else path.name
    return name if key is None else f"{name}:{key}"


def _read_card(path: Path) -> str:
    check_file(path, (".md", ".txt"))
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8: {error.reason}.") from error


def _show(c: Options, found) -> None:
    parts = found.data.parts
    told = lambda name: f"{images(parts[name][0])} of {people(parts[name][1])}"
    best, mean = found.ranking[0]
    facts(
        {
            "models": ", ".join(found.names),
            "fitted on": told("fitted on"),
            "judged": f"{told('judged')}, none of them fitted on",
            f"TAR at FAR {c.fars[0]:g}": f"{mean.value[0]:.3f} ({best})",
            "page": str(c.output),
        }
    )
