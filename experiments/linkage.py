"""Linking unknown people across sources with unlike models (paper 000, section 5).

Each source embeds its own images by its own model; no image is in two sources. Of some
people the sources know which rows are theirs, by a common label: maps are fitted by
identity, not by image. Other people, whom no label names, are then linked across sources.
"""

import dataclasses
import functools as ft
import pathlib
import warnings
from typing import Annotated, Literal

import numpy as np
import rich.box
import tyro
from rich.table import Table

import jfacemap as jfm
from jfacemap.plot.linkability import plot_linkability
from jfacemap.study.attack import centre_on

from .canonical_faces import both_cores
from .harness import console, launch, Results
from .reidentification import load
from .reidentification_report import with_spread


fars = 1e-1, 1e-2


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    splits: int = 3
    """Random halves of the people to be known, and deals of their images to sources."""
    ridges: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1)
    """Penalties a person, or an image, where rows have unit length. The best is taken by
    leaving out half of the known people: nobody who is judged."""
    data: Literal["faces", "simulated"] = "faces"
    """Bundled real faces, or a simulated IJB-C."""
    scale: float = 0.02
    """Of the simulation: its share of IJB-C's people and images."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/linkage-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: one split."""


def deal(rng, label, people, sources: int) -> list[np.ndarray]:
    """Rows of some people, dealt to the sources: as many each, no row twice."""
    rows = rng.permutation(np.flatnonzero(np.isin(label, people)))
    rows = rows[np.argsort(label[rows], kind="stable")]
    rows = rows[: rows.size // sources * sources]
    return [rows[i::sources] for i in range(sources)]


def split_people(rng, label, strata) -> np.ndarray:
    """A random half of the people of each stratum."""
    halves = []
    for stratum in np.unique(strata):
        people = rng.permutation(np.unique(label[strata == stratum]))
        halves.append(people[: people.size // 2])
    return np.concatenate(halves)


def fit_maps(collection, known, rng, config) -> dict[str, jfm.PairMaps]:
    """Maps between the sources: by identity, by image, and controls."""
    names, label = collection.names, collection.label
    spaces = collection.spaces
    rows = [x[r] for x, r in zip(spaces, known, strict=True)]
    labels = [label[r] for r in known]
    shuffled = [permute_people(rng, each) for each in labels]
    people = np.unique(np.concatenate(labels)).size
    by_person, by_image = pick_ridges(collection, known, config)
    ridge = by_person * people
    by_identity = lambda labels, kind, **options: jfm.fit_by_identity(
        rows, labels, kind, names=names, **options
    )
    # The same images under all models: those of the first source.
    shared = known[0]
    joint = jfm.joint_moments([x[shared] for x in spaces], names=names)
    return {
        "identity, rotation": by_identity(labels, "rotation"),
        "identity, ridge of all pairs": by_identity(labels, "linear", ridge=ridge),
        "identity, ridge of means": by_identity(labels, "linear", ridge=ridge, of="means"),
        "image, rotation": jfm.fit_all_pairs(joint, "rotation"),
        "image, ridge": jfm.fit_all_pairs(joint, "linear", ridge=by_image * shared.size),
        "control: identities at random, ridge": by_identity(
            shuffled, "linear", ridge=ridge
        ),
        "control: no map": jfm.fit_all_pairs(joint, "identity"),
    }


def pick_ridges(collection, known, config) -> tuple[float, float]:
    """Penalties a person, by means of known people, and an image, by those of a source."""
    spaces = [np.asarray(x) for x in collection.spaces]
    labels, shared = [collection.label[r] for r in known], known[0]
    people = ft.reduce(np.intersect1d, labels)
    halves = people[::2], people[1::2]

    def means(who):
        mean = lambda x, rows, label: np.stack(
            [x[rows[label == p]].mean(axis=0) for p in who]
        )
        return jfm.joint_moments(list(map(mean, spaces, known, labels)))

    def images(who):
        rows = shared[np.isin(collection.label[shared], who)]
        return jfm.joint_moments([x[rows] for x in spaces])

    pick = lambda joint: jfm.choose_ridge(list(map(joint, halves)), config.ridges).ridge
    return pick(means), pick(images)


def permute_people(rng, labels) -> np.ndarray:
    """Each person's rows under the label of another."""
    people, at = np.unique(labels, return_inverse=True)
    return rng.permutation(people)[at]


def one_split(collection, strata, config, split: int):
    """Linkage by kind of map, and the scores of one pair of sources."""
    rng = np.random.default_rng([config.seed, split])
    label = collection.label
    people = split_people(rng, label, strata)
    unknown = np.setdiff1d(label, people)
    sources = len(collection.names)
    known, hidden = (deal(rng, label, who, sources) for who in (people, unknown))
    # Each source's mean is that of the rows it has names for.
    centred = [centre_on(x, r) for x, r in zip(collection.spaces, known, strict=True)]
    collection = dataclasses.replace(collection, spaces=centred)
    maps = fit_maps(collection, known, rng, config)
    rows = [x[r] for x, r in zip(centred, hidden, strict=True)]
    labels = [label[r] for r in hidden]
    found = {
        kind: jfm.link_sources(m, rows, labels, fars, bins=50) for kind, m in maps.items()
    }
    a, b = 0, 1
    scores = jfm.score_all(maps["identity, ridge of all pairs"][a, b](rows[a]), rows[b])
    genuine, _ = jfm.label_pairs(labels[a], labels[b])
    shown = jfm.linkability(scores, genuine, bins=30)
    return found, shown, [len(r) for r in (known[0], hidden[0])], people.size


def run(config: Config) -> Results:
    if config.quick:
        config = dataclasses.replace(config, splits=1, scale=min(config.scale, 0.01))
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    collection = load(config)  # type: ignore
    main = ~collection.only_distractors
    collection = dataclasses.replace(
        collection,
        spaces=[x[main] for x in collection.spaces],
        label=collection.label[main],
        origin=collection.origin[main],
        only_distractors=collection.only_distractors[main],
    )
    strata = collection.origin
    splits = both_cores(
        lambda i: one_split(collection, strata, config, i), range(config.splits), "splits"
    )
    found = {kind: [s[0][kind] for s in splits] for kind in splits[0][0]}
    (fitted, hidden), people = splits[0][2], splits[0][3]
    total = np.unique(collection.label).size
    data = {
        "source": collection.about["source"],
        "sources": f"{len(collection.names)}, one a model; no image is in two",
        "fit": f"{people} people known to all by label, {fitted} images a source",
        "evaluate": f"{total - people} other people, {hidden} images a source",
        "left out": "LFW-100, which may overlap the networks' training data",
    }
    console.print("[bold]Data.[/bold] " + "\n      ".join(data.values()) + "\n")
    report(found, config)
    a, b = collection.names[:2]
    figure = plot_linkability(
        splits[0][1], title=f"{a} mapped to {b} by identity, {hidden} images a source"
    )
    arrays = {"fars": np.array(fars), "names": np.array(collection.names)}
    for kind, each in found.items():
        arrays[f"{kind}/tar"] = np.stack([linkage.tar for linkage in each])
        arrays[f"{kind}/d_sys"] = np.stack([linkage.d_sys for linkage in each])
    return Results(
        arrays=arrays,
        rows=list(gather_rows(found)),
        figures={"linkability": figure},
        data=data,
        config=config,
    )


def report(found, config) -> None:
    table = Table(title="Unknown people linked across sources",
                  title_justify="left", box=rich.box.SIMPLE_HEAD)  # fmt: skip
    table.add_column("maps fitted by", no_wrap=True)
    for name in (*(f"TAR at FAR {far:g}" for far in fars), "linkability D_sys"):
        table.add_column(name, justify="right", no_wrap=True)

    add = lambda name, values: table.add_row(name, *with_spread(np.asarray(values)))
    for kind, each in found.items():
        add(kind, [[*x.across, x.d_sys_across] for x in each])
    own = next(iter(found.values()))
    diagonal = lambda x: np.diagonal(x).mean(axis=-1)
    add("within a source, no map", [[*diagonal(x.tar), diagonal(x.d_sys)] for x in own])
    console.print(table)
    console.print(
        f"Mean over ordered pairs of sources, ± sd over {config.splits} random halves "
        "of the people. By identity: rows of one person in two sources, never one image. "
        "By image: as many rows, the same images under both models. Ridges: the best for "
        "known people left out. Rows are about each source's mean (centred) throughout. "
        "D_sys is above 0 by chance: see the controls.\n"
    )


def gather_rows(found):
    for kind, each in found.items():
        for s, linkage in enumerate(each):
            for i, j in np.ndindex(linkage.d_sys.shape):
                tar = {
                    f"tar_at_{far:g}": linkage.tar[i, j, k] for k, far in enumerate(fars)
                }
                yield {
                    "fitted by": kind,
                    "split": s,
                    "source": linkage.names[i],
                    "target": linkage.names[j],
                    "d_sys": linkage.d_sys[i, j],
                    "genuine": int(linkage.n_genuine[i, j]),
                } | tar


if __name__ == "__main__":
    launch("linkage", Config, run, __doc__)
