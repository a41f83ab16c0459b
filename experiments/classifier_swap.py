"""One network's features under another's classifier (thesis 002, chapter 5).

Fits affine maps between the features of ImageNet classifiers and lets each network's head
classify what another one saw: Tables 5.1, 5.2 and 5.3 and the naive check of section 5.6,
the published ones beside them; and what a swap keeps by the number of rows maps are fitted
on. Then what the thesis leaves open (section 5.5): do networks share anything that their
logits do not force?

On a folder of features and heads, --features FOLDER (jfacemap.data.classifiers says what
it holds); or on EfficientNet-Lite 0, 1 and 2 of 1,000 ImageNet images, where
imagenet_effnet.npz is in --data or $JFACEMAP_DATA; else on simulated networks, which show
that the program works and nothing else.
"""

import dataclasses
import pathlib
import warnings
from typing import Annotated

import jax
import numpy as np
import tyro

import jfacemap as jfm
from jfacemap.plot.swap import plot_rows, plot_shared_parts, plot_swaps
from jfacemap.study.published_swap import percent_changes, table51, table52

from .classifier_swap_data import Networks, open_networks, pair_at_random
from .classifier_swap_report import report_parts, report_rows, report_swaps
from .classifier_swap_rows import fit_few, rows_of_curve
from .grids import mean_energy, warn_of_ends
from .harness import console, launch, Results, watch


relative_ridges = 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0
"""In units of the mean variance of a feature times the rows fitted on."""

null_rows = 20_000
"""At most so many rows of each network are paired at random: they are held in memory."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    features: pathlib.Path | None = None
    """Folder of NAME.npz, one a network."""
    data: pathlib.Path | None = None
    """Folder of imagenet_effnet.npz; by default $JFACEMAP_DATA."""
    seed: int = 0
    replicates: int = 2000
    """Draws of the bootstrap over images."""
    permutations: int = 2
    """Random pairings of images that parts are fitted on as well."""
    checkpoint: pathlib.Path | None = None
    """Where the moments of rows to fit on are kept, to go on after an interruption."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/classifier_swap-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: simulated networks, 200 draws, 1 random pairing."""


def run(config: Config) -> Results:
    # Maps of few rows are of least norm: that is what is asked.
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    if config.quick:
        config = dataclasses.replace(config, replicates=200, permutations=1)
    networks = open_networks(
        None if config.quick else config.features,
        None if config.quick else config.data,
        config.seed,
        simulated=config.quick,
    )
    console.print(f"[bold]Data.[/bold] {networks.about}\n")
    halves = [gather(config, networks, i) for i in range(len(networks.folds))]
    folds = [fit_fold(networks, each) for each in halves]
    swaps = {kind: judge(networks, folds, kind) for kind in folds[0].maps}
    key = jax.random.key(config.seed)
    images = np.concatenate([fold.image for fold in networks.folds])
    spread = {
        kind: {
            pair: jfm.swap_confidence(key, swap, images, replicates=config.replicates)
            for pair, swap in table.items()
        }
        for kind, table in swaps.items()
    }
    rows = list(gather_rows(networks.names, swaps, spread))
    report_swaps(networks, swaps, spread, folds)
    warn_of_ends("Ridges of maps", [fold.ridge for fold in folds], relative_ridges)
    curve = fit_few(networks, folds[0], config.seed)
    report_rows(networks, curve)
    parts = find_parts(config, networks, halves[0])
    report_parts(networks, *parts)
    warn_of_ends("Ridges of parts", parts[2], relative_ridges)
    accuracy = {kind: accuracies(networks.names, table) for kind, table in swaps.items()}
    measured = {
        f"affine, ridge: {networks.short}": accuracy["affine, ridge"],
        "published (thesis 002, Table 5.2)": table52,
    }
    names = [networks.names, [network.name for network in table51]]
    pairs = [f"{a} → {b}" for a, b in networks.pairs]
    return Results(
        arrays={f"accuracy/{kind}": table for kind, table in accuracy.items()}
        | {f"rows/{name}": values for name, values in curve.arrays().items()}
        | {"names": np.array(networks.names), "parts": parts[0], "parts/null": parts[1]},
        rows=rows + list(rows_of_curve(networks, curve)),
        figures={
            "swaps": plot_swaps(measured, names, title="Classifiers swapped"),
            "rows": plot_rows(
                curve.sizes,
                curve.accuracy,
                curve.agreement,
                curve.own,
                [head.dim for head in networks.heads.values()],
                title=f"Rows that maps are fitted on: {networks.short}",
            ),
            "parts": plot_shared_parts(
                *parts[:2], pairs, title=f"What heads see and do not see: {networks.short}"
            ),
        },
        data={"source": networks.about, "published": "thesis 002, Tables 5.1 to 5.3"},
        config=config,
    )


@dataclasses.dataclass(frozen=True)
class Fold:
    """Maps of every kind fitted on one fold's rows, and how well they determine them.

    `ridge` is relative, as in `relative_ridges`.
    """

    maps: dict[str, dict[tuple[str, str], jfm.AbstractMap]]
    info: dict[str, jfm.FitInfo]
    ridge: float
    rows: int


Halves = tuple[jfm.JointMoments, jfm.JointMoments]


def gather(config: Config, networks: Networks, i: int) -> Halves:
    """Moments of two halves of a fold's images, from one pass over the rows fitted on.

    Their sum is what maps are fitted on, each of them what ridges are chosen by.
    """
    fold = networks.folds[i]
    place = config.checkpoint and config.checkpoint / f"fold{i}.safetensors"
    with watch(f"reading rows, fold {i + 1} of {len(networks.folds)}") as tell:
        first, second = jfm.stream_fold_moments(
            fold.fit_rows,
            fold.halves(config.seed),
            names=networks.names,
            checkpoint=place,
            progress=tell,
        )
    return first, second


def fit_fold(networks: Networks, halves: Halves) -> Fold:
    heads, names = networks.heads, networks.names
    joint = jfm.merge(*halves)
    relative = pick_ridge(networks, *halves)
    ridge = relative * mean_energy(joint)
    tables = {
        "affine": jfm.fit_all_pairs(joint, "affine"),
        "linear": jfm.fit_all_pairs(joint, "linear"),
        "affine, ridge": jfm.fit_all_pairs(joint, "affine", ridge=ridge),
    }
    # A network's own features go to its own head as they are.
    own = {(a, a): jfm.identity_map(heads[a].dim) for a in names}
    maps = {
        kind: {(a, b): table[a, b] for a, b in networks.pairs} | own
        for kind, table in tables.items()
    }
    everything = [(a, b) for a in names for b in names]
    maps["logits"] = {(a, b): jfm.logit_map(heads[a], heads[b]) for a, b in everything}
    maps["naive"] = {
        (a, b): jfm.identity_map(heads[a].dim, heads[b].dim) for a, b in everything
    }
    other = {a: next(b for b in names if b != a) for a in names}
    info = {a: jfm.diagnose(joint.pair(a, other[a]), centered=True) for a in names}
    return Fold(maps, info, relative, int(np.asarray(joint.count)))


def pick_ridge(networks: Networks, fitted, held) -> float:
    """By the residual on half of the fit images of maps fitted on the other half."""
    energy = mean_energy(fitted)

    def residual(relative):
        maps = jfm.fit_all_pairs(fitted, "affine", ridge=relative * energy)
        left = [jfm.map_residual(maps[pair], held.pair(*pair)) for pair in networks.pairs]
        return float(np.mean(left))

    return min(relative_ridges, key=residual)


def judge(networks: Networks, folds, kind: str) -> dict[tuple[str, str], jfm.SwapAccuracy]:
    """What became of every row, over all folds, for each source and target."""

    def swap(a: str, b: str):
        k, heads = networks.names.index(a), networks.heads
        parts = [
            jfm.swap_accuracy(
                fitted.maps[kind][a, b], fold.features[k], fold.labels, heads[a], heads[b]
            )
            for fitted, fold in zip(folds, networks.folds, strict=True)
        ]
        join = lambda *outcomes: np.concatenate(list(map(np.asarray, outcomes)))
        return jax.tree.map(join, *parts)

    return {pair: swap(*pair) for pair in folds[0].maps[kind]}


def accuracies(names, table) -> np.ndarray:
    """Percent named right (source, target)."""
    return np.array([[100 * table[a, b].accuracy for b in names] for a in names])


def gather_rows(names, swaps, spread):
    """A row of the CSV file for each cell."""
    for kind, table in swaps.items():
        changes = percent_changes(accuracies(names, table))
        for (a, b), swap in table.items():
            ends = spread[kind][a, b]
            row = {"kind": kind, "source": a, "target": b, "rows": "all"}
            row |= {"accuracy": swap.accuracy}
            row |= {"change": changes[names.index(a), names.index(b)]}
            row |= {"agreement": swap.agreement, "top5": swap.top_accuracy}
            for name in ("accuracy", "change", "agreement", "top_accuracy"):
                low, high = getattr(ends, name)
                row |= {f"{name} low": low, f"{name} high": high}
            yield row


def find_parts(config: Config, networks: Networks, halves: Halves):
    """Held-out R^2 (pairs, 3, 2), that of images paired at random, ridges in use, widths
    of the unseen, and how many rows are paired at random.

    On the first fold. Each pair has one ridge, that of the best mean R^2 on half of the
    fit images.
    """
    fold, names = networks.folds[0], networks.names
    splits = [jfm.head_split(networks.heads[a], up_to_shift=True) for a in names]
    joint = lambda rows: jfm.stream_joint_moments(rows, names=names, batch_rows=8192)
    fitted, held = jfm.merge(*halves), joint(fold.features)
    # Whole images change places, which a pass over a file cannot do: some, in memory.
    some, image = fold.sample(config.seed, null_rows)
    random = [
        joint(pair_at_random(some, image, config.seed + i))
        for i in range(config.permutations)
    ]

    def parts(pair, fitted, held, relative):
        ridge = np.asarray(np.multiply(relative, mean_energy(fitted)), np.float32)
        return np.asarray(jfm.shared_parts(fitted, held, splits, *pair, ridge=ridge).r2)

    def judge(pair):
        inner = parts(pair, *halves, relative_ridges)
        ridge = relative_ridges[int(inner.mean(axis=(1, 2)).argmax())]
        null = [parts(pair, each, held, ridge) for each in random]
        return parts(pair, fitted, held, ridge), np.mean(null, axis=0), ridge

    true, null, chosen = zip(*map(judge, networks.pairs), strict=True)
    widths = {a: s.unseen.shape[1] for a, s in zip(names, splits, strict=True)}
    return np.stack(true), np.stack(null), chosen, widths, len(image)


if __name__ == "__main__":
    launch("classifier_swap", Config, run, __doc__)
