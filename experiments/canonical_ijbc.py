"""Paper 000 at its size: all pairs of models on a 1:1 verification protocol.

Maps are fitted on the images of the gallery and verified by every pair of templates, the
probes mapped (sections 3 and 4, Table 2, Figures 2 to 6). With `--ijb FOLDER` (the text
files of IJB-C) and `--embeddings FOLDER` (a .npy or a store a model) on real embeddings;
without, on a simulation of IJB-C, which is not faces and finds nothing out about them.
"""

import csv
import dataclasses
import functools as ft
import pathlib
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import jax
import numpy as np
import tyro

import jfacemap as jfm
from jfacemap.study import claims, published
from jfacemap.study.pedigree import Pedigree, shared_traits
from jfacemap.study.pooled import pool_protocol, pool_rows
from jfacemap.study.verify_pairs import less_native

from .canonical_ijbc_report import draw, report
from .harness import console, launch, Results, watch


fars = jfm.ijb_fars[::-1]
kinds = "linear", "affine", "rotation", "identity"
swept = "linear", "rotation"
"""Kinds fitted on subsets, and on rows paired at random."""

held_in_memory = 2**31
"""Bytes of embeddings kept; more are read, or simulated, anew each time."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    ijb: pathlib.Path | None = None
    """Folder of the protocol's text files (jfacemap.data.read_ijb)."""
    embeddings: pathlib.Path | None = None
    """Folder of the models' embeddings, rows in the order of the protocol. A model of two
    vectors an image (PFE: 512 features, 512 uncertainties) is one file of rows of 1,024,
    side by side, which are scaled to unit length as one."""
    protocol: str | None = None
    """What the protocol's files begin with, if it is a part of IJB-B or IJB-C, or other
    data: counts are not checked then."""
    disjoint: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Fit on gallery images of half of the people, and verify pairs of the others alone."""
    scale: float = 0.05
    """Of the simulation: 1 is IJB-C's size."""
    models: int | None = None
    """Of the simulation: 10 at scale 1, by default 6 at less."""
    width: int | None = None
    """Of the simulated embeddings: 512 at scale 1, by default less at less."""
    seed: int = 0
    replicates: int = 200
    """Draws of probe subjects; 0 for no intervals."""
    repeats: int = 3
    """Subsets of each size."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/canonical_ijbc-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: three simulated models, few images."""


@dataclasses.dataclass(frozen=True)
class Data:
    """A protocol, and models that embed its images."""

    protocol: jfm.data.Protocol
    names: tuple[str, ...]
    load: Callable[[int], np.ndarray]
    """All rows of a model, scaled to unit length."""
    pedigrees: tuple[Pedigree, ...] | None
    about: dict[str, Any]
    fitted: np.ndarray
    """Which images maps are fitted on `(n,)`."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """TAR `boxes[kind] (sizes, pairs of models, far)`."""

    sizes: list[int]
    boxes: dict[str, np.ndarray]


def run(config: Config) -> Results:
    if config.quick:
        small = {"scale": 0.01, "models": 3, "width": 32, "replicates": 50, "repeats": 1}
        config = dataclasses.replace(config, **small)
    # Subsets are meant to be small.
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    try:
        data = open_data(config)
    except jfm.data.InputError as error:
        console.print(f"[red]{error}")
        raise SystemExit(2) from error
    told = "\n".join(data.about[key] for key in ("source", "sizes", "models"))
    console.print(
        f"[bold]Data.[/bold] {told}\nFitted on {data.about['fit']}.\n"
        f"Verified on {data.about['evaluate']}.\n"
    )
    plan = jfm.plan_verification(data.protocol)
    every = range(len(data.names))
    enrolled = [data.load(i)[data.fitted] for i in every]
    joint = jfm.joint_moments(enrolled, names=data.names)

    spaces = {"": (data.load, enrolled), ", centred": centre(data.load, enrolled)}
    tar, spread = verify_all(config, data, plan, spaces)
    for suffix, space in spaces.items():
        if suffix == "" or not config.quick:
            controls = verify_controls(config, data, plan, *space)
            tar |= {kind + suffix: each for kind, each in controls.items()}
    rates = {kind: np.asarray(each.tar) for kind, each in tar.items()}
    subsets, ranks = sweep(config, data, enrolled, joint)
    genuine = int(np.count_nonzero(plan.genuine))
    ledger = check_claims(rates, subsets, ranks, int(np.median(joint.dims)), genuine)
    tests = pedigree_tests(config, data, rates)
    means = mean_rows(rates, spread)
    report(data, fars, rates, means, subsets, ranks, ledger, tests)
    return Results(
        arrays=gather_arrays(data, rates, means, subsets, ranks),
        rows=list(gather_rows(data, tar, spread)),
        figures=draw(data, fars, rates, subsets, ranks, few=config.quick),
        data=data.about | {"claims": [vars(c) for c in ledger], "pedigree": tests},
        config=config,
    )


def open_data(config: Config) -> Data:
    """What the flags name; `InputError` if it cannot be used."""
    if (config.ijb is None) != (config.embeddings is None):
        raise jfm.data.InputError(
            "--ijb and --embeddings go together: a protocol, and what models make of its "
            "images. Without both the data are simulated."
        )
    if config.ijb is None or config.embeddings is None:
        found = simulate(config)
    else:
        found = read(config, config.ijb, config.embeddings)
    return keep_apart(config, found) if config.disjoint else found


def read(config: Config, ijb: pathlib.Path, embeddings: pathlib.Path) -> Data:
    name = config.protocol
    protocol = jfm.data.read_ijb(ijb, name=name, check_counts=name is None)
    models = jfm.data.open_models(embeddings, rows=protocol.n_images)
    names = tuple(m.name for m in models)
    source = f"embeddings of {len(models)} models as given, protocol {protocol.name}"
    load = keep_if_small(lambda i: unit(models[i].read()), [m.shape for m in models])
    about = describe(source, protocol, [m.shape[1] for m in models])
    pedigrees = read_pedigrees(embeddings, names)
    return Data(protocol, names, load, pedigrees, about, images_of(protocol))


def simulate(config: Config) -> Data:
    width = config.width or min(512, 16 * round(32 * config.scale**0.5))
    models = config.models or (10 if config.scale >= 1 else 6)
    key = jax.random.key(config.seed)
    world = jfm.data.simulate_ijb(key, scale=config.scale, models=models, width=width)
    shapes = [(world.protocol.n_images, d) for d in world.dims]
    load = keep_if_small(lambda i: unit(world.embeddings(i)), shapes)
    # Nothing is shared here: Figure 5 shows whether its test knows that.
    born = [m.pedigree for m in published.table2]
    pedigrees = tuple(born[i % len(born)] for i in range(models))
    source = f"simulated at scale {config.scale:g} of IJB-C's size, and not faces"
    about = describe(source, world.protocol, world.dims) | {
        "pedigree labels": "those of the paper's models, given to simulated ones in order; "
        "they share nothing by them"
    }
    fitted = images_of(world.protocol)
    return Data(world.protocol, world.names, load, pedigrees, about, fitted)


def images_of(protocol, templates=None) -> np.ndarray:
    """Images of gallery templates, the first of the pairs; of some of them alone."""
    gallery = np.unique(protocol.pairs[:, 0])
    gallery = gallery if templates is None else np.intersect1d(gallery, templates)
    return np.isin(protocol.template, gallery)


def keep_apart(config: Config, data: Data) -> Data:
    """Fitted on gallery images of half of the people, verified by pairs of the others."""
    protocol = data.protocol
    subject = protocol.template_subject
    who = protocol.identities if subject is None else subject
    # A template in no list is a person of its own.
    who = np.where(who < 0, -1 - np.arange(who.size), who)
    fit, judge = jfm.data.split_identities(jax.random.key(config.seed), who, (0.5, 0.5))
    templates = protocol.templates
    kept = np.isin(protocol.pairs, templates[judge]).all(axis=1)
    pairs = {"pairs": protocol.pairs[kept], "genuine": protocol.genuine[kept]}
    judged = dataclasses.replace(protocol, **pairs)
    about = (
        data.about
        | count_all(judged)
        | {
            "fit": "images of the gallery templates of half of the people",
            "evaluate": "pairs of templates of the other half, whom no map has seen; "
            "probes mapped, strict rule",
        }
    )
    fitted = images_of(protocol, templates[fit])
    return dataclasses.replace(data, protocol=judged, about=about, fitted=fitted)


def unit(x) -> np.ndarray:
    return np.asarray(jfm.unit(x))


def keep_if_small(load, shapes):
    """`load`, its results kept where all of them fit in `held_in_memory`."""
    size = sum(4 * n * d for n, d in shapes)
    return ft.cache(load) if size <= held_in_memory else load


def read_pedigrees(folder: pathlib.Path, names) -> tuple[Pedigree, ...] | None:
    """From the paper, or `pedigree.csv` (name,data,arch,loss); None if one lacks."""
    known = {m.name: m.pedigree for m in published.table2}
    path = folder / "pedigree.csv"
    if path.is_file():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                born = (row.get(trait) or None for trait in ("data", "arch", "loss"))
                known[row.get("name", "")] = Pedigree(*born)
    missing = [name for name in names if name not in known]
    if missing:
        console.print(f"No Figure 5: what {', '.join(missing)} were made of is not in "
                      f"{path} (name,data,arch,loss; a field may be empty).\n")  # fmt: skip
        return None
    return tuple(known[name] for name in names)


def describe(source: str, protocol, dims) -> dict[str, Any]:
    return count_all(protocol) | {
        "source": source,
        "models": f"{len(dims)} models of widths {sorted(set(dims))}",
        "fit": "images of the gallery templates, which are one side of every pair "
        "(--disjoint: of other people)",
        "evaluate": "every pair of the protocol, probes mapped, strict rule",
        "subsets and ranks": "pooled templates are mapped there, not images; plain spaces",
    }


def count_all(protocol) -> dict[str, Any]:
    counts = protocol.counts
    sizes = f"{counts['images']:,} images, {counts['templates']:,} templates, "
    sizes += (
        f"{counts['genuine pairs']:,} genuine and {counts['impostor pairs']:,} impostor"
    )
    return {"sizes": f"{sizes} pairs", "counts": counts}


def verify_all(config: Config, data: Data, plan, spaces):
    """All kinds in plain and in centred spaces: TAR by kind, intervals by cell."""
    key = jax.random.key(config.seed) if config.replicates else None
    tar, spread = {}, {}
    for suffix, (load, enrolled) in spaces.items():
        moments = jfm.joint_moments(enrolled, names=data.names)
        maps = {kind: jfm.fit_all_pairs(moments, kind) for kind in kinds}
        with watch(f"verifying{suffix}") as progress:
            found = jfm.verify_pairs(
                maps, load, plan, fars=fars, key=key, progress=progress,
                replicates=config.replicates,
            )  # fmt: skip
        tar |= {kind + suffix: each for kind, each in found.tar.items()}
        spread |= {kind + suffix: each for kind, each in (found.spread or {}).items()}
    return tar, spread


def centre(load, enrolled):
    """Rows about the mean of a model's gallery images, unit again: all, and those."""
    about = [jfm.fit_standardize(x) for x in enrolled]
    turn = lambda i, x: unit(about[i](x))
    return lambda i: turn(i, load(i)), [turn(i, x) for i, x in enumerate(enrolled)]


def verify_controls(config: Config, data: Data, plan, load, enrolled) -> dict:
    """Maps fitted on rows paired at random, and of each model to itself."""
    joint = jfm.joint_moments(enrolled, names=data.names)
    rng = np.random.default_rng(config.seed)
    shuffled = [x[rng.permutation(len(x))] for x in enrolled]
    nothing = jfm.joint_moments(shuffled, names=data.names)
    maps = {f"{k}, random pairing": jfm.fit_all_pairs(nothing, k) for k in swept}
    with watch("verifying controls") as progress:
        tar = jfm.verify_pairs(maps, load, plan, fars=fars, progress=progress).tar
    own = jfm.fit_all_pairs(joint, "linear")
    alone = [
        jfm.verify_map(own[i, i], load(i), load(i), plan, fars=fars).tar
        for i in range(len(data.names))
    ]
    blank = jax.tree.map(np.zeros_like, next(iter(tar.values())))
    ceiling = jax.tree.map(np.array, blank)
    for i, each in enumerate(alone):
        for full, cell in zip(*map(jax.tree.leaves, (ceiling, each)), strict=True):
            full[i, i] = cell
    return tar | {"self-map": ceiling}


def sweep(config: Config, data: Data, enrolled, joint):
    """TAR `(kind: sizes, pairs, far)` by pairs fitted on, and by rank of linear maps.

    Templates are mapped instead of images here, the same but for the scaling of images.
    """
    plan = jfm.plan_verification(pool_protocol(data.protocol))
    every = range(len(data.names))
    rows = [pool_rows(data.protocol, data.load(i)) for i in every]

    def evaluate(maps) -> np.ndarray:
        return np.asarray(jfm.verify_pairs({"": maps}, rows, plan, fars=fars).tar[""].tar)

    n = len(enrolled[0])
    sizes = [2**k for k in range(4, n.bit_length()) if 2**k < n] + [n]
    sizes = [n] if config.quick else sizes
    with watch("subsets") as progress:
        found = jfm.sweep_subsets(
            jax.random.key(config.seed), enrolled, sizes, config.repeats, swept,
            evaluate=evaluate, names=data.names, progress=progress,
        )  # fmt: skip
    path, most = jfm.rank_path(joint), min(joint.dims)
    ranks = [2**k for k in range(1, most.bit_length()) if 2**k < most] + [most]
    pairs, by_rank = ~np.eye(len(data.names), dtype=bool), []
    with watch("ranks") as progress:
        for i, rank in enumerate(ranks):
            by_rank.append(evaluate(path.at(rank))[pairs])
            progress(i + 1, len(ranks))
    return (
        Sweep(sizes, {kind: found.boxes(kind) for kind in swept}),
        Sweep(ranks, {"linear": np.stack(by_rank)}),
    )


def check_claims(
    rates, subsets: Sweep, ranks: Sweep, width: int, genuine: int
) -> list[claims.Claim]:
    """The sentences of the paper, in plain spaces, counted."""
    at = fars.index(1e-2)
    linear, rotation = rates["linear"], rates["rotation"]
    first, second = (subsets.boxes[kind][..., at] for kind in swept)
    both = np.concatenate([linear, rotation], axis=-1)
    return [
        claims.none_beats_both(both),
        claims.rotation_costs_more(linear, rotation),
        claims.rotation_is_ahead_below(first, second, subsets.sizes, 2 * width),
        claims.rotation_is_symmetric(rotation, linear),
        claims.unmapped_is_random(rates["identity"], fars, genuine),
        claims.few_dimensions_suffice(ranks.boxes["linear"][..., at], ranks.sizes),
    ]


def pedigree_tests(config: Config, data: Data, rates) -> list[dict[str, Any]]:
    """Does TAR at FAR 1e-2 go with what two models share? By permuting the models."""
    if data.pedigrees is None or len(data.names) < 3:
        return []
    key, at, found = jax.random.key(config.seed), fars.index(1e-2), []
    for trait, same in shared_traits(data.pedigrees).items():
        for kind in swept:
            test = jfm.qap_test(key, rates[kind][..., at], same)
            numbers = test.correlation, test.p_greater
            found.append({"trait": trait, "kind": kind, "correlation": numbers[0],
                          "p": numbers[1], "permutations": len(test.null)})  # fmt: skip
    return found


@dataclasses.dataclass(frozen=True)
class Mean:
    """Mean TAR `(far,)` of some cells, with the ends `(2, far)` of its interval.

    - `cost`: ends of mapped less native, paired; all None where none were drawn
    """

    tar: np.ndarray
    ends: np.ndarray | None = None
    cost: np.ndarray | None = None


def mean_rows(rates, spread) -> dict[str, Mean]:
    """Maps: over ordered pairs of models; native and self-map: over models."""
    n = len(next(iter(rates.values())))
    own, native = np.eye(n, dtype=bool), {"native": "linear"}
    native |= {f"{k}, centred": f"{v}, centred" for k, v in native.items()}
    means, between = {}, lambda draws: np.nanquantile(draws, [0.025, 0.975], axis=0)
    for name in (*native, *rates):
        kind = native.get(name, name)
        which = own if name in native or name.startswith("self-map") else ~own
        mean = Mean(rates[kind][which].mean(axis=0))
        if kind in spread:
            draws = spread[kind].replicates  # (B, source, target, far)
            cost, each = None, draws[:, which].mean(axis=1)
            if name not in native:
                less = less_native(spread[kind]).replicates
                cost = between(less[:, which].mean(axis=1))
            mean = Mean(mean.tar, between(each), cost)
        means[name] = mean
    return means


def gather_arrays(data: Data, rates, means, subsets: Sweep, ranks: Sweep):
    arrays = {"names": np.array(data.names), "fars": np.array(fars)}
    arrays |= {f"{kind}/tar": x for kind, x in rates.items()}
    for kind, mean in means.items():
        fields = {"mean": mean.tar, "ends": mean.ends, "cost": mean.cost}
        arrays |= {f"{kind}/{k}": x for k, x in fields.items() if x is not None}
    for name, each in (("subsets", subsets), ("ranks", ranks)):
        arrays |= {f"{name}/{kind}": x for kind, x in each.boxes.items()}
        arrays[f"{name}/sizes"] = np.array(each.sizes)
    return arrays


def gather_rows(data: Data, tar, spread):
    for kind, each in tar.items():
        rate, achieved = each.tar, each.far
        for i, j, k in np.ndindex(rate.shape):
            if kind.startswith("self-map") and i != j:
                continue
            ends = spread.get(kind)
            yield {
                "kind": kind,
                "source": data.names[i],
                "target": data.names[j],
                "far": fars[k],
                "tar": rate[i, j, k],
                "achieved_far": achieved[i, j, k],
                "threshold": float(each.threshold[i, j, k]),
                "lower": np.nan if ends is None else ends.lower[i, j, k],
                "upper": np.nan if ends is None else ends.upper[i, j, k],
            }


if __name__ == "__main__":
    launch("canonical_ijbc", Config, run, __doc__)
