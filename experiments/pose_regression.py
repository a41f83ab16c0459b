"""Angles read off identity embeddings by linear regression (paper 001, section 3.2).

|Yaw| of ORL and LFW faces, before and after a triplet projection, binned as Table 1 with
the published errors and a constant predictor beside; the direction of the light on
Extended Yale-B, which is illumination and no pose; or any features and angles of one's own.
"""

import dataclasses
import itertools
import pathlib
from typing import Annotated

import numpy as np
import rich.box
import tyro
from rich.table import Table

import jfacemap as jfm
from jfacemap.plot.angles import plot_binned_errors
from jfacemap.study.attribute_probe import deal_people, Roles

from .attribute_probes import level, project
from .face_collections import open_real, yale_faces, yaw_of
from .harness import console, launch, Results, watch


yaw_edges = (0, 15, 30, 45, np.inf)
light_edges = (0, 15, 30, 51)
published = {
    "AFFACT": (6.1, 4.6, 5.6, 9.1, 5.8),
    "VGG": (7.7, 6.3, 7.2, 11.4, 7.4),
    "Deep Feat.": (8.1, 5.8, 5.7, 10.3, 7.5),
    "Triplet-Loss": (10.6, 7.1, 6.7, 13.9, 9.7),
}
"""Table 1 of paper 001, degrees: CelebA; by bin and in total."""
published_counts = (14255, 4527, 872, 268, 19922)


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    features: str | None = None
    """Features (n, d) of your own, as FILE.npy or FILE.npz:KEY; then --angles too."""
    angles: str | None = None
    """Their angles (n,) in degrees, likewise; absolute values are the targets."""
    people: str | None = None
    """Who is on them (n,), so that nobody is both trained and tested on."""
    data: pathlib.Path | None = None
    """Folder of orl_faces.npz and lfw100.npz; by default $JFACEMAP_DATA."""
    width: int = 64
    """Of the triplet projection."""
    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/pose_regression-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: one angle, two models."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """Rows of several models, one angle of each row, and the bins of its table."""

    name: str
    about: str
    models: dict[str, np.ndarray]
    people: np.ndarray
    angle: np.ndarray
    edges: tuple[float, ...]
    projected: bool = False
    """Whether a triplet projection is of interest."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Errors by what was regressed: `BinnedError` of each, and the predictions."""

    problem: Problem
    errors: dict[str, jfm.BinnedError]
    predicted: dict[str, np.ndarray]


def study(problem: Problem, config: Config) -> Outcome:
    people, angle = problem.people, problem.angle.astype(np.float32)
    splits = deal_people(np.random.default_rng(config.seed), people)
    names = list(problem.models)[: 2 if config.quick else None]
    constant = np.zeros_like(angle)
    for split in splits:
        constant[split.test] = angle[~split.test].mean()
    predicted = {"constant": constant}
    with watch(problem.name) as progress:
        for i, name in enumerate(names):
            x = level(problem.models[name])
            predicted[name] = regress([x] * len(splits), angle, people, splits)
            if problem.projected:
                rows = [project(x, people, s, config) for s in splits]
                after = regress(rows, angle, people, splits)
                predicted[f"{name}, triplets"] = after
            progress(i + 1, len(names))
    errors = {
        what: jfm.binned_absolute_error(guess, angle, problem.edges)
        for what, guess in predicted.items()
    }
    return Outcome(problem, errors, predicted)


def regress(rows, angle, people, splits: list[Roles]) -> np.ndarray:
    """Angles of the rows each fold tests; the penalty is chosen by folds of the others."""
    read = np.zeros_like(angle)
    for x, split in zip(rows, splits, strict=True):
        weights = (~split.test).astype(np.float32)
        m = jfm.fit_ridge(x, angle, weights=weights, groups=people)
        read[split.test] = np.asarray(m(x))[split.test]
    return read


def problems(config: Config) -> list[Problem]:
    if config.features is not None or config.angles is not None:
        return [own(config)]
    found = []
    real = open_real(config.data)
    if real is not None:
        yaw, how = yaw_of(real)
        found.append(
            Problem(
                "yaw",
                f"|yaw| of ORL and LFW-100 by {how}, {len(yaw)} images of "
                f"{len(np.unique(real.people))} people, {real.source}",
                real.models,
                real.people,
                yaw,
                yaw_edges,
                projected=True,
            )
        )
    else:
        console.print("No ORL and LFW images: set JFACEMAP_DATA. Light alone.\n")
    yale, whose = yale_faces(config.data)
    for name, angle in (("azimuth", yale.azimuth), ("elevation", yale.elevation)):
        about = (
            f"illumination, no pose: |{name}| of the light on {len(yale)} mildly lit "
            f"images of Extended Yale-B, {len(np.unique(yale.label))} people, {whose}"
        )
        found.append(
            Problem(f"light {name}", about, yale.embeddings, yale.label, np.abs(angle),
                    light_edges)
        )  # fmt: skip
    return found


def own(config: Config) -> Problem:
    if config.features is None or config.angles is None:
        raise SystemExit("--features and --angles belong together.")
    x = jfm.data.read_rows(config.features)
    angle = jfm.data.read_array(config.angles).astype(np.float32)
    if angle.shape != (len(x),):
        raise SystemExit(f"{config.angles} has shape {angle.shape}, for {len(x)} features.")
    people = np.arange(len(x))
    if config.people is not None:
        people = jfm.data.read_labels(config.people)
    about = f"|{config.angles}| of {len(x):,} rows of {config.features}"
    return Problem("own", about, {"features": x}, people, np.abs(angle), yaw_edges)


def bin_names(edges) -> list[str]:
    return [
        f"> {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
        for low, high in itertools.pairwise(edges)
    ]


def report(outcome: Outcome) -> None:
    edges = outcome.problem.edges
    console.print(f"[bold]Data.[/bold] {outcome.problem.about}")
    as_table_1 = edges == yaw_edges
    table = Table(
        title=f"{outcome.problem.name}: mean absolute error in degrees, by the true angle",
        title_justify="left",
        box=rich.box.SIMPLE_HEAD,
    )
    for name in ("", *bin_names(edges), "total"):
        table.add_column(name, justify="right" if name else "left")
    count = np.asarray(next(iter(outcome.errors.values())).count)
    table.add_row("count", *map(str, [*count, count.sum()]))
    for name, e in outcome.errors.items():
        values = np.append(np.asarray(e.error), float(e.total))
        table.add_row(name, *("" if np.isnan(v) else f"{v:.1f}" for v in values))
    if as_table_1:
        table.add_section()
        table.add_row("published (Table 1, CelebA): count", *map(str, published_counts))
        for name, errors in published.items():
            table.add_row(f"published: {name}", *(f"{v:.1f}" for v in errors))
    console.print(table)


def gather_rows(outcomes):
    for o in outcomes:
        bins = [*bin_names(o.problem.edges), "total"]
        for what, e in o.errors.items():
            values = [*np.asarray(e.error), float(e.total)]
            counts = [*np.asarray(e.count), int(np.sum(e.count))]
            for name, value, count in zip(bins, values, counts, strict=True):
                yield {"problem": o.problem.name, "features": what, "bin": name,
                       "count": int(count), "error": float(value),
                       "source": "measured"}  # fmt: skip
    for what, values in published.items():
        bins = [*bin_names(yaw_edges), "total"]
        for name, value, count in zip(bins, values, published_counts, strict=True):
            yield {"problem": "yaw", "features": what, "bin": name, "count": count,
                   "error": value, "source": "published, CelebA"}  # fmt: skip


def run(config: Config) -> Results:
    outcomes = []
    for problem in list(problems(config))[-1 if config.quick else 0 :]:
        outcomes.append(study(problem, config))
        report(outcomes[-1])
    return Results(
        arrays={
            f"{o.problem.name}/{what}": np.stack([o.problem.angle, guess])
            for o in outcomes
            for what, guess in o.predicted.items()
        },
        rows=gather_rows(outcomes),
        figures={
            o.problem.name.replace(" ", "_"): plot_binned_errors(
                {k: np.append(e.error, e.total) for k, e in o.errors.items()},
                [*bin_names(o.problem.edges), "total"],
                title=o.problem.name,
            )
            for o in outcomes
        },
        data={o.problem.name: o.problem.about for o in outcomes},
        config=config,
    )


if __name__ == "__main__":
    launch("pose_regression", Config, run, __doc__)
