"""Which pairs of images matter for a map (open questions of paper 000, sections 5 to 7).

On six real face networks: TAR by people and images of each; images chosen to constrain
a map (D-optimal) against random ones; maps from identity means alone and from deviations
alone; maps carried from one data set to another.
"""

import dataclasses
import pathlib
import warnings
from collections.abc import Callable
from typing import Annotated

import jax
import numpy as np
import tyro

import jfacemap as jfm
from jfacemap.study.sweep import fit_subset

from .canonical_faces import centre, fit_rows, unit_spaces
from .controls import controls
from .harness import console, launch, Results, watch
from .which_pairs_report import draw, off_mean, report


far = 1e-2
kinds = "linear", "rotation"
ways = "random", "one of each person", "D-optimal"
people, images = (4, 8, 16, 32), (1, 2, 4, 8)


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    repeats: int = 3
    """Draws of people and of images."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/which_pairs-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: three models, few sizes, one draw."""


@dataclasses.dataclass(frozen=True)
class Study:
    """What all parts see: rows about the mean of the rows fitted on, and the judge."""

    faces: jfm.data.Faces
    spaces: list[np.ndarray]
    used: np.ndarray
    evaluate: Callable[..., np.ndarray]
    config: Config

    @property
    def rows(self) -> list[np.ndarray]:
        return [x[self.used] for x in self.spaces]

    @property
    def label(self) -> np.ndarray:
        return self.faces.label[self.used]


def run(config: Config) -> Results:
    if config.quick:
        config = dataclasses.replace(config, repeats=1)
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    study = prepare(config)
    about = describe(study)
    told = "\n".join(about[key] for key in ("source", "fit", "spaces", "evaluate"))
    console.print(f"[bold]Data.[/bold] {told}\n")
    surface = by_people(study)
    chosen = by_choice(study)
    parts = by_part(study)
    moved = by_data_set(study)
    against = controls(study.rows, study.faces.names, config.seed, study.evaluate)
    report(surface, chosen, parts, moved, config.repeats, against)
    arrays = {f"surface/{kind}": x for kind, x in surface.values.items()}
    arrays |= {"surface/people": surface.people, "surface/images": surface.images}
    arrays |= {f"choice/{way}/{kind}": x for (way, kind), x in chosen.tar.items()}
    arrays |= {"choice/sizes": chosen.sizes}
    arrays |= {f"parts/{part}/{kind}": x for (part, kind), x in parts.items()}
    arrays |= {f"control/{name}": x for name, x in against.items()}
    arrays |= {f"transfer/{name}/{k}": x for name, t in moved.items() for k, x in
               t.values.items()}  # fmt: skip
    return Results(
        arrays={name: np.asarray(x) for name, x in arrays.items()},
        rows=list(gather_rows(surface, chosen, parts, moved)),
        figures=draw(surface, chosen, moved),
        data=about,
        config=config,
    )


def prepare(config: Config) -> Study:
    faces = jfm.data.load_faces()
    if config.quick:
        few = dict(list(faces.embeddings.items())[:3])
        faces = dataclasses.replace(faces, embeddings=few)
    yale = faces.dataset == "yaleb"
    used = fit_rows(faces, np.unique(faces.label[yale])[::2])
    spaces = [np.asarray(x) for x in centre(unit_spaces(faces), used)]
    held_out = np.flatnonzero(yale & ~used)[::2]
    return Study(faces, spaces, used, judge(faces, spaces, held_out), config)


def judge(faces, spaces, rows) -> Callable[..., np.ndarray]:
    """TAR `(source, target)` at `far` of all pairs of some rows, through maps."""
    same, valid = map(np.asarray, jfm.label_pairs(faces.label[rows]))
    held_out = [x[rows] for x in spaces]

    def evaluate(maps, native: bool = True) -> np.ndarray:
        scores = jfm.cross_scores(maps, held_out, native=native)
        return np.asarray(jfm.table_tar(scores, same, (far,), valid=valid).tar)[..., 0]

    return evaluate


def describe(study: Study) -> dict[str, str]:
    faces = study.faces
    return {
        "source": f"bundled embeddings (jfacemap.data.load_faces), {len(faces.names)} real "
        "face models, rows about the mean of the rows fitted on",
        "sha256": faces.digest,
        "fit": f"Fitted on some of {study.used.sum()} images of "
        f"{len(np.unique(study.label))} people: ORL, every second person of Yale-B.",
        "spaces": "Centred throughout: no part is of rows as they are.",
        "evaluate": f"TAR at FAR {far:g} on every second image of the other 19 people of "
        "the mildly lit Yale-B; between data sets as the table says. LFW-100 (only there) "
        "may overlap the networks' training sets.",
    }


def by_people(study: Study) -> jfm.IdentitySurface:
    """TAR by people, and by images of each."""
    quick = study.config.quick
    with watch("people and images") as progress:
        return jfm.sweep_identities(
            jax.random.key(study.config.seed),
            study.rows,
            study.label,
            people[::2] if quick else people,
            images[::2] if quick else images,
            study.config.repeats,
            kinds,
            evaluate=study.evaluate,
            names=study.faces.names,
            progress=progress,
        )


@dataclasses.dataclass(frozen=True)
class Choices:
    """`tar[way, kind] (sizes, draws, source, target)`."""

    sizes: list[int]
    tar: dict[tuple[str, str], np.ndarray]


def by_choice(study: Study) -> Choices:
    """TAR by the number of images, chosen in three ways.

    D-optimal: by all models' rows side by side, one set of images for all pairs.
    """
    rows, names, config = study.rows, study.faces.names, study.config
    sizes = [16, 64] if config.quick else [16, 32, 64, 128, 256, 512]
    rng = np.random.default_rng(config.seed)
    best = jfm.choose_pairs(np.concatenate(rows, axis=1), sizes[-1])
    orders = {
        "random": [rng.permutation(len(rows[0])) for _ in range(config.repeats)],
        "one of each person": [
            round_robin(rng, study.label) for _ in range(config.repeats)
        ],
        "D-optimal": [np.asarray(best.rows)],
    }
    found = {(way, kind): [] for way in ways for kind in kinds}
    total = len(sizes) * sum(map(len, orders.values()))
    with watch("choices") as progress:
        done = 0
        for size in sizes:
            for way, draws in orders.items():
                maps = [
                    fit_subset([x[o[:size]] for x in rows], kinds, names) for o in draws
                ]
                for kind in kinds:
                    tar = np.stack([study.evaluate(each[kind]) for each in maps])
                    found[way, kind].append(tar)
                progress(done := done + len(draws), total)
    return Choices(sizes, {key: np.stack(each) for key, each in found.items()})


def round_robin(rng, label) -> np.ndarray:
    """All rows in random order, but one of each person first, then a second of each."""
    order = rng.permutation(len(label))
    nth = np.empty(len(label), int)
    for who in np.unique(label):
        mine = order[label[order] == who]
        nth[mine] = np.arange(len(mine))
    return order[np.argsort(nth[order], kind="stable")]


def by_part(study: Study) -> dict[tuple[str, str], np.ndarray]:
    """TAR of maps from identity means, from deviations from them, and from both."""
    names = study.faces.names
    parts = jfm.identity_parts(study.rows, study.label)
    weights = parts.count.astype(np.float32)
    joints = {
        "means of identities": jfm.joint_moments(parts.between, weights, names=names),
        "deviations from them": jfm.joint_moments(parts.within, names=names),
        "images": jfm.joint_moments(study.rows, names=names),
    }
    return {
        (part, kind): study.evaluate(jfm.fit_all_pairs(joint, kind))
        for part, joint in joints.items()
        for kind in kinds
    }


def by_data_set(study: Study) -> dict[str, jfm.Transfer]:
    """TAR by the data set fitted on and the one tested, on people not fitted on.

    Of each data set half of the people are fitted on and the others tested. Once with all
    images, once with as many as the smallest set has. Rows are about the mean of the
    images fitted on of all three sets.
    """
    faces, rng = study.faces, np.random.default_rng(study.config.seed)
    sets = [str(name) for name in dict.fromkeys(faces.dataset)]
    fit, test = {}, {}
    for name in sets:
        who = rng.permutation(np.unique(faces.label[faces.dataset == name]))
        half = np.isin(faces.label, who[: len(who) // 2])
        fit[name] = np.flatnonzero(half)
        test[name] = np.flatnonzero((faces.dataset == name) & ~half)
    used = np.isin(np.arange(len(faces)), np.concatenate(list(fit.values())))
    spaces = [np.asarray(x) for x in centre(unit_spaces(faces), used)]
    fit["all three"] = np.flatnonzero(used)
    least = min(map(len, fit.values()))
    pick = lambda rows: rng.permutation(rows)[:least]
    # At most so many images tested, spread over the people.
    some = {k: rows[:: max(1, len(rows) // 320)] for k, rows in test.items()}
    judges = {name: judge(faces, spaces, rows) for name, rows in some.items()}
    move = lambda rows: jfm.transfer_maps(spaces, rows, judges, kinds, names=faces.names)
    found = {f"{least} images": move({name: pick(rows) for name, rows in fit.items()})}
    return found if study.config.quick else {"all images": move(fit)} | found


def gather_rows(surface, chosen: Choices, parts, moved):
    row = lambda study, kind, what, number, draw, tar: {
        "study": study, "kind": kind, "what": what, "number": number, "draw": draw,
        "far": far, "mean_tar": tar,
    }  # fmt: skip
    for kind, values in surface.values.items():
        for (i, j, r), tar in np.ndenumerate(off_mean(values)):
            number = f"{surface.people[i]} x {surface.images[j]}"
            yield row("people x images", kind, "", number, r, tar)
    for (way, kind), values in chosen.tar.items():
        for (i, r), tar in np.ndenumerate(off_mean(values)):
            yield row("choice", kind, way, chosen.sizes[i], r, tar)
    for (part, kind), values in parts.items():
        yield row("parts", kind, part, "", 0, off_mean(values))
    for size, found in moved.items():
        for kind, values in found.values.items():
            for (i, j), tar in np.ndenumerate(off_mean(values)):
                what = f"{found.fit_sets[i]} to {found.test_sets[j]}"
                yield row("transfer", kind, what, size, 0, tar)


if __name__ == "__main__":
    launch("which_pairs", Config, run, __doc__)
