"""Whose embedding is this? Attacks with leaked pairs (paper 000, section 5).

An attacker has K images with their embeddings by an unknown model, fits a map into a model
of their own, and searches other people's embeddings in a gallery of known faces. Fitted and
searched are different people; the gallery holds other images of the victims.
"""

import dataclasses
import pathlib
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import jfacemap as jfm
from jfacemap.plot.attack import plot_rank_curves

from .canonical_faces import both_cores, halves_of
from .harness import console, launch, Results
from .reidentification_report import report, report_people


kinds = "linear", "ridge", "rotation"
metrics = "rank-1", "rank-5", "TPIR at FPIR 0.01", "TPIR at FPIR 0.1"
people_grid, images_grid = (8, 16, 32), (2, 10)
wrong_shares = 0.1, 0.25, 0.5
few_models = 3
"""Of a smoke run: most of its time is compilation, of a program a pair of models."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    splits: int = 3
    """Random deals of the people into leaked, victims, distractors and strangers."""
    ridges: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1)
    """Of the kind "ridge": penalties a leaked pair, rows being of unit length. Each attack
    takes the best of them by leaving out leaked people: nobody who is judged."""
    data: Literal["faces", "simulated"] = "faces"
    """Bundled real faces, or a simulated IJB-C."""
    scale: float = 0.05
    """Of the simulation: its share of IJB-C's people and images."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/reidentification-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: one split, two sizes, three models."""


@dataclasses.dataclass(frozen=True)
class Collection:
    """Unit rows of several models of the same images.

    `origin` numbers the data set each image is from; `only_distractors` are rows of people
    who are never anything else; `parts` says how many victims, distractors and strangers
    there are to be.
    """

    spaces: list[jax.Array]
    names: tuple[str, ...]
    label: np.ndarray
    origin: np.ndarray
    only_distractors: np.ndarray
    parts: Mapping[str, int]
    about: Mapping[str, str]


def load_faces() -> Collection:
    """The bundled faces; LFW, perhaps trained on, only fills galleries."""
    faces = jfm.data.load_faces()
    return Collection(
        spaces=[jfm.unit(jnp.asarray(x)) for x in faces.embeddings.values()],
        names=faces.names,
        label=faces.label,
        origin=np.unique(faces.dataset, return_inverse=True)[1],
        only_distractors=faces.dataset == "lfw100",
        parts={"victims": 24, "distractors": 8, "strangers": 12},
        about={
            "source": "bundled embeddings (jfacemap.data.load_faces), real face models",
            "sha256": faces.digest,
            "people": "ORL and mildly lit Extended Yale-B; LFW-100, which may overlap the "
            "networks' training data, as distractors only",
        },
    )


def load_simulated(config: Config) -> Collection:
    """A simulated IJB-C: not faces."""
    world = jfm.data.simulate_ijb(jax.random.key(config.seed), scale=config.scale, models=3)
    people = np.unique(world.person).size
    return Collection(
        spaces=[jfm.unit(jnp.asarray(world.embeddings(i))) for i in range(3)],
        names=world.names,
        label=world.person,
        origin=np.zeros(world.person.size, int),
        only_distractors=np.zeros(world.person.size, bool),
        parts={
            "victims": people // 4,
            "distractors": people // 4,
            "strangers": people // 8,
        },
        about={
            "source": f"simulated IJB-C at scale {config.scale:g} (jfacemap.data."
            "simulate_ijb), three models: NOT FACES",
            "people": f"{people} made-up people",
        },
    )


def load(config) -> Collection:
    found = load_faces() if config.data == "faces" else load_simulated(config)
    n = few_models if config.quick else None
    return dataclasses.replace(found, spaces=found.spaces[:n], names=found.names[:n])


def make_plan(collection: Collection, seed: int) -> jfm.AttackPlan:
    """A deal of the people; ten images of each, at most, in gallery and probes."""
    main = np.flatnonzero(~collection.only_distractors)
    fillers = np.flatnonzero(collection.only_distractors)
    dealt = jfm.plan_attack(
        jax.random.key(seed), collection.label[main], images=10, **collection.parts
    )
    return jfm.AttackPlan(
        label=collection.label,
        leaked=main[dealt.leaked],
        gallery=np.concatenate([main[dealt.gallery], fillers]),
        probes=main[dealt.probes],
    )


def make_plans(collection: Collection, config) -> list[jfm.AttackPlan]:
    """One for each split, with as many leaked rows in each, drawn at random."""
    plans = [make_plan(collection, config.seed + i) for i in range(config.splits)]
    most = min(plan.leaked.size for plan in plans)
    rng = np.random.default_rng(config.seed)
    return [plan.leaking(rng.permutation(plan.leaked)[:most]) for plan in plans]


def rates(found: jfm.Identification) -> np.ndarray:
    """The four `metrics`."""
    return np.concatenate([found.hit_rate([1, 5]), found.tpir_at_fpir])


def fit(kind: str, rows, used, names, ridge: float = 0.0) -> jfm.PairMaps:
    """Maps among all models from the rows used; `ridge` is a penalty a row.

    Programs see all rows and a weight of 0 or 1, so that few of them are compiled.
    """
    k = np.count_nonzero(used)
    if kind != "ridge" and k < min(x.shape[1] for x in rows):
        return jfm.fit_few_rows([x[used] for x in rows], kind, names=names)
    joint = jfm.joint_moments(rows, used.astype(np.float32), names=names)
    if kind == "ridge":
        return jfm.fit_all_pairs(joint, "linear", ridge=ridge * k)
    return jfm.fit_all_pairs(joint, kind)


def search(maps: jfm.PairMaps, spaces, plan: jfm.AttackPlan) -> np.ndarray:
    """`rates` by target and attacker's model; on the diagonal it is the target itself."""

    def cell(i, j):
        m = jfm.identity_map(spaces[i].shape[1]) if i == j else maps[i, j]
        return rates(jfm.identify_mapped(m, spaces[i], spaces[j], plan))

    n = range(len(spaces))
    return np.array([[cell(i, j) for j in n] for i in n])


def attack(collection, plan, used, kind, config, *, centred=True, pairing=None):
    """`search` with maps fitted on the leaked rows used `(K,)`, about whose mean all is.

    `pairing` moves the target's rows among themselves, never the attacker's: a pair is
    wrong where a row of the target's has moved.
    """
    spaces = about_mean(collection.spaces, plan, used) if centred else collection.spaces
    leaked = [x[plan.leaked] for x in spaces]
    ridge = pick_ridge(collection, plan, leaked, used, config) if kind == "ridge" else 0.0
    go = lambda rows: fit(kind, rows, used, collection.names, ridge)
    if pairing is None:
        return search(go(leaked), spaces, plan)
    rng, at = np.random.default_rng(config.seed), np.flatnonzero(used)
    order, table = at[pairing(rng, collection.label[plan.leaked][at])], []
    for i, x in enumerate(leaked):
        rows = [*leaked[:i], x.at[at].set(x[order]), *leaked[i + 1 :]]
        table.append(go(rows).table[i])
    return search(jfm.PairMaps(tuple(table), collection.names), spaces, plan)


def pick_ridge(collection, plan, leaked, used, config) -> float:
    """The best for leaked people left out of the fit, in two halves."""
    halves = halves_of(collection.label[plan.leaked], used)
    joint = lambda rows: jfm.joint_moments(leaked, rows.astype(np.float32))
    return jfm.choose_ridge([joint(half) for half in halves], config.ridges).ridge


def about_mean(spaces, plan, used) -> list[jax.Array]:
    """Spaces about the mean of the leaked rows used, unit again."""
    weights = used.astype(np.float32)
    middle = lambda x: jfm.fit_standardize(x[plan.leaked], weights=weights)
    return [jfm.unit(middle(x)(x)) for x in spaces]


def swap_some(share: float) -> Callable:
    """A pairing in which a share of the pairs shows another person's image."""

    def pairing(rng, label):
        order = np.arange(label.size)
        some = rng.permutation(label.size)[: int(share * label.size)]
        most = np.unique(label[some], return_counts=True)[1].max(initial=0)
        if 2 * most > some.size:
            raise ValueError(f"One person has {most} of {some.size} images to be swapped.")
        moved = rng.permutation(some)
        # Who kept their own person changes places with anyone, until nobody has.
        while (own := np.flatnonzero(label[moved] == label[some])).size:
            i, j = own[0], rng.integers(some.size)
            moved[[i, j]] = moved[[j, i]]
        order[some] = moved
        return order

    return pairing


def fuse(collection, plan, used) -> np.ndarray:
    """`rates` of each target attacked with all other models at once, by rotation."""
    spaces = about_mean(collection.spaces, plan, used)
    leaked = [x[plan.leaked] for x in spaces]
    maps = fit("rotation", leaked, used, collection.names)

    def target(i):
        others = [j for j in range(len(spaces)) if j != i]
        through, own = [maps[i, j] for j in others], [spaces[j] for j in others]
        return rates(jfm.identify_mapped(through, spaces[i], own, plan))

    return np.array([target(i) for i in range(len(spaces))])


def one_split(collection, config, sizes, plan, split: int) -> dict[str, np.ndarray]:
    """Everything measured on one deal of the people, by name."""
    rng = np.random.default_rng([config.seed, split])
    place = rng.permutation(plan.leaked.size)
    first = lambda k: place < k
    most = first(sizes[-1])
    go = lambda used, kind, **options: attack(
        collection, plan, used, kind, config, **options
    )
    found = {
        f"pairs/{kind}": np.stack([go(first(k), kind) for k in sizes]) for kind in kinds
    }
    for kind in kinds:
        found[f"as they are/{kind}"] = go(most, kind, centred=False)
    spaces = about_mean(collection.spaces, plan, most)
    joint = jfm.joint_moments([x[plan.leaked] for x in spaces], names=collection.names)
    found["identity map"] = search(jfm.fit_all_pairs(joint, "identity"), spaces, plan)
    shuffle = lambda rng, label: rng.permutation(label.size)
    for kind in kinds:
        found[f"random pairing/{kind}"] = go(most, kind, pairing=shuffle)
    for share in wrong_shares:
        found[f"wrong pairs/{share:g}"] = go(most, "rotation", pairing=swap_some(share))
    found["fused"] = fuse(collection, plan, most)
    if not config.quick:
        found["people"] = over_people(collection, plan, rng, go)
    return found


def over_people(collection, plan, rng, go) -> np.ndarray:
    """Ridge attacks `(people, images, N, N, metric)` from few or many leaked people."""
    label = collection.label[plan.leaked]
    who = rng.permutation(np.unique(label))
    own = {p: rng.permutation(np.flatnonzero(label == p)) for p in who}

    def used(people, images):
        rows = np.concatenate([own[p][:images] for p in who[:people]])
        return np.isin(np.arange(label.size), rows)

    return np.stack(
        [np.stack([go(used(p, k), "ridge") for k in images_grid]) for p in people_grid]
    )


def run(config: Config) -> Results:
    if config.quick:
        config = dataclasses.replace(config, splits=1, scale=min(config.scale, 0.02))
    # Fewer rows than dimensions is what this is about.
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    collection = load(config)
    plans = make_plans(collection, config)
    most = plans[0].leaked.size
    sizes = [4**k for k in range(2, 6) if 4**k < most] + [2 ** (most.bit_length() - 1)]
    sizes = sizes[-2:] if config.quick else sorted(set(sizes))
    data = describe(collection, plans, config)
    console.print(f"[bold]Data.[/bold] {data['source']}; {data['people']}.\n"
                  f"      {data['parts']}\n")  # fmt: skip
    each = both_cores(
        lambda i: one_split(collection, config, sizes, plans[i], i),
        range(config.splits),
        "deals of the people",
    )
    found = {name: np.stack([f[name] for f in each]) for name in each[0]}
    plan = plans[0]
    guess = float(np.mean([guess_by_origin(collection, p) for p in plans]))
    report(found, sizes, plan, guess, config, kinds, metrics, wrong_shares)
    if "people" in found:
        report_people(found["people"], people_grid, images_grid, metrics)
    shown = {kind: across(found[f"pairs/{kind}"]) for kind in kinds}
    levels = {
        "attacker owns the target": owning(found["pairs/ridge"][:, -1])[..., 0].mean(),
        "identity map": across(found["identity map"])[..., 0].mean(),
        "chance": plan.chance(1),
    }
    figure = plot_rank_curves(
        {kind: values[..., 0].mean(axis=-1).T for kind, values in shown.items()},
        sizes,
        levels,
        title=f"{collection.about['source'].split(' (')[0]}: {plan.gallery_size} people in "
        f"the gallery, {config.splits} deals",
    )
    arrays = {"sizes": np.array(sizes), "names": np.array(collection.names), **found}
    return Results(
        arrays=arrays,
        rows=list(gather_rows(found, sizes, collection.names)),
        figures={"rank1": figure},
        data=data,
        config=config,
    )


def guess_by_origin(collection, plan) -> float:
    """Rank-1 of who sees in a probe which data set it is from, and no more."""
    _, first = np.unique(plan.label[plan.gallery], return_index=True)
    people = collection.origin[plan.gallery[first]]
    mated = np.isin(plan.label[plan.probes], plan.label[plan.gallery])
    origin = collection.origin[plan.probes[mated]]
    return float(np.mean(1 / np.sum(people[None] == origin[:, None], axis=1)))


def across(values: np.ndarray) -> np.ndarray:
    """`(..., pair, metric)` of the ordered pairs of two models."""
    return values[..., ~np.eye(values.shape[-2], dtype=bool), :]


def owning(values: np.ndarray) -> np.ndarray:
    """`(..., model, metric)` where the attacker owns the target."""
    return values[..., np.eye(values.shape[-2], dtype=bool), :]


def describe(collection, plans, config) -> dict[str, str]:
    plan, parts = plans[0], collection.parts
    mated = np.isin(plan.label[plan.probes], plan.label[plan.gallery])
    leaked = [np.unique(p.label[p.leaked]).size for p in plans]
    return {
        **collection.about,
        "parts": f"In each of {config.splits} deals {leaked[0]} people are leaked "
        f"({min(p.leaked.size for p in plans)} images or more); {parts['victims']} victims "
        f"({mated.sum()} probes) and {plan.gallery_size - parts['victims']} distractors "
        f"make the gallery of {plan.gallery_size}; {parts['strangers']} strangers "
        f"({(~mated).sum()} probes) are not in it. Nobody has two parts.",
    }


def gather_rows(found, sizes, names):
    for name, values in found.items():
        if values.ndim != 4 and not name.startswith("pairs/"):
            continue  # over people or fused: in the arrays
        values = values if name.startswith("pairs/") else values[:, None]
        for s, k, i, j in np.ndindex(values.shape[:-1]):
            yield {
                "attack": name.removeprefix("pairs/"),
                "split": s,
                "pairs": sizes[k] if name.startswith("pairs/") else sizes[-1],
                "target": names[i],
                "attacker": names[j],
            } | dict(zip(metrics, values[s, k, i, j].tolist(), strict=True))


if __name__ == "__main__":
    launch("reidentification", Config, run, __doc__)
