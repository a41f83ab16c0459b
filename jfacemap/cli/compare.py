"""How alike the embedding spaces of two or more models are, by several indices.

Row i of every file is the same image under another model. Rows are scaled to unit length,
and spaces centred. Rows are read in batches, so the files may be larger than memory.

indices:
  cka            linear CKA: 1 the same; biased upwards by few rows and many dimensions
  debiased-cka   the same without that bias: 0 unrelated
  cca            mean canonical correlation; 1 for any two if rows are fewer than dimensions
  svcca          the same of the directions that hold 99 % of the variance
  pwcca          the same weighted by what the model of the row has along them
  procrustes     distance under the best rotation: 0 the same, 1.41 unrelated
  rsa            correlation of squared distances between rows (of cosines, on unit rows)
  rank-rsa       rank correlation of cosines between rows
  neighbours     share of the nearest neighbours that both models name

The last two look at all pairs of at most --rows rows, drawn at random.

examples:
  jfacemap compare a.npy b.npy
  jfacemap compare a.npy b.npy c.zarr --indices debiased-cka neighbours --neighbours 5
  jfacemap compare faces.npz:arcface faces.npz:facenet --json likeness.json
"""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from ..core.energy import energy_moments, EnergyMoments
from ..core.linalg import unit
from ..core.monoid import merge
from ..data.arrays import InputError
from ..evaluate import compare
from .console import facts, line, table, warn
from .files import check_output, Flag, short_name
from .row_order import row_order
from .sources import Rows
from .stream import batches, common_dtype, precision
from .written import write_results


Index = Literal[
    "cka",
    "debiased-cka",
    "cca",
    "svcca",
    "pwcca",
    "procrustes",
    "rsa",
    "rank-rsa",
    "neighbours",
]

_streamed: Mapping[str, Callable[[EnergyMoments], Any]] = {
    "cka": lambda m: compare.linear_cka(m.joint),
    "debiased-cka": compare.debiased_cka,
    "cca": lambda m: compare.mean_cca(m.joint),
    "svcca": lambda m: compare.svcca(m.joint),
    "pwcca": lambda m: compare.pwcca(m.joint),
    "procrustes": lambda m: compare.procrustes_distance(m.joint),
    "rsa": compare.rsa,
}
_of_pairs = "rank-rsa", "neighbours"
_every: tuple[Index, ...] = (*_streamed, *_of_pairs)  # type: ignore

_file = tyro.conf.arg(metavar="FILE")


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap compare`."""

    models: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="A B ...")]
    ]
    """Embeddings of two or more models: .npy, .npz:KEY, .safetensors:KEY or stores."""
    indices: tuple[Index, ...] = _every
    """Which indices."""
    neighbours: int = 10
    """How many nearest neighbours of a row."""
    rows: int = 20_000
    """Rows at most whose pairs are all looked at."""
    normalize: bool = True
    """Scale each row to unit length first."""
    seed: int = 0
    """Seed of the rows that are drawn."""
    json: Annotated[Path | None, _file] = None
    """Write everything as JSON."""
    csv: Annotated[Path | None, _file] = None
    """Write a line for each index and pair of models as CSV."""
    force: Flag = False
    """Replace output files that exist."""


def run(c: Options) -> None:
    """Read, compare, report."""
    _check_options(c)
    for path, suffix in ((c.json, ".json"), (c.csv, ".csv")):
        check_output(path, suffix, list(c.models), c.force)
    order = row_order(*c.models)
    models = [order.rows(spec) for spec in c.models]
    n = len(models[0])
    for spec, rows in zip(c.models, models, strict=True):
        if len(rows) != n:
            raise InputError(
                f"{c.models[0]} has {n:,} rows and {spec} {len(rows):,}: row i is the same "
                "image everywhere."
            )
    drawn = _draw(c, n)
    if "neighbours" in c.indices and not 0 < c.neighbours < len(drawn):
        raise InputError(
            f"--neighbours is from 1 to {len(drawn) - 1}, the other rows; got "
            f"{c.neighbours}."
        )
    dtype = common_dtype(*models)
    with precision(dtype):
        found = _compare(c, models, drawn, dtype)
    _warn_of_few(c, models, n)
    _show(c, models, n, len(drawn), found)
    write_results(c.json, c.csv, _gather(c, models, n, len(drawn), found))


def _check_options(c: Options) -> None:
    if len(c.models) < 2:
        raise InputError(f"Two models or more are compared; got {len(c.models)}.")
    if not c.indices:
        raise InputError(f"--indices needs a value: {', '.join(_every)}.")
    if c.rows < 3:
        raise InputError(f"--rows is at least 3; got {c.rows}.")


def _draw(c: Options, n: int) -> np.ndarray:
    if n <= c.rows:
        return np.arange(n)
    return np.sort(np.random.default_rng(c.seed).choice(n, c.rows, replace=False))


def _compare(c: Options, models: Sequence[Rows], drawn, dtype) -> dict[str, np.ndarray]:
    ready = lambda x: unit(x) if c.normalize else x
    found = {}
    if set(c.indices) & set(_streamed):
        total = EnergyMoments.zero([x.shape[1] for x in models], dtype=dtype)

        @jax.jit
        def add(total, parts, used):
            return merge(total, energy_moments([ready(p) for p in parts], used))

        ones = np.ones(len(models[0]))
        for *parts, used in batches([*models, ones], dtype, "reading"):
            total = add(total, [jnp.asarray(p) for p in parts], jnp.asarray(used != 0))
        found = {name: f(total) for name, f in _streamed.items() if name in c.indices}
    if set(c.indices) & set(_of_pairs):
        some = [ready(jnp.asarray(np.asarray(x[drawn], dtype))) for x in models]
        if "rank-rsa" in c.indices:
            found["rank-rsa"] = compare.rank_rsa(some)
        if "neighbours" in c.indices:
            found["neighbours"] = compare.mutual_neighbours(some, c.neighbours)
    return {name: np.asarray(found[name], np.float64) for name in c.indices}


def _warn_of_few(c: Options, models: Sequence[Rows], n: int) -> None:
    widest = max(x.shape[1] for x in models)
    loose = [i for i in ("cka", "cca", "svcca", "pwcca") if i in c.indices]
    if loose and n < 10 * widest:
        warn(
            f"{n:,} rows are few for width {widest}: {', '.join(loose)} are high for any "
            "two models. debiased-cka, rsa and neighbours are not."
        )


def _show(c: Options, models, n: int, drawn: int, found: dict[str, np.ndarray]) -> None:
    names = _names(c)
    widths = (f"{m} ({x.shape[1]})" for m, x in zip(names, models, strict=True))
    about = {"models": ", ".join(widths)}
    about["rows"] = f"{n:,}" + ", scaled to unit length" * c.normalize
    if drawn < n and set(c.indices) & set(_of_pairs):
        about["pairs"] = f"of {drawn:,} rows, drawn at random (seed {c.seed})"
    facts(about)
    number = lambda value: f"{value:.4f}"
    if len(names) == 2:
        rows = [
            (name, *(number(t[a]) for a in ((0, 1), (1, 0)))) for name, t in found.items()
        ]
        table(["index", f"{names[0]}, {names[1]}", f"{names[1]}, {names[0]}"], rows)
        return
    for name, values in found.items():
        line(f"\n{name}")
        rows = [(a, *map(number, row)) for a, row in zip(names, values, strict=True)]
        table(["", *names], rows)


def _gather(c: Options, models, n: int, drawn: int, found: dict[str, np.ndarray]) -> dict:
    names = _names(c)
    rows = [
        {"index": name, "first": a, "second": b, "value": float(values[i, j])}
        for name, values in found.items()
        for i, a in enumerate(names)
        for j, b in enumerate(names)
    ]
    return {
        "models": [short_name(spec) for spec in c.models],
        "widths": [x.shape[1] for x in models],
        "rows": n,
        "rows of pairs": drawn,
        "neighbours": c.neighbours,
        "normalize": c.normalize,
        "seed": c.seed,
        "version": importlib.metadata.version("jfacemap"),
        "indices": {name: values.tolist() for name, values in found.items()},
        "table": rows,
    }


def _names(c: Options) -> list[str]:
    """Short names, or the specs as given where two short ones are alike."""
    short = [short_name(spec) for spec in c.models]
    return short if len(set(short)) == len(short) else list(c.models)
