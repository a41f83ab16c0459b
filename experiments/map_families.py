"""Which family of maps do pairs of real face networks support?

The ladder of families (no map, rotation, similarity, low rank, affine, ridge, network) on
every ordered pair of six face networks: errors on people held out of the fit rows, by
cross-validation; and TAR of the maps, fitted on all fit rows, on people of no fold at all.
"""

import dataclasses
import pathlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Annotated

import jax
import numpy as np
import rich.box
import tyro
from rich.table import Table

import jfacemap as jfm
from jfacemap.data.arrays import new_file
from jfacemap.plot.ladder import plot_ladder
from jfacemap.study.ladder import families

from .canonical_faces import centre, fit_rows, held_out_pairs, unit_spaces
from .harness import console, launch, Results, watch


far = 1e-2


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    folds: int = 3
    """Parts of the people fitted on, each held out once."""
    center: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Subtract each model's mean over the fit rows, and scale rows again."""
    network: bool = True
    """Fit networks too, which takes most of the time."""
    keep: pathlib.Path | None = None
    """Folder of finished pairs: a run that was stopped goes on from there."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/map_families-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: two models, without the network."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Of each family: errors and cosines `(family, fold)`, TAR `(family,)`."""

    error: np.ndarray
    cosine: np.ndarray
    tar: np.ndarray
    rank: np.ndarray
    ridge: np.ndarray

    def ladder(self, names) -> jfm.Ladder:
        return jfm.Ladder(self.error, self.cosine, (), {}, tuple(names))


def run(config: Config) -> Results:
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset != "lfw100"]
    if config.quick:
        few = {m: faces.embeddings[m] for m in ("mobilefacenet_ms1m", "dlib_resnet")}
        faces = dataclasses.replace(faces, embeddings=few)
    yale = faces.dataset == "yaleb"
    used = fit_rows(faces, np.unique(faces.label[yale])[::2])
    held = np.flatnonzero(yale & ~used)
    spaces = unit_spaces(faces)
    spaces = centre(spaces, used) if config.center else spaces
    names = families if config.network and not config.quick else families[:-1]
    about = describe(config, faces, used, held)
    console.print(f"[bold]Data.[/bold] {about['fit']}\n      {about['evaluate']}\n")

    fold = jfm.assign_folds(faces.label[used], config.folds)
    pairs = dict(climb(config, faces, spaces, used, held, fold, names))
    native = native_tar(faces, spaces, held)
    report(config, pairs, native, faces.names, names)
    stack = lambda field: np.stack([getattr(p, field) for p in pairs.values()])
    arrays = {f: stack(f) for f in ("error", "cosine", "tar", "rank", "ridge")}
    return Results(
        arrays=arrays
        | {"pairs": np.array(list(pairs)), "names": np.array(faces.names)}
        | {"families": np.array(names), "native": native},
        rows=list(gather_rows(pairs, faces.names, names)),
        figures=draw(pairs, faces.names, names),
        data=about,
        config=config,
    )


def climb(config: Config, faces, spaces, used, held, fold, names) -> Iterator:
    """`(source, target), Pair` of all ordered pairs, each computed once."""
    n = range(len(spaces))
    todo = [(i, j) for i in n for j in n if i != j]
    padded, same, valid = held_out_pairs(faces, held)
    with watch("pairs of models") as progress:
        for done, (i, j) in enumerate(todo):
            progress(done, len(todo))
            kept = None if config.keep is None else kept_as(config, faces, names, i, j)
            if kept is not None and kept.exists():
                yield (i, j), read(kept)
                continue
            x, y = spaces[i], spaces[j]
            key = jax.random.key(config.seed)
            ladder = jfm.map_ladder(key, x[used], y[used], folds=fold, families=names)
            tars = [tar_of(m(x[padded]), y[padded], same, valid) for m in ladder.maps]
            choice = lambda name: np.asarray(ladder.choices.get(name, np.nan))  # noqa: B023
            pair = Pair(
                ladder.error, ladder.cosine, np.array(tars), choice("low rank"),
                choice("ridge"),
            )  # fmt: skip
            if kept is not None:
                write(kept, pair)
            yield (i, j), pair


def kept_as(config: Config, faces, names, i: int, j: int) -> pathlib.Path:
    """A name that has in it all that the result depends on."""
    way = f"{config.seed}-{config.folds}-{len(names)}" + "-centred" * config.center
    assert config.keep is not None
    return config.keep / f"{faces.names[i]}-{faces.names[j]}-{way}.npz"


def write(path: pathlib.Path, pair: Pair) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **dataclasses.asdict(pair))


def read(path: pathlib.Path) -> Pair:
    with np.load(path) as file:
        return Pair(**{name: file[name] for name in file.files})


def tar_of(mapped, target, same, valid) -> float:
    scores = jfm.score_all(jfm.unit(mapped), jfm.unit(target))
    return float(jfm.tar_at_far(scores, same, [far], valid=valid).tar[0])


def native_tar(faces, spaces, held) -> np.ndarray:
    padded, same, valid = held_out_pairs(faces, held)
    return np.array([tar_of(x[padded], x[padded], same, valid) for x in spaces])


def describe(config: Config, faces, used, held) -> dict[str, str]:
    people = lambda rows: len(np.unique(faces.label[rows]))
    return {
        "source": f"bundled embeddings (jfacemap.data.load_faces), {len(faces.names)} real "
        "face models" + ", rows about the mean of the fit rows" * config.center,
        "sha256": faces.digest,
        "fit": f"Fitted on {used.sum()} images of {people(used)} people: ORL and every "
        "second person of the mildly lit Extended Yale-B; errors in "
        f"{config.folds} folds of people.",
        "evaluate": f"TAR at FAR {far:g} on {len(held)} images of the other {people(held)} "
        "people of Yale-B, strict rule.",
    }


def winners(values: Sequence[str], names) -> list[int]:
    return [list(values).count(name) for name in names]


def report(config: Config, pairs, native, models, names) -> None:
    style = {"title_justify": "left", "box": rich.box.SIMPLE_HEAD}
    ladders = [pair.ladder(names) for pair in pairs.values()]
    error = np.stack([pair.error.mean(axis=1) for pair in pairs.values()])
    tar = np.stack([pair.tar for pair in pairs.values()])
    by_tar = [names[i] for i in tar.argmax(axis=1)]
    table = Table(title=f"All {len(pairs)} ordered pairs, means", **style)
    for name in ("family", "error held out", f"TAR at FAR {far:g}", "least error",
                 "supported", "highest TAR"):  # fmt: skip
        table.add_column(name, justify="left" if name == "family" else "right")
    wins = (
        winners([ladder.best for ladder in ladders], names),
        winners([ladder.supported for ladder in ladders], names),
        winners(by_tar, names),
    )
    for i, name in enumerate(names):
        counts = (f"{won[i]}" for won in wins)
        means = f"{np.median(error[:, i]):.3f}", f"{tar[:, i].mean():.3f}"
        table.add_row(name, *means, *counts)
    console.print(table)
    console.print(
        "Error: the median over pairs of the share of the target's spread that is left. "
        "Least error, supported and highest TAR: of how many pairs. Supported is the "
        "stiffest family within a standard error of the least. Native TAR, without a map: "
        f"{native.mean():.3f} on average.\n"
    )
    table = Table(title="By source model: mean TAR over targets", **style)
    table.add_column("source (native)")
    for name in names:
        table.add_column(name, justify="right")
    for i, model in enumerate(models):
        own = np.mean([pair.tar for (a, _), pair in pairs.items() if a == i], axis=0)
        table.add_row(f"{model} ({native[i]:.3f})", *(f"{t:.3f}" for t in own))
    console.print(table)


def gather_rows(pairs, models, names):
    for (i, j), pair in pairs.items():
        ladder = pair.ladder(names)
        for row, tar in zip(ladder.rows(), pair.tar, strict=True):
            row["chosen"] = {"low rank": pair.rank, "ridge": pair.ridge}.get(row["family"])
            yield (
                {"source": models[i], "target": models[j]} | row | {"far": far, "tar": tar}
            )


def draw(pairs, models, names) -> dict:
    label = lambda i, j: f"{models[i]} -> {models[j]}"
    error = {label(*pair): p.error for pair, p in pairs.items()}
    tar = {label(*pair): p.tar[:, None] for pair, p in pairs.items()}
    title = f"{len(pairs)} ordered pairs of real face networks, "
    return {
        "error": plot_ladder(
            error, names, highest=2.0, title=title + "people held out of the fit"
        ),
        "tar": plot_ladder(
            tar, names, ylabel=f"TAR at FAR {far:g}", highest=1.0,
            title=title + "19 other people",
        ),
    }  # fmt: skip


if __name__ == "__main__":
    launch("map_families", Config, run, __doc__)
