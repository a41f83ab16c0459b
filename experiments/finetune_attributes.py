"""Does a face network that is taught one attribute become blind to it, and to others?

Fine-tunes a network from ONNX by ArcFace or AdaFace on images and variations of one
attribute (paper 003), and compares the energies of all attributes before and after, on
people it has not seen.
"""

import dataclasses
import pathlib
import tempfile
from typing import Annotated, Any

import jax
import numpy as np
import rich.box
import tyro
from rich.table import Table

import jfacemap as jfm
from jfacemap.plot.energy import plot_energy_violins

from .data_folder import data_folder
from .face_edits import chosen, find_networks, load_faces, names, substitutes
from .harness import console, launch, Results, watch


published = """\
Published settings (paper 003): 10,000 generated people a split, 17 images of each \
(1 + 8 x 2: one as it is, and two variations of each of eight attributes), from ArcFace \
R18 on MS1MV3 and AdaFace R18 on VGGFace2; trained on the fixed images and the \
variations of one attribute in batches of 42 people, at most 15 epochs, rate 1e-4, decay \
5e-4 ("Adam" and "momentum .9" are both said); ArcFace with margin .5 and rate 1e-3 of \
the loss, AdaFace with m .4, h .333, s 64, t .01 and rate 10; best epoch by the loss \
without parameters"""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    data: pathlib.Path | None = None
    """Folder of orl_faces.npz and lfw100.npz; by default $JFACEMAP_DATA."""
    models: pathlib.Path | None = None
    """Folder that fetch_models filled; by default the folder of data."""
    attributes: tuple[str, ...] = ("rotation", "covering")
    """Taught one at a time."""
    losses: tuple[str, ...] = ("arcface", "adaface")
    epochs: int = 15
    """At most; published 15."""
    batch: int = 15
    """People of a batch; published 42."""
    train: int = 30
    """People trained on; eight more validate."""
    test: int = 12
    """People tested, at most; they are none of these."""
    test_images: int = 8
    """Images of each person tested, a base point each."""
    nulls: int = 50
    """Random fields of each person."""
    keep: pathlib.Path | None = None
    """Folder for checkpoints and lattices; another run goes on from them."""
    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/finetune_attributes-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: one attribute and loss, a substitute network of random weights."""


def run(config: Config) -> Results:
    unknown = set(config.attributes) - set(names)
    if unknown:
        fault = f"No attribute {', '.join(sorted(unknown))}; there are {', '.join(names)}."
        raise jfm.data.InputError(fault)
    folder = data_folder(config.data)
    networks = (
        {} if config.quick else find_networks(config.models or folder, ("fr_feature",))
    )
    if config.quick:
        config = dataclasses.replace(
            config, attributes=("brightness",), losses=("arcface",), epochs=2, batch=4,
            train=8, test_images=6, nulls=5,
        )  # fmt: skip
    if "fr_feature" in networks:
        name = "fr_feature"
    else:
        networks, name = substitutes(1), "substitute 0"
        if not config.quick:
            fault = "fr_feature.onnx is not there (python -m experiments.fetch_models)"
            console.print(f"[yellow]{fault}: a substitute of random weights.")
    network = networks[name]
    images, who = load_faces(folder, 16 if config.quick else 50, config.quick)
    parts = split(config, who)
    counts = {part: len(np.unique(who[rows])) for part, rows in parts.items()}
    source = (
        f"LFW and ORL faces, {counts['train']} people trained on, {counts['validation']} "
        f"to validate, {counts['test']} tested"
    )
    console.print(f"[bold]Data.[/bold] {source}. {name}: {network.what}. {published}.",
                  soft_wrap=True)  # fmt: skip
    key = jax.random.key(config.seed)
    with tempfile.TemporaryDirectory() as scratch:
        place = config.keep or pathlib.Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        energies = {"before": measure(config, key, network, network.fn, images, who,
                                      parts["test"], place / "before")}  # fmt: skip
        histories = {}
        for loss in config.losses:
            for attribute in config.attributes:
                title = f"{attribute}, {loss}"
                kind: Any = loss
                settings = jfm.FinetuneSettings(kind, config.epochs, config.batch)
                train, held = parts["train"], parts["validation"]
                with watch(f"training on {title}") as progress:
                    tuned, histories[title] = jfm.finetune(
                        key, network.fn, network.preprocess, images[train], who[train],
                        chosen[attribute], (images[held], who[held]), settings=settings,
                        checkpoint=place / f"{title.replace(', ', '_')}.eqx",
                        progress=progress,
                    )  # fmt: skip
                where = place / title.replace(", ", "_")
                energies[title] = measure(config, key, network, tuned, images, who,
                                          parts["test"], where)  # fmt: skip
    report(config, energies, histories)
    arrays = {"attributes": np.array(names)}
    for title, each in energies.items():
        arrays |= {f"{title}/energy": each.energy, f"{title}/null": each.null_mean}
        arrays[f"{title}/displacement"] = each.displacement
    for title, history in histories.items():
        arrays[f"{title}/training"] = history.training
        arrays[f"{title}/validation"] = history.validation
    order = [energies["before"].names.index(n) for n in names]
    figure = plot_energy_violins(
        {title: each.energy[:, order] for title, each in energies.items()}, names,
        title=f"{source}; {name}, before and after learning one attribute",
    )  # fmt: skip
    data = {"source": source, "network": f"{name}: {network.what}", "published": published}
    return Results(arrays, list(gather_rows(energies)), {"energies": figure}, data, config)


def split(config: Config, who) -> dict[str, np.ndarray]:
    """Rows of people trained on, validated on and tested, of both data sets in each."""
    people = np.random.default_rng(config.seed).permutation(np.unique(who))
    held = 4 if config.quick else 8
    ends = config.train, config.train + held
    groups = np.split(people, ends)
    if not groups[2].size:
        raise jfm.data.InputError(
            f"--train {config.train} and {held} to validate leave nobody of {len(people)} "
            "people to test: train on fewer."
        )
    groups[2] = groups[2][: config.test]
    parts = "train", "validation", "test"
    return {part: np.flatnonzero(np.isin(who, g))
            for part, g in zip(parts, groups, strict=True)}  # fmt: skip


def measure(config, key, network, fn, images, who, rows, place) -> jfm.LatticeEnergies:
    """Energies of all attributes in the embeddings of people tested."""
    with watch(f"embedding, {place.name}") as progress:
        made = jfm.make_lattice(
            key, images[rows], who[rows], fn, chosen, place, settings=1, batch_size=25,
            preprocess=network.preprocess, images_each=config.test_images,
            progress=progress,
        )  # fmt: skip
    near = jfm.KNearest(min(5, config.test_images - 1))
    return jfm.lattice_energies(key, made.curves, made.files, neighbours=near,
                                nulls=config.nulls)  # fmt: skip


def report(config, energies, histories) -> None:
    order = [energies["before"].names.index(n) for n in names]
    table = Table(
        title=f"Energies, medians over {len(energies['before'].identities)} people, and "
        "what training on one attribute changed",
        title_justify="left", box=rich.box.SIMPLE_HEAD,
    )  # fmt: skip
    table.add_column("attribute", no_wrap=True)
    for title in energies:
        table.add_column(title, justify="right")
    before = energies["before"].energy[:, order]
    tests = {t: jfm.compare_energies(e.energy[:, order], before)
             for t, e in energies.items() if t != "before"}  # fmt: skip
    for a, name in enumerate(names):
        cells = [f"{np.nanmedian(before[:, a]):.3f}"]
        for title, test in tests.items():
            now = np.nanmedian(energies[title].energy[:, order[a]])
            star = "*" * int(np.sum(test.p_holm[a] < np.array([0.05, 0.01, 0.001])))
            taught = " <" if title.startswith(name + ",") else ""
            cells.append(f"{now:.3f} ({test.difference[a]:+.3f}{star}){taught}")
        table.add_row(name, *cells)
    console.print(table)
    console.print("< the attribute taught; stars: Wilcoxon over people, Holm over "
                  "attributes, .05, .01, .001.\n")  # fmt: skip
    for title, history in histories.items():
        told = " ".join(f"{x:.3f}" for x in history.validation)
        none = "no epoch was better than none: the network stays as it was"
        kept = f"epoch {history.best} kept" if history.best else none
        console.print(f"{title}: {kept}; validation loss without parameters {told}.\n",
                      soft_wrap=True)  # fmt: skip


def gather_rows(energies):
    for title, each in energies.items():
        for i, a in np.ndindex(each.energy.shape):
            yield {
                "taught": title,
                "identity": each.identities[i],
                "attribute": each.names[a],
                "energy": each.energy[i, a],
                "null_mean": each.null_mean[i, a],
                "displacement": each.displacement[i, a],
            }


if __name__ == "__main__":
    launch("finetune_attributes", Config, run, __doc__)
