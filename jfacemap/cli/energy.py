"""How coherently each attribute moves one identity's embeddings: energies of its field.

CURVES is a lattice's df_param_step.csv: columns moving_dimension (the attribute), id_curve,
param_step (0, 1, 2) and index (a row of the embeddings). Each further file holds one
identity's embeddings (N, d). The vector at step 1 is the embedding of step 2 less that of
step 0; energy is the mean over points of 1 - cos between a vector and its neighbours': 0 if
all point the same way, 1 if at random, above if against each other.

Shown are medians over identities. Coverage is the part of the points that have neighbours,
displacement the length of the vectors over the mean distance of points. With --nulls,
z compares with the same vectors dealt anew among the points (--null gaussian: with random
directions); it only describes, as points of one identity are not independent. The files
hold more: how many neighbours a point has on average, the energy pooled over points, and
gravity, the mean cosine of the vectors with the way to the middle of the points.

examples:
  jfacemap energy df_param_step.csv ann.npy bob.npy
  jfacemap energy df_param_step.csv person_*.npy --neighbours ball --eps 0.4 0.6 0.8
  jfacemap energy df_param_step.csv person_*.npy --nulls 100 --csv energies.csv
  jfacemap energy df_param_step.csv person_*.npy --keep done/    (goes on where it was)
"""

import dataclasses
import importlib.metadata
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
import tyro

from ..attribute.neighbours import AllPairs, KNearest, Neighbours, RelativeBall
from ..data.arrays import InputError, split_spec
from ..data.lattice import Lattice, read_lattice
from ..study.lattice_energy import lattice_energies, LatticeEnergies
from .console import counted, facts, line, table
from .files import check_file, check_output, Flag, short_name
from .written import write_results


_file = tyro.conf.arg(metavar="FILE")


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap energy`."""

    curves: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="CURVES.csv")]]
    """Which rows make which curve."""
    people: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="E.npy ...")]
    ]
    """Embeddings of one identity each: .npy, .npz:KEY, .safetensors:KEY."""
    neighbours: Literal["nearest", "ball", "all"] = "nearest"
    """The k nearest points; those within eps mean distances; all, by 1 / distance."""
    k: Annotated[tuple[int, ...], tyro.conf.arg(metavar="K ...")] = (10,)
    """How many are nearest; several share one search."""
    eps: Annotated[tuple[float, ...], tyro.conf.arg(metavar="EPS ...")] = (0.6,)
    """Radii of the ball, in mean distances of two points."""
    include_self: Flag = False
    """Count a point in its own ball, as the published numbers do."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Distance of the points."""
    nulls: int = 0
    """Random fields to compare with, of each identity."""
    null: Literal["permutation", "gaussian"] = "permutation"
    """The identity's own vectors dealt anew, or directions drawn isotropically."""
    seed: int = 0
    """Seed of the random fields."""
    keep: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Keep what is found of each identity, and go on from it."""
    json: Annotated[Path | None, _file] = None
    """Write everything as JSON, each identity apart."""
    csv: Annotated[Path | None, _file] = None
    """Write a row for each identity, attribute and scale as CSV."""
    force: Flag = False
    """Replace output files that exist."""


def run(c: Options) -> None:
    """Read the curves, go through the identities, report."""
    if not c.people:
        raise InputError("energy takes the embeddings of one identity or more.")
    for path, suffix in ((c.json, ".json"), (c.csv, ".csv")):
        check_output(path, suffix, [c.curves, *c.people], c.force)
    neighbours = _neighbourhood(c)
    lattice = read_lattice(c.curves)
    for spec in c.people:
        check_file(split_spec(spec)[0])
    names = [short_name(spec) for spec in c.people]
    names = names if len(set(names)) == len(names) else list(c.people)
    if len(set(names)) < len(names):
        raise InputError("An identity is given twice: name each file once.")
    with counted("identities") as progress:
        found = lattice_energies(
            jax.random.key(c.seed),
            lattice,
            dict(zip(names, c.people, strict=True)),
            neighbours=neighbours,
            metric=c.metric,
            nulls=c.nulls,
            kind=c.null,
            keep=c.keep,
            progress=progress,
        )
    rows = list(_rows(c, found))
    _show(c, lattice, found, rows)
    write_results(c.json, c.csv, _gather(c, found, rows))


def _neighbourhood(c: Options) -> Neighbours:
    if c.nulls < 0 or c.nulls == 1:
        raise InputError(f"--nulls is 0, or 2 and more; got {c.nulls}.")
    if c.include_self and c.neighbours != "ball":
        raise InputError("--include-self is of balls: give --neighbours ball.")
    if c.neighbours == "all":
        return AllPairs()
    if c.neighbours == "ball":
        if not c.eps or not min(c.eps) > 0:
            raise InputError(f"--eps takes numbers above 0; got {c.eps or 'none'}.")
        return RelativeBall(np.array(c.eps, np.float32), c.include_self)
    if not c.k or min(c.k) < 1:
        raise InputError(f"--k takes whole numbers from 1; got {c.k or 'none'}.")
    return KNearest(tuple(c.k))


def _scales(c: Options) -> list[str]:
    if c.neighbours == "all":
        return ["all"]
    return [f"{x:g}" for x in (c.k if c.neighbours == "nearest" else c.eps)]


def _rows(c: Options, found: LatticeEnergies):
    scales = _scales(c)
    shape = *found.displacement.shape, len(scales)
    names = "energy", "pooled", "coverage", "neighbours", "z", "p"
    of_scales = {
        name: np.asarray(getattr(found, name), np.float64).reshape(shape) for name in names
    }
    for i, a, s in np.ndindex(shape):
        yield {
            "identity": found.identities[i],
            "attribute": found.names[a],
            "scale": scales[s],
            **{name: float(values[i, a, s]) for name, values in of_scales.items()},
            "displacement": float(found.displacement[i, a]),
            "gravity": float(found.gravity[i, a]),
            "skipped": int(found.skipped[i, a]),
        }


def _gather(c: Options, found: LatticeEnergies, rows) -> dict:
    return {
        "curves": short_name(c.curves),
        "identities": list(found.identities),
        "attributes": list(found.names),
        "neighbours": c.neighbours,
        "scales": _scales(c),
        "metric": c.metric,
        "include_self": c.include_self,
        "nulls": c.nulls,
        "null": c.null,
        "seed": c.seed,
        "version": importlib.metadata.version("jfacemap"),
        "alignment": found.alignment.tolist(),
        "table": rows,
    }


def _show(c: Options, lattice: Lattice, found: LatticeEnergies, rows) -> None:
    what = {"nearest": "k nearest points", "ball": "ball of eps mean distances",
            "all": "all pairs by 1 / distance"}[c.neighbours]  # fmt: skip
    curves = ", ".join(f"{n} {len(x):,}" for n, x in zip(
        lattice.names, lattice.curves, strict=True))  # fmt: skip
    facts(
        {
            "identities": f"{len(found.identities):,}",
            "curves": curves,
            "neighbours": f"{what}, {c.metric} distance",
        }
    )
    for scale in _scales(c):
        here = [row for row in rows if row["scale"] == scale]
        if len(_scales(c)) > 1:
            line(f"\nscale {scale}")
        table(
            ["attribute", "energy", "low", "high", "coverage", "displacement", "z"],
            (_cells(name, [r for r in here if r["attribute"] == name])
             for name in found.names),
        )  # fmt: skip
    skipped = int(found.skipped.sum())
    if skipped:
        line(f"{skipped:,} points were left out: rows not finite, or vectors of length 0.")


def _cells(name: str, rows) -> list[str]:
    """Median, least and most energy over identities; medians of the rest."""
    column = lambda field: np.array([r[field] for r in rows], np.float64)
    known = column("energy")[~np.isnan(column("energy"))]
    ends = (np.median(known), known.min(), known.max()) if len(known) else (np.nan,) * 3
    rest = [np.median(column(f)) for f in ("coverage", "displacement", "z")]
    return [name, *("-" if np.isnan(x) else f"{x:.3f}" for x in (*ends, *rest))]
