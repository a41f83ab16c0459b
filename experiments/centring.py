"""Is the mean what rotations lack? Centring on both sides (paper 000, section 3.2)

The paper leaves points in their original translation. Here each model's mean over the
rows fitted on is subtracted from all its rows, source and target, before they are scaled
and scored, on 20 random halves of the people. Beside it: one side only, a random point
instead of the mean, the mean restored after the map, pairs at random, no map.
"""

import dataclasses
import itertools
import pathlib
import warnings
from collections.abc import Callable
from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import tyro

import jfacemap as jfm
from jfacemap.evaluate.rank import rank_correlation
from jfacemap.plot.lifts import plot_lifts

from .canonical_faces import (
    both_cores,
    centre,
    fit_rows,
    halves_of,
    held_out_pairs,
    shuffle_within,
    split_halves,
    unit_spaces,
)
from .centring_report import overlap, report
from .data_folder import data_folder
from .face_collections import open_embeddings
from .harness import console, launch, Results
from .tables import off_diagonal, own


far = 1e-2
kinds = "linear", "ridge", "rotation"
ways = "both sides", "source only", "target only", "mean restored", "random point"
ridges = 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1
"""Penalties a row. The best for fit people left out of the fit, of each space and half."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    halves: int = 20
    """Random identity halves."""
    data: pathlib.Path | None = None
    """Folder with `embeddings/` of seven models; by default $JFACEMAP_DATA."""
    bundled: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """The six bundled models even where that folder has seven."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/centring-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: the three narrowest bundled models, 2 halves."""


def run(config: Config) -> Results:
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    if config.quick:
        config = dataclasses.replace(config, halves=2, bundled=True)
    faces, source = open_faces(config)
    data = describe(faces, source)
    told = "\n".join(data[key] for key in ("source", "fit", "training overlap"))
    console.print(f"[bold]Data.[/bold] {told}\n")
    people = split_halves(config, faces)  # type: ignore[arg-type]
    halves = list(enumerate(fit_rows(faces, each) for each in people))
    judge = lambda half: judge_half(config, faces, *half)
    found = both_cores(judge, halves, "random identity halves")
    arrays = {name: np.stack([each[name] for each in found]) for name in found[0]}
    lifts, against = lifts_of(arrays), along_means(arrays)
    report(arrays, lifts, against, faces.names, ridges)
    title = (
        f"{len(faces.names)} face networks, {config.halves} random halves of the people; "
        f"TAR at FAR {far:g}, less that of plain spaces"
    )
    figure = plot_lifts(lifts, arrays["mean length"].mean(axis=0),
                        {k: each["target"] for k, each in against.items()},
                        faces.names, title=title)  # fmt: skip
    for kind, each in against.items():
        arrays |= {f"by model/{kind}/{side}": each[side] for side in ("source", "target")}
    return Results(
        arrays=arrays | {"names": np.array(faces.names), "fars": np.array([far])},
        rows=list(gather_rows(lifts)),
        figures={"centring": figure},
        data=data,
        config=config,
    )


def open_faces(config: Config) -> tuple[jfm.data.Faces, str]:
    """ORL and the mild Yale-B under seven models, or six; and which they are."""
    found = None if config.bundled else open_embeddings(data_folder(config.data))
    if found is not None:
        return found, "embeddings of the data folder"
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset != "lfw100"]  # it may overlap the networks' training data
    if config.quick:
        slim = sorted(faces.names, key=lambda name: faces.embeddings[name].shape[1])[:3]
        few = {name: faces.embeddings[name] for name in slim}
        faces = dataclasses.replace(faces, embeddings=few)
    return faces, "bundled embeddings (jfacemap.data.load_faces)"


def judge_half(config: Config, faces, half: int, used) -> dict[str, np.ndarray]:
    """Tables `(source, target)` of TAR by `way/kind`, with maps fitted on one half.

    Also of each model the length of its mean, and the ridge each space was given.
    """
    plain, tar = unit_spaces(faces), judge_of(faces, used)
    rng = np.random.default_rng([config.seed, half])
    spaces = {
        "plain": plain,
        "both sides": centre(plain, used),
        "random point": move_at_random(rng, plain, used),
    }
    choose = lambda rows, kind="linear": choose_ridge(rows, faces.label, used, kind)
    ridge = {way: choose(rows) for way, rows in spaces.items()}
    ridge["mean restored"] = choose(plain, "affine")
    found = either_side(tar, spaces["plain"], spaces["both sides"], used, ridge)
    joints = {way: moments(spaces[way], used) for way in ("plain", "random point")}
    for kind in kinds:
        restored = fit_about_means(joints["plain"], kind, ridge["mean restored"])
        found[f"mean restored/{kind}"] = tar(restored, plain)
        moved = fit(joints["random point"], kind, ridge["random point"])
        found[f"random point/{kind}"] = tar(moved, spaces["random point"])
    nothing = jfm.fit_all_pairs(joints["plain"], "identity")
    for way in ("plain", "both sides"):
        found[f"{way}/identity"] = tar(nothing, spaces[way])
        shuffled = shuffle_within(config.seed + half, spaces[way], used)
        joint = moments(shuffled, used)
        for kind in ("linear", "rotation"):
            found[f"{way}/{kind}, random pairing"] = tar(fit(joint, kind), spaces[way])
    found["mean length"] = np.array([mean_length(x, used) for x in plain])
    return found | {f"ridge/{way}": np.array(value) for way, value in ridge.items()}


def judge_of(faces, used: np.ndarray) -> Callable[..., np.ndarray]:
    """TAR `(source, target)` of maps among some spaces, on Yale-B people not used."""
    rows = np.flatnonzero((faces.dataset == "yaleb") & ~used)
    padded, same, valid = held_out_pairs(faces, rows)

    def tar(maps, spaces):
        scores = jfm.cross_scores(maps, [x[padded] for x in spaces])
        return np.asarray(jfm.table_tar(scores, same, [far], valid=valid).tar)[..., 0]

    return tar


def either_side(tar, plain, centred, used, ridge) -> dict[str, np.ndarray]:
    """Plain and centred rows as 2 N models: their maps lead from either to either."""
    n, spaces, found = len(plain), [*plain, *centred], {}
    joint = moments(spaces, used)
    for kind in kinds:
        each = [fit(joint, kind, ridge["plain"])] * 2
        if kind == "ridge":  # that of the source
            each[1] = fit(joint, kind, ridge["both sides"])
        table = each[0].table[:n] + each[1].table[n:]
        both = tar(jfm.PairMaps(table, joint.names), spaces)
        found |= {f"plain/{kind}": both[:n, :n], f"both sides/{kind}": both[n:, n:]}
        found |= {f"source only/{kind}": both[n:, :n], f"target only/{kind}": both[:n, n:]}
    return found


def moments(spaces, used: np.ndarray) -> jfm.JointMoments:
    return jfm.joint_moments(spaces, jnp.asarray(used, jnp.float32))


def fit(joint: jfm.JointMoments, kind: str, ridge: float = 0.0) -> jfm.PairMaps:
    """Maps of a kind; a ridge is a penalty a row."""
    if kind != "ridge":
        return jfm.fit_all_pairs(joint, kind)
    return jfm.fit_all_pairs(joint, "linear", ridge=ridge * float(np.asarray(joint.mass)))


def choose_ridge(spaces, label, used: np.ndarray, kind: str) -> float:
    """Of all maps of a space, by halves of the people fitted on: nobody judged is seen."""
    folds = [moments(spaces, half) for half in halves_of(label, used)]
    return jfm.choose_ridge(folds, ridges, kind=kind).ridge


def fit_about_means(joint: jfm.JointMoments, kind: str, ridge: float) -> jfm.PairMaps:
    """Maps fitted on centred rows that end about the target's mean: rows stay plain.

    Affine maps, with a ridge or without; for rotations similarities, as
    `jfm.solve_similarity` finds them.
    """
    if kind != "rotation":
        penalty = ridge * float(np.asarray(joint.mass)) if kind == "ridge" else 0.0
        return jfm.fit_all_pairs(joint, "affine", ridge=penalty)
    still = eqx.tree_at(lambda j: j.mean, joint, jax.tree.map(jnp.zeros_like, joint.mean))
    turns = jfm.fit_all_pairs(still, "rotation")
    mean, scatter = np.asarray(joint.mean), np.asarray(joint.scatter)

    def similarity(i: int, j: int):
        a, b = joint.columns[i], joint.columns[j]
        turn = np.asarray(turns[i, j].as_affine().weight, np.float64)
        scale = np.sum(turn * scatter[a, b]) / np.sum(turn * (scatter[a, a] @ turn))
        bias = mean[b] - scale * mean[a] @ turn
        return jfm.AffineMap(jnp.float32(scale * turn), jnp.float32(bias))

    n = range(len(joint.dims))
    table = tuple(tuple(similarity(i, j) for j in n) for i in n)
    return jfm.PairMaps(table, joint.names)


def mean_length(x, used: np.ndarray) -> float:
    """|mean| of unit rows: 1 if all point one way, 0 if they are about the origin."""
    return float(np.linalg.norm(np.asarray(x, np.float64)[used].mean(axis=0)))


def move_at_random(rng, spaces, used: np.ndarray) -> list[jax.Array]:
    """Rows about a point as far from the origin as the mean, in a random direction."""
    moved = []
    for x in spaces:
        point = rng.normal(size=x.shape[1])
        point *= mean_length(x, used) / np.linalg.norm(point)
        moved.append(jfm.unit(jfm.Standardize(jnp.asarray(point, jnp.float32))(x)))
    return moved


def lifts_of(arrays) -> dict[str, dict[str, np.ndarray]]:
    """By kind and way: mean TAR less that of plain spaces, of each half `(half,)`."""
    mean = lambda name: np.array([off_diagonal(t).mean() for t in arrays[name]])
    lifts = {
        kind: {way: mean(f"{way}/{kind}") - mean(f"plain/{kind}") for way in ways}
        for kind in kinds
    }
    native = lambda way: np.array([own(t).mean() for t in arrays[f"{way}/linear"]])
    still = "both sides", "random point"
    lifts["native"] = {way: native(way) - native("plain") for way in still}
    for kind in ("linear, random pairing", "rotation, random pairing", "identity"):
        gain = mean(f"both sides/{kind}") - mean(f"plain/{kind}")
        lifts[kind] = {"both sides": gain}
    return lifts


def along_means(arrays) -> dict[str, dict]:
    """By kind: mean lift of each model as source and as target, against its |mean|.

    `told`: Spearman's correlation of each side, and p over all orders of the models.
    """
    length, found = arrays["mean length"].mean(axis=0), {}
    for kind in kinds:
        gain = (arrays[f"both sides/{kind}"] - arrays[f"plain/{kind}"]).mean(axis=0)
        gain = np.where(np.eye(len(gain), dtype=bool), np.nan, gain)
        sides = {"source": np.nanmean(gain, axis=1), "target": np.nanmean(gain, axis=0)}
        told = {side: exact_spearman(length, values) for side, values in sides.items()}
        found[kind] = sides | {"told": told}
    return found


def exact_spearman(a, b) -> tuple[float, float]:
    """Rank correlation, and the share of all orders with one as far from 0."""
    value = rank_correlation(a, b)
    null = [rank_correlation(a, np.array(p)) for p in itertools.permutations(b)]
    return value, float(np.mean(np.abs(null) >= abs(value) - 1e-9))


def describe(faces, source: str) -> dict[str, str]:
    yale = faces.dataset == "yaleb"
    people = lambda rows: len(np.unique(faces.label[rows]))
    return {
        "source": f"{source}, {len(faces.names)} real face models: "
        f"{', '.join(faces.names)}.",
        "fit": f"Fitted on ORL ({people(~yale)} people) and a random half of the "
        f"{people(yale)} people of the mildly lit Extended Yale-B, verified on the other "
        f"half: {people(yale | ~yale)} people in all, in studio pictures.",
        "training overlap": overlap,
    }


def gather_rows(lifts):
    for kind, by_way in lifts.items():
        for way, values in by_way.items():
            yield {
                "kind": kind,
                "way": way,
                "lift": values.mean(),
                "least": values.min(),
                "most": values.max(),
                "halves_up": int((values > 0).sum()),
                "halves": values.size,
            }


if __name__ == "__main__":
    launch("centring", Config, run, __doc__)
