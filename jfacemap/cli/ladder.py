"""Which family of maps do the rows support? Each is judged on rows it was not fitted on.

Row i of X and row i of Y are the same image under two models. From the stiffest to the
freest: no map, a rotation, a similarity, a map of low rank, an affine map, one with a
ridge, and a small network. Rows are cut into --folds parts; each is held out once, and all
families fitted on the others. With --groups people are held out, not images: images of one
person are alike, and a free map that learns people looks better than it is.

The error is the share of Y's spread that is left unexplained on rows held out: 0 is exact,
1 what the mean of Y would do. 'best' has the least; 'supported' is the stiffest family that
is not worse than it by more than the folds' noise (a standard error of the difference).

examples:
  jfacemap ladder a.npy b.npy --groups who.npy
  jfacemap ladder a.npy b.npy --groups who.npy --families rotation affine ridge
  jfacemap ladder a.npy b.npy --groups who.npy --figure ladder.png --csv ladder.csv
"""

import dataclasses
import importlib.metadata
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from ..core.linalg import unit
from ..data.arrays import InputError, new_file
from ..study.ladder import Ladder, map_ladder
from .console import counted, facts, line, table
from .files import check_output, Flag, short_name
from .fit_families import read_folds
from .row_order import row_order
from .stream import common_dtype, precision
from .written import write_results


_file = tyro.conf.arg(metavar="FILE")
Family = Literal["identity", "rotation", "similarity", "low-rank", "affine", "ridge", "mlp"]


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap ladder`."""

    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="X")]]
    """Rows of the source model: .npy, .npz:KEY, .safetensors:KEY or a store."""
    target: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="Y")]]
    """Rows of the target model, of the same images in the same order."""
    groups: Annotated[str | None, tyro.conf.arg(metavar="L")] = None
    """Who a row shows, integers or strings: people are held out together."""
    folds: int = 5
    """Parts of the rows, at least 3."""
    families: tuple[Family, ...] = (
        "identity",
        "rotation",
        "similarity",
        "low-rank",
        "affine",
        "ridge",
    )
    """Families to fit; mlp takes longer."""
    normalize: bool = True
    """Scale each row to unit length first."""
    seed: int = 0
    """Of the network's start and batches."""
    json: Annotated[Path | None, _file] = None
    """Write everything as JSON, the errors of each fold too."""
    csv: Annotated[Path | None, _file] = None
    """Write the table as CSV."""
    figure: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png")] = None
    """Draw the errors, with a standard error to either side."""
    force: Flag = False
    """Replace output files that exist."""


def run(c: Options) -> None:
    """Read, fit and judge, report."""
    if not c.families:
        raise InputError("--families needs a value.")
    if c.folds < 3:
        raise InputError(f"--folds is at least 3; got {c.folds}.")
    inputs = [s for s in (c.source, c.target, c.groups) if s is not None]
    for path, suffix in ((c.json, ".json"), (c.csv, ".csv"), (c.figure, ".png")):
        check_output(path, suffix, inputs, c.force)
    order = row_order(c.source, c.target, c.groups)
    x, y = (order.rows(spec) for spec in (c.source, c.target))
    if len(x) != len(y):
        raise InputError(
            f"Rows must pair up: {c.source} has {len(x):,} rows and {c.target} {len(y):,}. "
            "Give the same images in the same order."
        )
    fold = read_folds(c.groups, c.folds, len(x), order)
    dtype = common_dtype(x, y)
    with precision(dtype), counted("climbing") as progress:
        place = unit if c.normalize else lambda rows: rows
        rows = (place(jnp.asarray(np.asarray(side[:], dtype))) for side in (x, y))
        names = tuple(name.replace("-", " ") for name in c.families)
        key = jax.random.key(c.seed)
        ladder = map_ladder(key, *rows, folds=fold, families=names, progress=progress)
    found = _gather(c, ladder, len(x))
    _show(c, found)
    write_results(c.json, c.csv, found)
    if c.figure is not None:
        _draw(c, ladder)


def _gather(c: Options, ladder: Ladder, n: int) -> dict:
    return {
        "source": short_name(c.source),
        "target": short_name(c.target),
        "groups": c.groups and short_name(c.groups),
        "rows": n,
        "folds": c.folds,
        "normalize": c.normalize,
        "seed": c.seed,
        "version": importlib.metadata.version("jfacemap"),
        "best": ladder.best,
        "supported": ladder.supported,
        "axes": "error[family][fold]",
        "families": list(ladder.families),
        "error": ladder.error.tolist(),
        "cosine": ladder.cosine.tolist(),
        "table": ladder.rows(),
    }


def _show(c: Options, found: dict) -> None:
    kept = "people held out" if c.groups else "neighbouring rows held out"
    facts(
        {
            "models": f"{found['source']} -> {found['target']}",
            "rows": f"{found['rows']:,}, {c.folds} folds, {kept}"
            + ", scaled to unit length" * c.normalize,
        }
    )
    header = "family", "error held out", "+-", "cosine", "chosen", ""
    table(header, map(_row, found["table"]))
    line(f"best: {found['best']}; supported: {found['supported']}")


def _row(row: dict) -> list[str]:
    marks = [name for name in ("best", "supported") if row[name]]
    chosen = "" if row["chosen"] is None else f"{row['chosen']:.4g}"
    numbers = (f"{row[name]:.4f}" for name in ("error", "error_se", "cosine"))
    return [row["family"], *numbers, chosen, ", ".join(marks)]


def _draw(c: Options, ladder: Ladder) -> None:
    from ..plot.ladder import plot_ladder

    name = f"{short_name(c.source)} -> {short_name(c.target)}"
    top = 1.1 * max(1.0, float(np.sort(ladder.error.mean(axis=1))[-2:][0]))
    figure = plot_ladder({name: ladder.error}, ladder.families, title=name, highest=top)
    with new_file(c.figure or "") as temporary:
        figure.savefig(temporary, format="png", dpi=150)
