"""What defences cost an attacker with leaked pairs, and what they cost the system.

The system stores, compares and leaks defended embeddings alone. The attacker knows the
defence and refits on defended pairs (as in `reidentification`), by ridge or rotation,
whichever finds more. Against it stands the true accept rate (TAR) of the system itself.
"""

import dataclasses
import pathlib
import warnings
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import rich.box
import tyro
from rich.table import Table

import jfacemap as jfm
from jfacemap.plot.attack import plot_defences
from jfacemap.study.attack import centre_on

from .canonical_faces import both_cores
from .canonical_faces_report import short
from .harness import console, launch, Results
from .reidentification import describe, load, make_plans, rates


far = 1e-2
noises = 0.5, 1.0, 2.0, 4.0
bits = 4, 2, 1
shares = 0.5, 0.25, 0.125, 0.0625
targets = "dlib_resnet", "mobilefacenet_ms1m"
known_images = 1, 2, 3
"""Images of a user whose record the attacker can tie to the user."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    splits: int = 3
    """Random deals of the people."""
    pairs: int = 512
    """Leaked pairs, or as many as there are."""
    ridges: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1)
    """Penalties a leaked pair, where rows have unit length. Each attack takes the best of
    them by leaving out leaked people: nobody who is judged."""
    data: Literal["faces", "simulated"] = "faces"
    """Bundled real faces, or a simulated IJB-C."""
    scale: float = 0.05
    """Of the simulation: its share of IJB-C's people and images."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/defences-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: one deal, one target, one strength of each."""


def defences_of(key, width: int, quick: bool) -> dict[str, dict[str, Any]]:
    """By family and strength."""
    noise, turn, users = jax.random.split(key, 3)
    every = {
        "none": {"": None},
        "noise": {f"{size:g}": jfm.defences.Noise(noise, size) for size in noises},
        "bits": {str(b): jfm.defences.Quantise(b) for b in bits},
        "coordinates kept": {
            f"{share:g}": jfm.defences.Truncate(int(width * share)) for share in shares
        },
        "system-wide rotation": {"": jfm.defences.Rotate(turn)},
        "a key for each user": {"": jfm.defences.UserKeys(users)},
    }
    if not quick:
        return every
    one = lambda kinds: {k: v for k, v in kinds.items() if k == min(kinds)}
    return {family: one(kinds) for family, kinds in every.items()}


def user_numbers(label) -> np.ndarray:
    return np.unique(label, return_inverse=True)[1].astype(np.int32)


def legitimate_tar(rows, label) -> float:
    """TAR at FAR 1e-2 of the system's own comparisons, all pairs of images."""
    genuine, valid = jfm.label_pairs(label)
    scores = jfm.score_all(rows, rows)
    return float(jfm.tar_at_far(scores, genuine, far, valid=valid).tar)


def attack_all(x, others, plan, ridges) -> np.ndarray:
    """`rates` `(kind, metric)` of attacks by ridge and by rotation, mean over attackers."""
    leaked = plan.leaked
    x, *own = (centre_on(rows, leaked) for rows in (x, *others))
    # One solve serves all attackers: columns of a least squares map do not meet.
    joined = jnp.concatenate([y[leaked] for y in own], axis=1)
    penalties = np.asarray(ridges, np.float32) * leaked.size
    m = jfm.fit_ridge_path(
        x[leaked], joined, penalties, groups=plan.label[leaked], bias=False
    ).map
    ends = np.cumsum([y.shape[1] for y in own])[:-1]
    by_ridge = map(jfm.LinearMap, jnp.split(m.weight, ends, axis=1))
    by_rotation = (jfm.fit_rotation(x[leaked], y[leaked]) for y in own)
    find = lambda m, y: rates(jfm.identify_mapped(m, x, y, plan))
    return np.array(
        [
            np.mean([find(m, y) for m, y in zip(maps, own, strict=True)], axis=0)
            for maps in (by_ridge, by_rotation)
        ]
    )


def one_target(collection, config, plan, target: int, key) -> dict[tuple, np.ndarray]:
    """By family and strength: the system's TAR, rank-1 by kind, `rates` of the better."""
    x = collection.spaces[target]
    others = [y for i, y in enumerate(collection.spaces) if i != target]
    users = user_numbers(collection.label)
    used = np.sort(np.concatenate([plan.gallery, plan.probes]))
    found = {}
    for family, kinds in defences_of(key, x.shape[1], config.quick).items():
        for strength, defence in kinds.items():
            rows = x if defence is None else defence(x, users)
            keyed = isinstance(defence, jfm.defences.UserKeys)
            # A claim is compared under one key on both sides: as without any.
            seen = x if keyed else rows
            tar = legitimate_tar(seen[used], collection.label[used])
            attacked = attack_all(rows, others, plan, config.ridges)
            better = attacked[np.argmax(attacked[:, 0])]
            found[family, strength] = np.concatenate([[tar], attacked[:, 0], better])
    return found


def users_of(plan) -> np.ndarray:
    """Victims with more probes, and more gallery images, than may be known of a user."""
    enough = lambda rows: np.unique(plan.label[rows], return_counts=True)
    searched, enrolled = (
        who[n > max(known_images)] for who, n in map(enough, (plan.probes, plan.gallery))
    )
    return np.intersect1d(searched, enrolled)


def attack_one_user(collection, plan, target: int, own: int, key, known) -> dict:
    """Attacks on users' keys one by one, with k images of the user whose record is known.

    "pairs": the attacker has k images and their embeddings under the key. "links": k
    embeddings under the key, and k other images of the user. Of each: how often the rest of
    the user's probes find the user (rank-1); how often a stranger's embedding under the
    same key does too; and how often the user's scores higher than the stranger's, .5 if the
    map has learnt the key's owner and nothing of faces. Means over `users_of(plan)`;
    `ValueError` if there is none.
    """
    x, y, label = collection.spaces[target], collection.spaces[own], collection.label
    who, most = users_of(plan), max(known_images)
    if not who.size:
        raise ValueError(f"No victim has more than {most} probes and gallery images.")
    mated = np.isin(label[plan.probes], label[plan.gallery])
    stranger = plan.probes[~mated][:60]
    keys = jfm.defences.UserKeys(key)
    of = lambda rows, person: rows[label[rows] == person]
    # Images that a link is made of are not searched: the gallery holds the others.
    links = {person: of(plan.gallery, person)[:most] for person in who}
    gallery = plan.gallery[~np.isin(plan.gallery, np.concatenate([*links.values()]))]
    subjects = label[gallery]
    grouping = jfm.group_templates(subjects, np.arange(subjects.size))
    templates = jfm.pool_templates(y[gallery], grouping, normalize_images=True)
    ids = np.asarray(templates.ids)

    def look(m, rows, person):
        """Whether each row finds the person, and its score with them."""
        scores = np.asarray(jfm.score_all(m(rows), templates.vectors))
        return ids[scores.argmax(axis=1)] == person, scores[:, ids == person]

    hits = {}
    for user, person in enumerate(who):
        probes, linked = of(plan.probes, person), links[person]
        both = np.concatenate([probes, stranger])
        turned = keys(x[both], np.full(both.size, user))
        rest, strange = turned[most : probes.size], turned[probes.size :]
        for k in known:
            pairs = [turned[:k], y[probes[:k]]]
            # A link gives no pairs: only the means of both sides are of one person.
            link = [
                jnp.mean(rows, axis=0, keepdims=True)
                for rows in (turned[:k], y[linked[:k]])
            ]
            for kind, rows in (("pairs", pairs), ("links", link)):
                m = jfm.fit_few_rows(rows, "rotation")[0, 1]
                found, score = look(m, rest, person)
                taken, other = look(m, strange, person)
                values = found.mean(), taken.mean(), np.mean(score > other.T)
                hits.setdefault((kind, k), []).append(values)
    return {name: np.mean(each, axis=0) for name, each in hits.items()}


def run(config: Config) -> Results:
    if config.quick:
        config = dataclasses.replace(config, splits=1, scale=min(config.scale, 0.02))
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    collection = load(config)  # type: ignore
    names = collection.names
    attacked = [names.index(t) for t in targets if t in names] or list(range(len(names)))
    attacked = attacked[:1] if config.quick else attacked
    plans = make_plans(collection, config)
    plans = [plan.leaking(plan.leaked[: config.pairs]) for plan in plans]
    data = describe(collection, plans, config)
    data["attack"] = (
        f"{plans[0].leaked.size} leaked pairs; under attack "
        f"{', '.join(names[t] for t in attacked)}, by every other model"
    )
    users = [users_of(plan).size for plan in plans]
    data["users"] = (
        f"one by one {min(users)} victims or more are attacked, who have more than "
        f"{max(known_images)} probes and gallery images"
    )
    console.print(f"[bold]Data.[/bold] {data['source']}; {data['people']}.\n"
                  f"      {data['parts']}\n      {data['attack']};\n"
                  f"      {data['users']}.\n")  # fmt: skip
    jobs = [(plan, t) for plan in plans for t in attacked]
    key = jax.random.key(config.seed)
    work = lambda job: one_target(collection, config, job[0], job[1], key)
    each = both_cores(work, jobs, "deals and targets")
    found = {name: np.stack([f[name] for f in each]) for name in each[0]}
    known = known_images[-1:] if config.quick else known_images
    beside = lambda target: (target + 1) % len(names)
    one = lambda job: attack_one_user(
        collection, job[0], job[1], beside(job[1]), key, known
    )
    keyed = both_cores(one, jobs, "users' keys")
    keyed = {name: np.stack([f[name] for f in keyed]) for name in keyed[0]}
    chance = plans[0].chance(1)
    report(found, keyed, chance, config)
    families = dict.fromkeys(family for family, _ in found)
    point = lambda values: values.mean(axis=0)[[0, 3]]  # TAR and the better rank-1
    start = point(found["none", ""])
    lone = lambda family: family == "none" or (family, "") in found
    curves = {}
    for family in families:
        points = [point(v) for (f, _), v in found.items() if f == family]
        curves[family] = np.stack(points if lone(family) else [start, *points])
    figure = plot_defences(
        curves,
        chance=chance,
        title=f"{collection.about['source'].split(' (')[0]}: refitted on "
        f"{plans[0].leaked.size} defended pairs",
    )
    arrays = {f"{family}/{strength}": v for (family, strength), v in found.items()}
    arrays |= {f"user key, {kind}/{k}": v for (kind, k), v in keyed.items()}
    return Results(
        arrays=arrays,
        rows=list(gather_rows(found)),
        figures={"defences": figure},
        data=data,
        config=config,
    )


def report(found, keyed, chance, config) -> None:
    style = {"title_justify": "left", "box": rich.box.SIMPLE_HEAD}
    table = Table(title="Defences, the attacker refitted on defended pairs", **style)  # type: ignore
    table.add_column("defence", no_wrap=True)
    for name in ("legitimate TAR", "rank-1, ridge", "rotation", "better", "rank-5",
                 "TPIR at FPIR 0.01", "at FPIR 0.1"):  # fmt: skip
        table.add_column(name, justify="right")
    for (family, strength), values in found.items():
        table.add_row(f"{family} {strength}".strip(), *map(short, values.mean(axis=0)))
    by_guess = [short(chance)] * 3 + [short(min(1, 5 * chance))]
    table.add_row("chance", "", *by_guess, "", "")
    console.print(table)
    table = Table(title="A key for each user, one user's record at a time", **style)  # type: ignore
    for name in ("known of the user", "user found (rank-1)", "stranger taken for the user",
                 "user scores above stranger"):  # fmt: skip
        table.add_column(name, justify="right")
    for (kind, k), values in keyed.items():
        table.add_row(f"{k} {kind}", *map(short, values.mean(axis=0)))
    console.print(table)
    console.print(
        f"Means over {config.splits} deals, targets and attackers; TAR at FAR 0.01. "
        "Spaces are taken about the mean of the leaked rows, in all rows (centred). Ridge: "
        "the best for leaked people left out. Better: of ridge and rotation, with its "
        "other rates. Noise: expected length, "
        "of unit rows. Pairs: the user's own images with their embeddings under the key; "
        "links: embeddings under the key and other images of the same user, unpaired. A "
        "stranger's embedding under the same key says how much of it is the key alone.\n"
    )


def gather_rows(found):
    for (family, strength), values in found.items():
        for job, row in enumerate(values.tolist()):
            names = ("legitimate_tar", "rank1_ridge", "rank1_rotation", "rank1_better",
                     "rank5", "tpir_at_0.01", "tpir_at_0.1")  # fmt: skip
            yield {"defence": family, "strength": strength, "job": job} | dict(
                zip(names, row, strict=True)
            )


if __name__ == "__main__":
    launch("defences", Config, run, __doc__)
