"""Which attributes shape the space between identities? (paper 003, the macroscale)

For every attribute and model: Kolmogorov-Smirnov statistics between distances of
identities that share the attribute and of those that do not, their rank correlation with
how much the attribute varies within and between identities, p-values that know that
distances share images, and whether a plane can read the attribute.
"""

import dataclasses
import pathlib
from typing import Annotated

import jax
import numpy as np
import tyro
from scipy.spatial.distance import cdist, pdist
from scipy.stats import false_discovery_control

import jfacemap as jfm
from jfacemap.plot.macroscale import (
    plot_cloud_distances,
    plot_entropy_scatter,
    plot_p_values,
    plot_pair_histograms,
)

from .attribute_macroscale_report import report
from .data_folder import data_folder
from .harness import console, lacking, launch, Results
from .orl_attributes import load_attributes, said


least_images = 30
"""Of an identity of CelebA, as published."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    celeba: pathlib.Path | None = None
    """A folder of CelebA's annotations and, in embeddings/, MODEL.npy of all images."""
    euclidean: tuple[str, ...] = ()
    """Models whose distances are Euclidean, as FaceNet's; the others' are cosine."""
    data: pathlib.Path | None = None
    """Folder of orl_faces.npz, where no CelebA is given; by default $JFACEMAP_DATA."""
    draws: int = 20
    """Draws of one image an identity; p-values and correlations are of the first."""
    permutations: int = 9999
    replicates: int = 1000
    """Draws of identities, for intervals of the correlations."""
    bandwidth: float = 0.1
    """Of the density in the inter-entropy; the paper's figures used .05."""
    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/attribute_macroscale-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: one model, few draws."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Embeddings of n images by several models, who they show, and their attributes."""

    embeddings: dict[str, np.ndarray]
    identity: np.ndarray
    attributes: np.ndarray
    names: tuple[str, ...]
    source: str
    few: bool


def load_orl(folder: pathlib.Path) -> Sample:
    """ORL by the bundled models, and by those that the folder has beside them."""
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset == "orl"]
    embeddings = dict(faces.embeddings)
    extra = folder / "embeddings" / "orl.npz"
    if extra.is_file():
        with np.load(extra) as file:
            if not np.array_equal(file["label"], faces.label):
                raise ValueError(f"{extra} is not of the bundled images, in their order.")
            for name in file.files:
                if file[name].ndim == 2 and name not in embeddings:
                    embeddings[name] = file[name]
    attributes, names = load_attributes(folder)
    by_networks = [name for name in names if name in said.values()]
    networks = f" and said by networks ({', '.join(by_networks)})" if by_networks else ""
    source = (
        f"ORL, 400 images of 40 people; {len(names)} attributes measured on landmarks and "
        f"pixels{networks}, each cut at its median"
    )
    return Sample(embeddings, faces.label, attributes, names, source, few=True)


def load_celeba(folder: pathlib.Path) -> Sample:
    """CelebA's identities with at least thirty images, all models of the folder."""
    faces = jfm.data.read_celeba(folder)
    if faces.identity is None or not faces.models:
        raise ValueError(f"{folder} lacks identity_CelebA.txt, or embeddings/MODEL.npy.")
    _, code, count = np.unique(faces.identity, return_inverse=True, return_counts=True)
    rows = np.flatnonzero((count >= least_images)[code])
    rows = rows[(faces.attributes[rows] != 0).all(axis=1)]
    people = len(np.unique(code[rows]))
    source = (
        f"CelebA, {len(rows):,} images of {people:,} people with {least_images} or more"
    )
    embeddings = {m.name: m.read(rows) for m in faces.models}
    return Sample(
        embeddings, faces.identity[rows], faces.attributes[rows], faces.names, source, False
    )


def load(config: Config) -> Sample:
    if config.celeba is not None:
        return load_celeba(config.celeba)
    folder = data_folder(config.data)
    if folder is None or not (folder / "orl_faces.npz").is_file():
        where = f"orl_faces.npz is not in {folder}" if folder else "no folder of data"
        fault = f"{where}: give --data FOLDER or --celeba FOLDER, or set JFACEMAP_DATA"
        lacking(f"{fault}.", config.quick)
    return load_orl(folder)


def run(config: Config) -> Results:
    sample = load(config)
    if config.quick:
        some = list(sample.embeddings)[:1]
        embeddings = {name: sample.embeddings[name] for name in some}
        sample = dataclasses.replace(sample, embeddings=embeddings)
        config = dataclasses.replace(config, draws=2, permutations=199, replicates=50)
    console.print(f"[bold]Data.[/bold] {sample.source}.", soft_wrap=True)
    key = jax.random.key(config.seed)
    found, tables, classes, angles, power, dimension = {}, {}, {}, {}, {}, {}
    spectra = {}
    for name, x in sample.embeddings.items():
        metric = "euclidean" if name in config.euclidean else "cosine"
        rows = x, sample.attributes, sample.identity
        with console.status(name):
            # Everyone is in both clouds where people are few: their own distances out.
            found[name] = jfm.attribute_ks(
                key, *rows, metric=metric, draws=config.draws,
                permutations=config.permutations, exclude_same=sample.few,
            )  # fmt: skip
            tables[name] = jfm.correlate_entropy(
                key, found[name], *rows, metric=metric, replicates=config.replicates,
                bandwidth=config.bandwidth,
            )  # fmt: skip
            classes[name] = jfm.class_distances(x, sample.identity, metric=metric)
            spectra[name] = jfm.identity_spectrum(jfm.unit(x), sample.identity)
            angles[name] = jfm.pair_histogram(x, sample.identity, bins=1800)
            power[name] = jfm.discriminative_power(key, *rows)
            dimension[name] = jfm.ph_dimension(key, centroids(x, sample.identity))
    overlap = {
        name: jfm.pair_histogram(
            x, sample.identity, bins=2000,
            unit="euclidean" if name in config.euclidean else "cosine",
        ).overlap()
        for name, x in sample.embeddings.items()
    }  # fmt: skip
    entropies = {
        "intra-entropy": np.asarray(jfm.intra_entropy(sample.attributes, sample.identity)),
        "inter-entropy": np.asarray(
            jfm.inter_entropy(
                sample.attributes, sample.identity, bandwidth=config.bandwidth
            )
        ),
    }
    adjusted = adjust(np.stack([each.permutation_p_max for each in found.values()]))
    rows = list(gather_rows(sample, found, entropies, power, adjusted))
    report(
        sample, found, tables, classes, spectra, overlap, power, entropies, adjusted,
        dimension,
    )  # fmt: skip
    return Results(
        arrays=arrays_of(sample, found, tables, entropies, adjusted),
        rows=rows,
        figures=draw(sample, found, entropies, adjusted, angles, config),
        data={"source": sample.source, "models": ", ".join(sample.embeddings)},
        config=config,
    )


def adjust(p: np.ndarray) -> np.ndarray:
    """Of p (models, attributes), adjusted within models: Benjamini-Hochberg across them."""
    adjusted = np.full(p.shape, np.nan)
    for a, column in enumerate(p.T):
        known = np.isfinite(column)
        adjusted[known, a] = false_discovery_control(column[known])
    return adjusted


def centroids(x, identity) -> np.ndarray:
    """Mean of each identity's unit rows."""
    _, code = np.unique(identity, return_inverse=True)
    unit = np.asarray(jfm.unit(x.astype(np.float32)))
    total = np.zeros((code.max() + 1, x.shape[1]), np.float32)
    np.add.at(total, code, unit)
    return total / np.bincount(code)[:, None]


def arrays_of(sample, found, tables, entropies, adjusted) -> dict[str, np.ndarray]:
    arrays = {"names": np.array(sample.names), "models": np.array(list(found))}
    arrays |= {"p_bh": adjusted, **entropies}
    for name, each in found.items():
        arrays[f"{name}/ks"], arrays[f"{name}/log_p"] = each.draws, each.log_p
        arrays[f"{name}/rho"], arrays[f"{name}/rho_p"] = tables[name].rho, tables[name].p
        arrays[f"{name}/rho_replicates"] = tables[name].replicates
    return arrays


def gather_rows(sample, found, entropies, power, adjusted):
    for i, (model, each) in enumerate(found.items()):
        for a, name in enumerate(sample.names):
            yield {
                "model": model,
                "attribute": name,
                "ks_plus": each.statistic[a, 0],
                "ks_minus": each.statistic[a, 1],
                "median_largest": each.median_largest[a],
                "identities": each.size[a],
                "log_p_asymptotic": each.log_p[a].min(),
                "p_permutation": each.permutation_p[a],
                "p_max_t": each.permutation_p_max[a],
                "p_benjamini_hochberg": adjusted[i, a],
                **{entropy: values[a] for entropy, values in entropies.items()},
                "accuracy": power[model].accuracy[a],
                "balanced_accuracy": power[model].balanced[a],
                "majority_accuracy": power[model].majority[a],
            }


def draw(sample, found, entropies, adjusted, angles, config):
    models, first = list(found), next(iter(found))
    order = np.argsort(-np.nan_to_num(found[first].statistic.max(axis=1)))
    shown = {}
    metric = "euclidean" if first in config.euclidean else "cosine"
    x = sample.embeddings[first].astype(np.float64)
    for a in [*order[:3], *order[-3:]]:
        n = found[first].size[a]
        plus, minus = (x[rows] for rows in found[first].clouds[a, :, :n])
        across = cdist(plus, minus, metric)
        if sample.few:
            who = sample.identity[found[first].clouds[a, :, :n]]
            across = across[who[0][:, None] != who[1][None]]
        within = pdist(plus, metric), pdist(minus, metric)
        shown[sample.names[a]] = within, across.ravel()
    mean = {name: each.statistic.mean(axis=1) for name, each in found.items()}
    log_p = {
        "asymptotic, too small": np.stack([f.log_p.min(axis=1) for f in found.values()]),
        "relabelling, max-T, then Benjamini-Hochberg across models": np.log(adjusted),
    }
    what = sample.source.split(";")[0]
    return {
        "scatter": plot_entropy_scatter(mean, entropies, sample.names, title=what),
        "distances": plot_cloud_distances(
            shown, label=f"{metric} distance",
            title=f"{what}: {first}, the three largest and smallest statistics",
        ),
        "p_values": plot_p_values(log_p, models, sample.names, title=what),
        "pairs": plot_pair_histograms(angles, title=what),
    }  # fmt: skip


if __name__ == "__main__":
    launch("attribute_macroscale", Config, run, __doc__)
