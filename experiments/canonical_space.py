"""One space behind six face networks? (paper 000, sections 6 and 7)

Maps all models into one shared space, 6 encoders and 6 decoders instead of 30 maps, and
asks what is lost by the detour; whether maps compose, and lead home; where each network
sits; and which index of likeness tells how well a map will do. On the bundled real
embeddings, judged on people that nothing was fitted on.
"""

import dataclasses
import itertools
import pathlib
import warnings
from typing import Annotated

import jax.numpy as jnp
import numpy as np
import scipy.stats
import tyro
from rich.table import Table

import jfacemap as jfm
from jfacemap.plot.canonical import plot_canonical

from .canonical_faces import (
    centre,
    fit_rows,
    held_out_pairs,
    shuffle_within,
    unit_spaces,
)
from .canonical_faces_report import short, style
from .grids import mean_energy, warn_of_ends
from .harness import console, launch, Results
from .tables import off_diagonal


far = (1e-2,)
ridges = 0.03, 0.1, 0.3, 1.0, 3.0, 10.0
"""Of the correlation space, and of the affine maps it is compared with: in units of the
mean variance of a feature times the rows."""

columns = dict.fromkeys(
    ("part", "way", "maps", "tar", "residual", "mean", "at random", "told"), ""
)
"""Of the CSV file: of ways TAR and residual, of indices what is told of them."""

dims = 32, 64, 128, 256, 512, 1024
"""Of the correlation space; and the full width, that of all models side by side."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    neighbours: int = 10
    """Of the index of mutual neighbours."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/canonical_space-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: without the two models wider than 256."""


def run(config: Config) -> Results:
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    faces = load(config)
    yale = faces.dataset == "yaleb"
    used = fit_rows(faces, np.unique(faces.label[yale])[::2])
    spaces = centre(unit_spaces(faces), used)
    fitted, held = moments(spaces, used, faces), moments(spaces, yale & ~used, faces)
    random = moments(shuffle_within(config.seed, spaces, used), used, faces)

    picked = pick(config, spaces, faces, used)
    ridge, dim, affine_ridge, unit = picked
    rotation = jfm.fit_canonical(fitted)
    common, null = (
        jfm.fit_canonical(m, "correlation", dim=dim, ridge=ridge * unit)
        for m in (fitted, random)
    )
    pairwise = {
        "rotation": jfm.fit_all_pairs(fitted, "rotation"),
        "affine, ridge": jfm.fit_all_pairs(fitted, "affine", ridge=affine_ridge * unit),
    }
    judge = Judge(faces, spaces, yale & ~used)
    rows = list(ways(judge, pairwise, {"rotation": rotation, "correlation": common}, held))
    composed = {k: jfm.composition_errors(m, held) for k, m in pairwise.items()}
    tar = judge(pairwise["rotation"])
    indices = index_tables(config, spaces, yale & ~used)
    chance = index_tables(
        config, shuffle_within(config.seed, spaces, yale & ~used), yale & ~used
    )
    report(faces, rows, composed, rotation, fitted, held, common, null, picked)
    warn_of_ends("Ridge of the correlation space", ridge, ridges)
    warn_of_ends("Ridge of affine maps", affine_ridge, ridges)
    if dim < sum(faces.dims):  # all of the axes: beyond lies nothing
        warn_of_ends("Width of the correlation space", dim, widths(faces))
    told = list(report_indices(indices, chance, tar))
    layout = jfm.compare.classical_mds(jfm.compare.procrustes_distance(held))
    figure = plot_canonical(
        layout,
        faces.names,
        {
            "images paired": np.asarray(common.spectrum),
            "paired at random": np.asarray(null.spectrum),
        },
        composed["affine, ridge"],
        title=f"{len(faces.names)} face networks; people nothing was fitted on",
    )
    arrays = {f"index/{k}": np.asarray(v) for k, v in indices.items()}
    arrays |= {f"index at random/{k}": np.asarray(v) for k, v in chance.items()}
    arrays |= {"names": np.array(faces.names), "tar": tar, "layout": layout.points}
    arrays |= {"spectrum": common.spectrum, "spectrum at random": null.spectrum}
    arrays |= {"picked/ridge": ridge, "picked/width": dim, "picked/affine": affine_ridge}
    for kind, errors in composed.items():
        arrays |= {f"{kind}/direct": errors.direct, f"{kind}/through": errors.through}
        arrays |= {f"{kind}/apart": errors.apart}
    return Results(
        arrays={k: np.asarray(v) for k, v in arrays.items()},
        rows=[columns | {"part": "way"} | row for row in rows]
        + [columns | {"part": "index"} | row for row in told],
        figures={"canonical_space": figure},
        data={
            "source": "bundled embeddings (jfacemap.data.load_faces), real face models",
            "sha256": faces.digest,
            "fit": f"{used.sum()} images: ORL, every second person of Yale-B; centred",
            "evaluate": f"{(yale & ~used).sum()} images, the other people of Yale-B",
        },
    )


def load(config: Config) -> jfm.data.Faces:
    """ORL and Yale-B, of all models or the slim ones."""
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset != "lfw100"]
    if not config.quick:
        return faces
    slim = {m: x for m, x in faces.embeddings.items() if x.shape[1] <= 256}
    return dataclasses.replace(faces, embeddings=slim)


def moments(spaces, rows: np.ndarray, faces) -> jfm.JointMoments:
    return jfm.joint_moments(spaces, jnp.asarray(rows, jnp.float32), names=faces.names)


def pick(config: Config, spaces, faces, used) -> tuple[float, int, float, float]:
    """Ridge and width of the correlation space, ridge of affine maps, the ridges' unit.

    By the mean residual on half of the fit people, of maps fitted on the other half. The
    unit is of that half: a ridge is noise over signal, added to sums over rows, so that
    more rows do not need a larger one.
    """
    people = np.random.default_rng(config.seed).permutation(np.unique(faces.label[used]))
    inner = used & np.isin(faces.label, people[::2])
    fitted, held = moments(spaces, inner, faces), moments(spaces, used & ~inner, faces)
    energy, best = mean_energy(fitted), {}
    for ridge in ridges:
        wide = jfm.fit_canonical(
            fitted, "correlation", dim=sum(faces.dims), ridge=ridge * energy
        )
        for dim in widths(faces):
            best[ridge, dim] = residual(routes(wide, dim), held)
    ridge, dim = min(best, key=best.__getitem__)
    affine = {
        r: residual(jfm.fit_all_pairs(fitted, "affine", ridge=r * energy), held)
        for r in ridges
    }
    return ridge, dim, min(affine, key=affine.__getitem__), energy


def widths(faces) -> list[int]:
    """Widths of the correlation space that are tried, the last the full one."""
    full = sum(faces.dims)
    return [*(d for d in dims if d < full), full]


def routes(space: jfm.CanonicalSpace, dim: int | None = None) -> jfm.PairMaps:
    """All maps by way of the shared space, or of its first axes; a model to itself too."""

    def through(encoder, decoder):
        # By NumPy: each width of each pair would be a program of its own to compile.
        into, out = np.asarray(encoder.weight)[:, :dim], np.asarray(decoder.weight)[:dim]
        bias = np.asarray(encoder.bias)[:dim] @ out + np.asarray(decoder.bias)
        return jfm.AffineMap(jnp.asarray(into @ out), jnp.asarray(bias))

    table = tuple(tuple(through(e, d) for d in space.decoders) for e in space.encoders)
    return jfm.PairMaps(table, space.names)


def residual(maps: jfm.PairMaps, joint: jfm.JointMoments) -> float:
    """Mean over ordered pairs of the share of variance a map leaves unexplained."""
    return float(off_diagonal(jfm.pair_residuals(maps, joint)).mean())


class Judge:
    """TAR at FAR 1e-2 of a table of maps, on people nothing was fitted on."""

    def __init__(self, faces, spaces, rows: np.ndarray):
        padded, self.same, self.valid = held_out_pairs(faces, np.flatnonzero(rows))
        self.held = [x[padded] for x in spaces]

    def __call__(self, maps: jfm.PairMaps) -> np.ndarray:
        scores = jfm.cross_scores(maps, self.held)
        tar = jfm.table_tar(scores, self.same, far, valid=self.valid)
        return np.asarray(tar.tar)[..., 0]


def ways(judge: Judge, pairwise, shared, held):
    """From A to C, straight and by detours: mean TAR, mean residual, number of maps."""
    n = len(held.dims)
    native = np.diagonal(judge(pairwise["rotation"]))
    yield {"way": "none: each model with itself", "tar": native.mean()}
    for kind, maps in pairwise.items():
        errors = jfm.composition_errors(maps, held)
        yield {
            "way": f"{kind}: A -> C",
            "maps": n * (n - 1),
            "tar": off_diagonal(judge(maps)).mean(),
            "residual": off_diagonal(errors.direct).mean(),
        }
        tars = [judge(through(maps, b)) for b in range(n)]
        triples = list(itertools.permutations(range(n), 3))
        yield {
            "way": f"{kind}: A -> B -> C, mean over B",
            "maps": n * (n - 1),
            "tar": np.mean([tars[b][a, c] for a, b, c in triples]),
            "residual": np.mean([errors.through[t] for t in triples]),
        }
        yield {
            "way": f"{kind}: A -> B -> A",
            "maps": n * (n - 1),
            "residual": off_diagonal(errors.cycle).mean(),
        }
    for kind, space in shared.items():
        yield {
            "way": f"A -> shared ({kind}, {space.dim}) -> C",
            "maps": 2 * n,
            "tar": off_diagonal(judge(routes(space))).mean(),
            "residual": residual(routes(space), held),
        }


def through(maps: jfm.PairMaps, b: int) -> jfm.PairMaps:
    ends = range(len(maps))
    table = (tuple(jfm.compose(maps[a, b], maps[b, c]) for c in ends) for a in ends)
    return jfm.PairMaps(tuple(table), maps.names)


def index_tables(config: Config, spaces, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Every index of likeness (N, N) on some rows."""
    some = [x[np.flatnonzero(rows)] for x in spaces]
    compare, energy = jfm.compare, jfm.compare.energy_moments(some)
    joint = energy.joint
    found = {
        "linear CKA": compare.linear_cka(joint),
        "debiased CKA": compare.debiased_cka(energy),
        "RSA, distances": compare.rsa(energy),
        "RSA, ranks": compare.rank_rsa(some),
        "mean CCA": compare.mean_cca(joint),
        "SVCCA": compare.svcca(joint),
        "PWCCA": compare.pwcca(joint),
        "Procrustes distance": compare.procrustes_distance(joint),
        f"mutual {config.neighbours}-NN": compare.mutual_neighbours(
            some, config.neighbours
        ),
    }
    return {name: np.asarray(table) for name, table in found.items()}


def report(faces, rows, composed, space, fitted, held, common, null, picked) -> None:
    table = Table(title="From one network to another, and by detours", **style)
    for name in ("way", "maps", "TAR at FAR 1e-2", "1 - R²"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for row in rows:
        tar = short(row["tar"]) if "tar" in row else ""
        left = short(row["residual"]) if "residual" in row else ""
        table.add_row(row["way"], str(row.get("maps", "")), tar, left)
    console.print(table)
    console.print(
        f"Means over pairs of {len(faces.names)} networks, spaces centred, people nothing "
        "was fitted on. 1 - R²: share of the target's variance that is missed. Picked on "
        f"half of the fit people: width {picked[1]} of the correlation space, of "
        f"{sum(faces.dims)} at most; its ridge {picked[0]:g} and that of affine maps "
        f"{picked[2]:g}, of the mean variance of a feature times the rows of that half.\n"
    )
    table = Table(title="Where each network sits in the shared space (rotation)", **style)
    for name in ("network", "width", "not in the mean, fit", "not in the mean, others"):
        table.add_column(name, justify="left" if name == "network" else "right")
    other = dataclasses.replace(space, agreement=jfm.canonical_agreement(space, held))
    for i, name in enumerate(faces.names):
        cells = (short(float(s.residual[i])) for s in (space, other))
        table.add_row(name, str(faces.dims[i]), *cells)
    console.print(table)
    apart = {k: np.asarray(e.apart) for k, e in composed.items()}
    triples = list(itertools.permutations(range(len(faces.names)), 3))
    mean = {k: float(np.mean([a[t] for t in triples])) for k, a in apart.items()}
    console.print(
        "Between A -> B -> C and A -> C lies a mean square of "
        + ", ".join(f"{short(v)} ({k})" for k, v in mean.items())
        + " of C's variance. Of the shared axes "
        f"{int(np.sum(np.asarray(common.spectrum) > np.max(np.asarray(null.spectrum))))} "
        f"of {common.dim} are seen by more networks than any is when images are paired at "
        f"random (most there: {float(null.spectrum[0]):.2f} of {len(faces.names)}).\n"
    )


def report_indices(indices, chance, tar):
    """Each index: its mean, its mean by chance, and does it go with TAR?"""
    upper = np.triu_indices(len(tar), 1)
    both = ((tar + tar.T) / 2)[upper]
    table = Table(title="Does an index tell how well rotations do?", **style)
    for name in ("index", "mean", "at random", "rank correlation with TAR"):
        table.add_column(name, justify="left" if name == "index" else "right")
    for name, values in indices.items():
        known = ((values + values.T) / 2)[upper]
        random = off_diagonal(chance[name]).mean()
        told = float(scipy.stats.spearmanr(known, both)[0])  # type: ignore
        table.add_row(name, f"{known.mean():.3f}", f"{random:.3f}", f"{told:.2f}")
        yield {"way": name, "mean": known.mean(), "at random": random, "told": told}
    console.print(table)
    console.print(
        f"{len(both)} pairs of networks; TAR at FAR 1e-2 of the two rotations of a pair, "
        "and the index, on the same people. At random: each network's rows in an order of "
        "its own.\n"
    )


if __name__ == "__main__":
    launch("canonical_space", Config, run, __doc__)
