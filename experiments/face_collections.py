"""Faces with attributes and angles: a folder in CelebA's format, or the faces at hand."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

import jfacemap as jfm
from jfacemap.study.attribute_groups import celeba_groups
from jfacemap.study.attribute_probe import Roles
from jfacemap.study.face_signs import (
    face_signs,
    group_by_share,
    landmark_yaw,
    share_between,
)

from .data_folder import data_folder
from .face_networks import network_signs


@dataclasses.dataclass(frozen=True)
class Collection:
    """Rows of several models, attributes (n, A) of +1, -1 and 0, and who is tested when."""

    name: str
    about: str
    models: dict[str, np.ndarray]
    people: np.ndarray | None
    names: list[str]
    labels: np.ndarray
    groups: list[str]
    splits: list[Roles]


@dataclasses.dataclass(frozen=True)
class RealFaces:
    """ORL and LFW-100: rows of each model, people, landmarks, and pixels."""

    models: dict[str, np.ndarray]
    people: np.ndarray
    dataset: np.ndarray
    landmarks: np.ndarray
    aligned: np.ndarray
    signs: dict[str, np.ndarray]
    """What networks say of the images, where their files are."""
    source: str


def open_celeba(folder: pathlib.Path) -> Collection:
    """The published partition; groups as paper 001 states them, the rest by us."""
    celeba = jfm.data.read_celeba(folder)
    if not celeba.models:
        raise SystemExit(f"{folder}/embeddings is not there: put MODEL.npy (n, d) into it.")
    parts = [celeba.partition == k for k in range(3)]
    groups = [celeba_groups.get(n, ("identity-independent", False)) for n in celeba.names]
    mark = lambda name, stated: name.replace("_", " ") + ("" if stated else " *")
    return Collection(
        folder.name,
        f"{folder.name} in CelebA's format, {len(celeba):,} images, its own partition "
        "(* group not stated in the text of paper 001)",
        {m.name: m.read() for m in celeba.models},
        celeba.identity,
        [mark(n, stated) for n, (_, stated) in zip(celeba.names, groups, strict=True)],
        celeba.attributes,
        [group for group, _ in groups],
        [Roles(*parts)],
    )


def open_real(given: pathlib.Path | None) -> RealFaces | None:
    """ORL and LFW-100, where the data folder has their images; else None."""
    folder = data_folder(given)
    if folder is None or not all(
        (folder / f).is_file() for f in ("orl_faces.npz", "lfw100.npz")
    ):
        return None
    with np.load(folder / "orl_faces.npz") as file:
        orl = {k: file[k] for k in ("images", "aligned112", "landmarks68", "subject")}
        # Landmarks were found in a picture padded by 40 pixels, after magnifying 2.5 times.
        orl["landmarks68"] = (orl["landmarks68"] - 40) / 2.5
    with np.load(folder / "lfw100.npz") as file:
        lfw = {k: file[k] for k in ("images", "aligned112", "landmarks68", "name")}
    gray = lambda x: x.mean(axis=3).round().astype(np.uint8) if x.ndim == 4 else x
    people = [np.char.add("orl ", orl["subject"].astype(str)), lfw["name"]]
    places = [folder / "embeddings" / f"{name}.npz" for name in ("orl", "lfw100")]
    if all(p.is_file() for p in places):
        models, source = read_models(places), "seven models of the data folder"
    else:
        faces = jfm.data.load_faces()
        faces = faces[faces.dataset != "yaleb"]
        models, source = faces.embeddings, "the six bundled models"
    both = [
        network_signs(folder, images, landmarks)
        for images, landmarks in (
            (list(orl["images"]), orl["landmarks68"]),
            (list(lfw["images"]), lfw["landmarks68"]),
        )
    ]
    signs = {k: np.concatenate([b[k] for b in both]) for k in both[0]}
    return RealFaces(
        models,
        np.concatenate(people),
        np.repeat(["orl", "lfw100"], [len(p) for p in people]),
        np.concatenate([orl["landmarks68"], lfw["landmarks68"]]),
        np.concatenate([gray(orl["aligned112"]), gray(lfw["aligned112"])]),
        signs,
        source,
    )


def read_models(places) -> dict[str, np.ndarray]:
    """Rows of each model, of the files `embeddings/*.npz` one after another."""
    parts = []
    for place in places:
        with np.load(place) as file:
            skip = {"label", "detected", "azimuth", "elevation"}
            parts.append({k: np.float32(file[k]) for k in file.files if k not in skip})
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}


def open_embeddings(folder: pathlib.Path | None) -> jfm.data.Faces | None:
    """ORL and the mildly lit Yale-B by all models of the data folder; None without them.

    The images of `jfm.data.load_faces`, and one model more.
    """
    if folder is None:
        return None
    places = [folder / "embeddings" / f"{name}.npz" for name in ("orl", "yaleb")]
    if not all(place.is_file() for place in places):
        return None
    with np.load(places[0]) as orl, np.load(places[1]) as yale:
        label = np.concatenate([orl["label"], yale["label"]])
        nowhere = np.full(len(orl["label"]), np.nan)
        light = [np.concatenate([nowhere, yale[k]]) for k in ("azimuth", "elevation")]
    dataset = np.where(np.isnan(light[0]), "orl", "yaleb")
    faces = jfm.data.Faces(read_models(places), label, dataset, *light)
    mild = (np.abs(faces.azimuth) <= 50) & (np.abs(faces.elevation) <= 45)
    return faces[(dataset == "orl") | mild]


def real_faces(
    given: pathlib.Path | None, deal: Callable[[np.ndarray], list[Roles]]
) -> list[Collection]:
    """ORL and LFW where their images are, and the light of the bundled Yale-B."""
    found = []
    real = open_real(given)
    if real is not None:
        signs = face_signs(real.landmarks, real.aligned) | real.signs
        cut = {name: by_median(x, real.dataset) for name, x in signs.items()}
        share = {
            name: share_between(
                x[real.dataset == "orl"], real.people[real.dataset == "orl"]
            )
            for name, x in signs.items()
        }
        names = sorted(cut, key=lambda name: -share[name])
        networks = f", {len(real.signs)} by networks" if real.signs else ""
        found.append(
            Collection(
                "ORL and LFW",
                f"ORL and LFW-100, {len(real.people)} images of "
                f"{len(np.unique(real.people))} people, {real.source}; {len(names)} "
                "attributes computed from 68 landmarks and pixels, cut at the median of "
                f"each set{networks}; grouped by the share of their variance between the "
                "people of ORL (in brackets). LFW may overlap training sets.",
                real.models,
                real.people,
                [f"{name} ({share[name]:.2f})" for name in names],
                np.stack([cut[name] for name in names], axis=1),
                [group_by_share(share[name]) for name in names],
                deal(real.people),
            )
        )
    yale, whose = yale_faces(given)
    light = {
        "Light From One Side": np.where(yale.azimuth == 0, 0, np.sign(yale.azimuth)),
        "Light From Aside": np.where(np.abs(yale.azimuth) > 20, 1, -1),
        "Light From Above": np.where(yale.elevation == 0, 0, np.sign(yale.elevation)),
    }
    found.append(
        Collection(
            "Yale-B light",
            f"{len(yale)} mildly lit images of Extended Yale-B by {whose}, "
            f"{len(np.unique(yale.label))} people: the direction of the light, which says "
            "nothing of who it is",
            yale.embeddings,
            yale.label,
            list(light),
            np.stack(list(light.values()), axis=1).astype(np.int8),
            ["identity-independent"] * len(light),
            deal(yale.label),
        )
    )
    return found


def yale_faces(given: pathlib.Path | None) -> tuple[jfm.data.Faces, str]:
    """Mildly lit Yale-B by the models of the data folder or the bundled ones; whose."""
    found = open_embeddings(data_folder(given))
    faces = jfm.data.load_faces() if found is None else found
    whose = "the six bundled models" if found is None else "seven models of the data folder"
    return faces[faces.dataset == "yaleb"], whose


def by_median(x, dataset) -> np.ndarray:
    """+1 above the median of its data set, else -1."""
    cut = np.zeros(len(x), np.int8)
    for name in np.unique(dataset):
        mine = dataset == name
        cut[mine] = np.where(x[mine] > np.median(x[mine]), 1, -1)
    return cut


def yaw_of(real: RealFaces) -> tuple[np.ndarray, str]:
    """|Yaw| in degrees, by the network where it is, and how it was found."""
    if "Yaw" in real.signs:
        return np.abs(real.signs["Yaw"]), "fr_pose"
    return np.abs(landmark_yaw(real.landmarks)), "landmarks (its scale is crude)"
