"""How many pairs of rows a map needs: fits on random subsets, judged on other people.

Row i of every file is the same image under another model. Half of the people, drawn by
--seed, are fitted on: maps between every two models from random subsets of their rows, of
several sizes. The other half is verified: every image mapped by one model against every
image by another, and TAR (true accept rate) taken at each FAR (false accept rate), strict
rule. Of each ordered pair of models the mean over subsets counts; shown are medians over
these pairs, beside the mean native TAR, of each model with itself.

Rows are scaled to unit length. With --center each model's mean over all fit rows is
subtracted first, on both sides, and rows scaled again: rotations gain most.

examples:
  jfacemap sweep a.npy b.npy --labels who.npy
  jfacemap sweep a.npy b.npy c.npy --labels who.npy --sizes 16 64 256 --repeats 5
  jfacemap sweep a.npy b.npy --labels who.npy --center --figure boxes.png --csv sweep.csv
  jfacemap sweep a.npy b.npy --labels who.npy --test-labels judged_people.npy
"""

import dataclasses
import importlib.metadata
import warnings
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from ..core.linalg import unit
from ..data.arrays import InputError, new_file
from ..evaluate.scoring import label_pairs
from ..fit.standardize import fit_standardize
from ..study.cross_verify import cross_scores, table_tar
from ..study.sweep import SubsetSweep, sweep_subsets
from .console import counted, facts, line, table
from .files import check_output, Flag, short_name
from .row_order import row_order
from .split import split_rows
from .stream import common_dtype, precision
from .written import write_results


_file = tyro.conf.arg(metavar="FILE")
_fitted = tyro.conf.create_mutex_group(required=False, title="which rows are fitted on")
bytes_per_score = 16
"""Peak memory for each score, the table beside its labels and sorted copies of a cell."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap sweep`."""

    models: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="A B ...")]
    ]
    """Embeddings of two or more models: .npy, .npz:KEY, .safetensors:KEY or stores."""
    labels: Annotated[str, tyro.conf.arg(metavar="L")]
    """Identity of each row, integers or strings."""
    sizes: Annotated[tuple[int, ...] | None, tyro.conf.arg(metavar="N ...")] = None
    """Rows of the subsets; by default 8, 16, 32, ... and all fit rows."""
    repeats: int = 3
    """Subsets of each size."""
    kinds: tuple[Literal["linear", "affine", "rotation"], ...] = ("linear", "rotation")
    """Families of maps to fit."""
    test_labels: Annotated[str | None, _fitted, tyro.conf.arg(metavar="T")] = None
    """People to verify, a list of labels; all others are fitted on."""
    fit_rows: Annotated[str | None, _fitted, tyro.conf.arg(metavar="R")] = None
    """Rows to fit on, numbers from 0 or a mask (n,); all other people are verified."""
    fars: Annotated[tuple[float, ...], tyro.conf.arg(metavar="FAR ...")] = (
        1e-1,
        1e-2,
        1e-3,
    )
    """Target false accept rates."""
    center: Flag = False
    """Subtract each model's mean over the fit rows, and scale rows again."""
    seed: int = 0
    """Seed of the halves and of the subsets."""
    json: Annotated[Path | None, _file] = None
    """Write everything as JSON, the TAR of every subset and pair of models too."""
    csv: Annotated[Path | None, _file] = None
    """Write the table as CSV."""
    figure: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png")] = None
    """Draw a box for each size and kind, the whiskers to the extremes."""
    memory: Annotated[float, tyro.conf.arg(metavar="GIB")] = 8.0
    """Refuse more people to verify than fit in this much memory."""
    force: Flag = False
    """Replace output files that exist."""


def run(c: Options) -> None:
    """Read, fit and verify, report."""
    _check_options(c)
    inputs = [s for s in (*c.models, c.labels, c.test_labels, c.fit_rows) if s]
    for path, suffix in ((c.json, ".json"), (c.csv, ".csv"), (c.figure, ".png")):
        check_output(path, suffix, inputs, c.force)
    order = row_order(*c.models, c.labels)
    models = [order.rows(spec) for spec in c.models]
    labels = order.people(c.labels)
    for spec, rows in zip(c.models, models, strict=True):
        if len(rows) != len(labels):
            raise InputError(
                f"{spec} has {len(rows):,} rows and {c.labels} {len(labels):,}: row i is "
                "the same image everywhere."
            )
    fit, test = split_rows(labels, c.labels, c.fit_rows, c.test_labels, c.seed)
    sizes = _sizes(c, len(fit))
    need = bytes_per_score * (len(models) * len(test)) ** 2 / 2**30
    if need > c.memory:
        raise InputError(
            f"{len(test):,} rows of {len(models)} models to verify need about {need:,.2g} "
            f"GiB of memory, more than --memory {c.memory:g}: name fewer people in "
            "--test-labels, or raise the limit."
        )
    dtype = common_dtype(*models)
    with precision(dtype), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* rows do not determine")
        spaces = [_space(x, fit, test, c.center, dtype) for x in models]
        swept, native = _sweep(c, spaces, labels[test], sizes)
    found = _gather(c, swept, native, labels, fit, test)
    _show(c, found)
    write_results(c.json, c.csv, found)
    if c.figure is not None:
        _draw(c, swept, native, found)


def _check_options(c: Options) -> None:
    if len(c.models) < 2:
        raise InputError(f"A sweep is between two models or more; got {len(c.models)}.")
    if len({*c.models}) < len(c.models):
        raise InputError("A model is given twice: name each once.")
    wrong = [far for far in c.fars if not 0 < far <= 1]
    if wrong or not c.fars:
        raise InputError(f"--fars takes rates above 0, up to 1; got {wrong or 'none'}.")
    if c.repeats < 1:
        raise InputError(f"--repeats is at least 1; got {c.repeats}.")
    if not c.kinds or c.sizes == ():
        raise InputError(f"--{'sizes' if c.kinds else 'kinds'} needs a value.")
    if not c.memory > 0:
        raise InputError(f"--memory is a number of GiB above 0; got {c.memory:g}.")


def _sizes(c: Options, n: int) -> list[int]:
    if c.sizes is None:
        return [*(2**k for k in range(3, n.bit_length()) if 2**k < n), n]
    wrong = [size for size in c.sizes if not 0 < size <= n]
    if wrong:
        raise InputError(f"--sizes are 1 to {n:,}, the rows to fit on; got {wrong}.")
    return sorted(set(c.sizes))


def _space(x, fit, test, center: bool, dtype) -> tuple[jax.Array, jax.Array]:
    """Unit rows of a model, to fit on and to verify."""
    fitted, held = (unit(jnp.asarray(np.asarray(x[rows], dtype))) for rows in (fit, test))
    if not center:
        return fitted, held
    standard = fit_standardize(fitted)
    return unit(standard(fitted)), unit(standard(held))


def _sweep(c: Options, spaces, who, sizes) -> tuple[SubsetSweep, np.ndarray]:
    """The sweep, and native TAR (far,), the mean over models."""
    fit, held = zip(*spaces, strict=True)
    genuine, valid = map(np.asarray, label_pairs(who))

    def evaluate(maps):
        return table_tar(cross_scores(maps, held), genuine, c.fars, valid=valid).tar

    with counted("fitting subsets") as progress:
        swept = sweep_subsets(
            jax.random.key(c.seed),
            fit,
            sizes,
            c.repeats,
            tuple(dict.fromkeys(c.kinds)),
            evaluate=evaluate,
            names=_names(c.models),
            progress=progress,
        )
    first = next(iter(swept.values.values()))[0, 0]
    return swept, np.diagonal(first).mean(axis=-1)  # the diagonal is native in all


def _names(specs) -> tuple[str, ...]:
    names = tuple(map(short_name, specs))
    return names if len(set(names)) == len(names) else specs


def _gather(c: Options, swept: SubsetSweep, native, labels, fit, test) -> dict:
    rows = []
    for i, size in enumerate(swept.sizes):
        for kind in swept.values:
            for k, far in enumerate(c.fars):
                box = swept.boxes(kind, k)[i]
                low, q1, median, q3, high = np.quantile(box, (0, 0.25, 0.5, 0.75, 1))
                rows.append(
                    {"size": size, "kind": kind, "far": far, "median": float(median)}
                    | {"least": float(low), "quartile_1": float(q1)}
                    | {"quartile_3": float(q3), "most": float(high)}
                )
    people = lambda rows: len(np.unique(labels[rows]))
    return {
        "models": list(swept.names),
        "labels": short_name(c.labels),
        "fit": {"rows": len(fit), "people": people(fit)},
        "test": {"rows": len(test), "people": people(test)},
        "sizes": list(swept.sizes),
        "repeats": swept.repeats,
        "centred": c.center,
        "seed": c.seed,
        "version": importlib.metadata.version("jfacemap"),
        "fars": list(c.fars),
        "native": native.tolist(),
        "axes": "values[kind][size][repeat][source][target][far]",
        "values": {kind: np.asarray(v).tolist() for kind, v in swept.values.items()},
        "table": rows,
    }


def _show(c: Options, found: dict) -> None:
    told = lambda part: f"{part['rows']:,} rows of {part['people']:,} people"
    kinds = list(found["values"])
    facts(
        {
            "models": ", ".join(found["models"]) + ", centred" * c.center,
            "fitted on": f"subsets of {told(found['fit'])}, {c.repeats} of each size",
            "verified": f"{told(found['test'])}, none of them fitted on",
        }
    )
    n = len(found["models"])
    for k, far in enumerate(c.fars):
        at = {
            (r["size"], r["kind"]): r["median"] for r in found["table"] if r["far"] == far
        }
        line(f"\nTAR at FAR {far:g}, median over {n * (n - 1)} ordered pairs of models")
        cells = (
            [f"{s:,}", *(_rate(at[s, kind]) for kind in kinds)] for s in found["sizes"]
        )
        table(["rows fitted on", *kinds], cells)
        line(f"native, mean over models: {_rate(found['native'][k])}")
    if np.isnan(found["native"]).any():
        line("No TAR (-): the FAR is less than one impostor pair of those verified.")


def _rate(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"


def _boxes(c: Options, swept: SubsetSweep, kind: str) -> np.ndarray:
    """Points `(size, pair, far)` of the boxes of a kind."""
    return np.stack([swept.boxes(kind, k) for k in range(len(c.fars))], axis=-1)


def _draw(c: Options, swept: SubsetSweep, native, found: dict) -> None:
    from ..plot.boxes import plot_subset_boxes

    n = len(swept.names)
    figure = plot_subset_boxes(
        {kind: _boxes(c, swept, kind) for kind in swept.values},
        swept.sizes,
        c.fars,
        native=native.tolist(),
        title=f"{n * (n - 1)} ordered pairs of models a box, mean of {c.repeats} subsets"
        + ", centred" * c.center,
    )
    with new_file(c.figure or "") as temporary:
        figure.savefig(temporary, format="png", dpi=150)
