"""Which attributes do identity embeddings hold (paper 001, section 3.1)?

Linear SVMs on embeddings before and after a triplet projection, and after a map into
another model's space; false negatives and false positives as in Figure 2. On a folder in
CelebA's format, or on the real faces at hand: ORL and LFW with attributes computed from
landmarks and pixels, Extended Yale-B with the direction of the light.
"""

import dataclasses
import pathlib
from typing import Annotated

import jax
import numpy as np
import tyro

import jfacemap as jfm
from jfacemap.study.attribute_probe import (
    apply_probes,
    AttributeProbe,
    deal_people,
    judge,
    probe_attributes,
    Roles,
)
from jfacemap.study.triplet import fit_triplet

from .attribute_probes_report import draw, gather_rows, report
from .face_collections import Collection, open_celeba, real_faces
from .harness import console, launch, Results, watch


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    celeba: pathlib.Path | None = None
    """Folder for jfm.data.read_celeba, with embeddings; by default the faces at hand."""
    reference: pathlib.Path | None = None
    """Predictions (n, A) of another classifier, as .npy: Figure 2's third series."""
    data: pathlib.Path | None = None
    """Folder of orl_faces.npz and lfw100.npz; by default $JFACEMAP_DATA."""
    grid: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0, 100.0)
    """Values of C."""
    width: int = 64
    """Of the triplet projection."""
    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/attribute_probes-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: one collection, two models, two values of C."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Of one collection: probes by model and by what was done to its rows."""

    collection: Collection
    probes: dict[str, dict[str, AttributeProbe]]
    tar: dict[str, tuple[float, float]]
    """TAR at FAR 1e-2 of the test people before and after the projection, mean of folds."""
    reference: AttributeProbe | None


def study(collection: Collection, config: Config, reference) -> Outcome:
    labels, people, splits = collection.labels, collection.people, collection.splits
    names = list(collection.models)
    names = names[:2] if config.quick else names
    grid = np.asarray(config.grid[1:4:2] if config.quick else config.grid, np.float32)
    spaces = {name: level(collection.models[name]) for name in names}
    probes, tar = {}, {}
    with watch(collection.name) as progress:
        for i, name in enumerate(names):
            x = spaces[name]
            probes[name] = {"features": probe_attributes(x, labels, splits, grid, people)}
            if people is not None:
                projected = [project(x, people, s, config) for s in splits]
                after = probe_attributes(projected, labels, splits, grid, people)
                probes[name]["after triplets"] = after
                before, behind = verify(x, projected, people, splits)
                tar[name] = before, behind
            progress(i + 1, 2 * len(names))
        for i, name in enumerate(names):
            target = names[(i + 1) % len(names)]
            if target == name:
                continue
            mapped = [carry(spaces[name], spaces[target], s) for s in splits]
            own = probe_attributes(mapped, labels, splits, grid, people)
            probes[name][f"mapped to {target}"] = own
            svms = probes[target]["features"].svms
            said = apply_probes(svms, mapped, splits)
            probes[name][f"mapped, probes of {target}"] = AttributeProbe(
                said,
                judge(said, labels, people),
                probes[target]["features"].penalty,
                svms,
            )
            progress(len(names) + i + 1, 2 * len(names))
    return Outcome(collection, probes, tar, known(reference, collection))


def level(x) -> np.ndarray:
    """Unit rows, about their mean, on average of length one again: C means the same."""
    rows = np.asarray(jfm.unit(x))
    rows = rows - rows.mean(axis=0)
    return rows / np.sqrt(np.mean(np.sum(rows**2, axis=1)))


def project(x, people, split: Roles, config) -> np.ndarray:
    """Rows of a triplet projection trained on the training people."""
    m = fit_triplet(
        jax.random.key(config.seed),
        x[split.train],
        people[split.train],
        config.width,
        steps=50 if config.quick else 400,
    )
    return level(np.asarray(m(x)))


def carry(x, y, split: Roles, ridge: float = 0.01) -> np.ndarray:
    """Rows of `x` mapped to the space of `y`, the map fitted on training rows."""
    weights = split.train.astype(np.float32)
    penalty = ridge * float(weights.sum())
    return np.asarray(jfm.fit_affine(x, y, weights=weights, ridge=penalty)(x))


def verify(x, projected, people, splits) -> tuple[float, float]:
    """TAR at FAR 1e-2 among the test rows of each fold, before and after; the mean."""
    found = []
    for split, z in zip(splits, projected, strict=True):
        rows = np.flatnonzero(split.test)[:400]
        genuine, valid = jfm.label_pairs(np.unique(people, return_inverse=True)[1][rows])
        tar = [
            float(jfm.tar_at_far(jfm.score_all(r[rows], r[rows]), genuine, [1e-2],
                                 valid=valid).tar[0])
            for r in (x, z)
        ]  # fmt: skip
        found.append(tar)
    before, after = np.mean(found, axis=0)
    return float(before), float(after)


def known(reference, collection: Collection) -> AttributeProbe | None:
    """Another classifier's predictions on the test rows, as if they were a probe's."""
    if reference is None:
        return None
    said = np.where(np.asarray(reference) > 0, 1, -1)
    if said.shape != collection.labels.shape:
        raise SystemExit(
            f"--reference has shape {said.shape}; the attributes are "
            f"{collection.labels.shape}."
        )
    tested = np.any([s.test for s in collection.splits], axis=0)
    said = np.where(tested[:, None], said, 0)
    errors = judge(said, collection.labels, collection.people)
    return AttributeProbe(said, errors, np.full((1, said.shape[1]), np.nan), [])


def run(config: Config) -> Results:
    deal = lambda people: deal_people(np.random.default_rng(config.seed), people)
    if config.celeba is not None:
        collections = [open_celeba(config.celeba)]
    else:
        collections = real_faces(config.data, deal)[-1 if config.quick else 0 :]
    reference = None if config.reference is None else np.load(config.reference)
    outcomes = []
    for collection in collections:
        console.print(f"[bold]Data.[/bold] {collection.about}")
        outcomes.append(study(collection, config, reference))
        report(outcomes[-1])
    return Results(
        arrays={
            f"{o.collection.name}/{model}/{what}": p.predicted
            for o in outcomes
            for model, each in o.probes.items()
            for what, p in each.items()
        },
        rows=gather_rows(outcomes),
        figures=draw(outcomes),
        data={o.collection.name: o.collection.about for o in outcomes},
        config=config,
    )


if __name__ == "__main__":
    launch("attribute_probes", Config, run, __doc__)
