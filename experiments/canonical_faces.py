"""Maps between real face models, verified across models (paper 000, sections 3 and 4).

Fits identity, linear, affine and rotation maps between every two of six face networks on
the bundled real embeddings, and compares mapped with native embeddings of people the maps
never saw: true accept rate (TAR) at fixed false accept rates (FAR).
"""

import concurrent.futures
import dataclasses
import pathlib
import warnings
from collections.abc import Sequence
from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.progress import track

import jfacemap as jfm

from .canonical_faces_report import draw, mean_of, report, summarise, teach
from .harness import console, launch, Results


fars = 1e-1, 1e-2, 1e-3
kinds = "identity", "linear", "affine", "rotation"
paired = "linear", "rotation"
"""Kinds that are refitted, and fitted on rows paired at random."""

refit_far = (1e-2,)
padded_images = 660


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    replicates: int = 2000
    """Draws of the identity bootstrap."""
    halves: int = 20
    """Random identity halves."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/canonical_faces-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: 100 draws, 2 halves."""


class Verdict(eqx.Module):
    """TAR of one table of models, its draws, its bands and its Wilson intervals.

    A control has none but the TAR.
    """

    tar: jfm.TarAtFar
    spread: jfm.TarConfidence | None = None
    band: jfm.Band | None = None
    wilson: jfm.RateInterval | None = None


def fit_rows(faces: jfm.data.Faces, identities: np.ndarray) -> np.ndarray:
    """The rows maps are fitted on: all of ORL, and some Yale-B people."""
    return (faces.dataset == "orl") | np.isin(faces.label, identities)


def unit_spaces(faces) -> list[jax.Array]:
    """Unit rows of each model."""
    return [jfm.unit(jnp.asarray(x)) for x in faces.embeddings.values()]


def centre(spaces: list[jax.Array], used: np.ndarray) -> list[jax.Array]:
    """Rows about the mean of the fit rows, unit again."""
    weights = jnp.asarray(used, jnp.float32)
    return [jfm.unit(jfm.fit_standardize(x, weights=weights)(x)) for x in spaces]


def fit_maps(spaces, used: np.ndarray, kinds, names) -> dict[str, jfm.PairMaps]:
    """The N x N maps of each kind, from one pass over the rows used."""
    joint = jfm.joint_moments(spaces, jnp.asarray(used, jnp.float32), names=names)
    fit = lambda kind: jfm.fit_all_pairs(joint, kind)
    return dict(zip(kinds, both_cores(fit, kinds), strict=True))


def split_halves(config: Config, faces) -> list[np.ndarray]:
    """Random halves of the Yale-B people to fit on."""
    people = np.unique(faces.label[faces.dataset == "yaleb"])
    rng = np.random.default_rng(config.seed)
    return [rng.permutation(people)[: len(people) // 2] for _ in range(config.halves)]


def halves_of(label, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows used, in two: of every second person, and of the others."""
    first = np.isin(label, np.unique(label[used])[::2])
    return used & first, used & ~first


def held_out_pairs(faces, rows: np.ndarray):
    """Rows padded to one length, so that all splits share one compiled program.

    Returns them, which pairs of them are genuine, and which count: not the padding, nor
    an image with itself.
    """
    size = padded_images * -(-len(rows) // padded_images)
    padded, real = np.resize(rows, size), np.arange(size) < len(rows)
    same, valid = map(np.asarray, jfm.label_pairs(faces.label[padded]))
    return padded, same, valid & real[:, None] & real[None]


def shuffle_within(seed: int, spaces, used: np.ndarray) -> list[jax.Array]:
    """The rows used, each model's in an order of its own: pairs of nothing."""
    rng, places = np.random.default_rng(seed), np.flatnonzero(used)
    return [x.at[places].set(x[rng.permutation(places)]) for x in spaces]


def evaluate(config: Config, label, same, valid, tables: dict, controls) -> dict:
    """The verdict on every table of scores. All see the same draws of people."""
    key = jax.random.key(config.seed)
    pairs = jfm.identity_pairs(label[:, None], label[None], valid=valid)

    def verify(kind) -> Verdict:
        scores = tables[kind]
        tar = jfm.table_tar(scores, same, fars, valid=valid)
        if kind in controls:
            return Verdict(tar)
        draws = config.replicates
        spread = jfm.tar_confidence(key, scores, pairs, fars, replicates=draws)
        band = jfm.simultaneous_band(spread.tar, spread.replicates)
        wilson = jfm.wilson_intervals(scores, pairs, np.asarray(tar.threshold))
        return Verdict(tar, spread, band, wilson.tar)

    return dict(zip(tables, both_cores(verify, tables, "verifying"), strict=True))


def both_cores(f, items, label: str | None = None) -> list:
    """`f` of each item, two at a time: decompositions and compilation use one core."""
    items = list(items)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = pool.map(f, items)
        if label is None:
            return list(done)
        return list(track(done, label, len(items), console=console, transient=True))


def over_halves(config: Config, faces) -> dict[str, np.ndarray]:
    """Mean TAR `(half,)` at FAR 1e-2, of maps refitted on random identity halves."""
    yale, plain = faces.dataset == "yaleb", unit_spaces(faces)
    halves = [fit_rows(faces, people) for people in split_halves(config, faces)]

    def verify_half(used):
        padded, same, valid = held_out_pairs(faces, np.flatnonzero(yale & ~used))
        means = {}
        for suffix, spaces in (("", plain), (", centred", centre(plain, used))):
            held_out = [x[padded] for x in spaces]
            for kind, maps in fit_maps(spaces, used, paired, faces.names).items():
                scores = jfm.cross_scores(maps, held_out)
                tar = jfm.table_tar(scores, same, refit_far, valid=valid).tar
                means[kind + suffix] = mean_of(tar)[0]
                means["native" + suffix] = mean_of(tar, diagonal=True)[0]
        return means

    means = both_cores(verify_half, halves, "random identity halves")
    return {name: np.array([m[name] for m in means]) for name in means[0]}


def run(config: Config) -> Results:
    if config.quick:
        config = dataclasses.replace(config, replicates=100, halves=2)
    # faceres has fewer rows than dimensions, which the text below says at length.
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset != "lfw100"]  # it may overlap the networks' training data
    people = np.unique(faces.label[faces.dataset == "yaleb"])
    used = fit_rows(faces, people[::2])
    held_out = (faces.dataset == "yaleb") & ~used
    data = describe(faces, used, held_out)
    console.print(f"[bold]Data.[/bold] {data['fit']}\n      {data['evaluate']}\n")

    plain = unit_spaces(faces)
    spaces = {
        "": (plain, kinds),
        ", centred": (centre(plain, used), kinds),
        ", random pairing": (shuffle_within(config.seed, plain, used), paired),
    }
    padded, same, valid = held_out_pairs(faces, np.flatnonzero(held_out))
    fit = lambda space: fit_maps(space[0], used, space[1], faces.names)
    maps = dict(zip(spaces, both_cores(fit, spaces.values()), strict=True))
    tables = {}
    for suffix, each in maps.items():
        rows = [x[padded] for x in spaces[suffix][0]]  # of people who are not shuffled
        for kind, m in each.items():
            tables[kind + suffix] = jfm.cross_scores(m, rows)
    rows = [x[padded] for x in plain]
    tables["self-map"] = jfm.cross_scores(maps[""]["linear"], rows, native=False)

    is_control = lambda name: name.startswith("identity") or name.endswith("pairing")
    controls = ("self-map", *filter(is_control, tables))
    results = evaluate(config, faces.label[padded], same, valid, tables, controls)
    halves = over_halves(config, faces)
    order = np.argsort(-np.diagonal(results["linear"].tar.tar).mean(axis=0))
    report(results, kinds, faces.names, fars, order)
    summarise(results, halves, fars, config)
    wide = np.asarray(plain[faces.names.index("faceres")], np.float64)[used]
    teach(faces, np.linalg.matrix_rank(wide), used, results, halves)
    return Results(
        arrays=gather_arrays(results, halves, faces),
        rows=list(gather_rows(results, faces)),
        figures=draw(results, faces.names, fars, order, held_out.sum()),
        data=data,
        config=config,
    )


def describe(faces, used, held_out) -> dict[str, str]:
    count = lambda rows: (
        f"{rows.sum()} images of {len(np.unique(faces.label[rows]))} people"
    )
    orl = faces.dataset == "orl"
    widths = zip(faces.names, faces.dims, strict=True)
    return {
        "source": "bundled embeddings (jfacemap.data.load_faces), six real face models",
        "sha256": faces.digest,
        "fit": f"Fitted on {count(used)}: ORL ({count(orl)}) and every second person of "
        f"the mildly lit Extended Yale-B ({count(used & ~orl)}).",
        "evaluate": f"Verified on {count(held_out)} of Yale-B, none of them fitted on; all "
        "ordered pairs of images, strict rule.",
        "training overlap": "LFW-100 may overlap the networks' training sets and is left "
        "out; for ORL and Yale-B no overlap is known, nor excluded by their makers.",
        "models": ", ".join(f"{m} ({d})" for m, d in widths),
    }


def intervals(verdict: Verdict) -> dict[str, np.ndarray]:
    """Ends of all intervals by name; NaN for a control, which has none."""
    of = lambda interval: (interval.lower, interval.upper)
    ends: Sequence = [np.full(np.shape(verdict.tar.tar), np.nan)] * 6
    if verdict.spread is not None:
        ends = (*of(verdict.spread), *of(verdict.band), *of(verdict.wilson))
    names = (
        f"{kind}{end}" for kind in ("", "band_", "wilson_") for end in ("lower", "upper")
    )
    return dict(zip(names, ends, strict=True))


def gather_arrays(results, halves, faces) -> dict[str, np.ndarray]:
    arrays = {"names": np.array(faces.names), "fars": np.array(fars)}
    for kind, verdict in results.items():
        tar = verdict.tar
        rates = {"tar": tar.tar, "achieved_far": tar.far, "threshold": tar.threshold}
        rates |= intervals(verdict)
        arrays |= {f"{kind}/{name}": np.asarray(x) for name, x in rates.items()}
    return arrays | {f"halves/{name}": values for name, values in halves.items()}


def gather_rows(results, faces):
    for kind, verdict in results.items():
        tar, extra = verdict.tar, intervals(verdict)
        for i, j, k in np.ndindex(tar.tar.shape):
            yield {
                "kind": kind,
                "source": faces.names[i],
                "target": faces.names[j],
                "far": fars[k],
                "tar": tar.tar[i, j, k],
                "achieved_far": tar.far[i, j, k],
                "threshold": float(tar.threshold[i, j, k]),
                "genuine": int(tar.n_genuine[i, j]),
                "impostor": int(tar.n_impostor[i, j]),
            } | {name: x[i, j, k] for name, x in extra.items()}


if __name__ == "__main__":
    launch("canonical_faces", Config, run, __doc__)
