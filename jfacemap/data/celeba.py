"""CelebA's annotation files, as published, and embeddings of its images."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .arrays import InputError, near
from .model_folder import ModelRows, open_models


@dataclasses.dataclass(frozen=True)
class CelebA:
    """n images with A binary attributes.

    - `image (n,)`: file names; `names (A,)`: attributes
    - `attributes (n, A)` int8: +1 present, -1 absent, 0 not known
    - `partition (n,)`: 0 training, 1 validation, 2 test
    - `identity (n,)`: who it is; None where the folder does not say
    - `models`: embeddings, a row an image in this order; empty where there are none
    """

    image: np.ndarray
    names: tuple[str, ...]
    attributes: np.ndarray
    partition: np.ndarray
    identity: np.ndarray | None
    models: tuple[ModelRows, ...]

    def __len__(self) -> int:
        return len(self.image)


def read_celeba(folder: str | os.PathLike[str]) -> CelebA:
    """A folder of files as CelebA (Liu et al., 2015) publishes them.

    `list_attr_celeba.txt` (a count, the attributes' names, then `000001.jpg -1 1 ...`),
    `list_eval_partition.txt` (`000001.jpg 0`) and, if it is there, `identity_CelebA.txt`
    (`000001.jpg 2880`); in the folder or in `Anno` and `Eval` below it. Embeddings are in
    `embeddings/`: `MODEL.npy (n, d)` or an `EmbeddingStore`, in the order of the
    attributes. Any other images and attributes will do in these formats.

    Raises `InputError`, a `ValueError`, naming file, line and what is wrong.
    """
    folder = Path(folder)
    image, names, attributes = _read_attributes(_find(folder, "list_attr_celeba.txt"))
    place = {name: i for i, name in enumerate(image)}
    partition = _read_column(_find(folder, "list_eval_partition.txt"), place, (0, 1, 2))
    who = _look(folder, "identity_CelebA.txt")
    inside = folder / "embeddings"
    return CelebA(
        np.array(image),
        tuple(names),
        attributes,
        partition.astype(np.int8),
        None if who is None else _read_column(who, place, None),
        open_models(inside, rows=len(image)) if inside.is_dir() else (),
    )


def _look(folder: Path, name: str) -> Path | None:
    places = (folder / name, folder / "Anno" / name, folder / "Eval" / name)
    return next((p for p in places if p.is_file()), None)


def _find(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder.{near(folder)}")
    path = _look(folder, name)
    if path is None:
        raise InputError(
            f"{folder} lacks {name}: it is among the annotations that CelebA's page offers."
        )
    return path


def _lines(path: Path, start: int = 1) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8") as file:
        try:
            for number, line in enumerate(file, 1):
                if number >= start and line.strip():
                    yield number, line.split()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is no text: copy it again.") from error


def _read_attributes(path: Path):
    head = _lines(path)
    (_, first), (_, names) = next(head, (0, [])), next(head, (0, []))
    if len(first) != 1 or not first[0].isdigit() or not names:
        raise InputError(
            f"{path}, line 1: the number of images is expected there, and the names of the "
            "attributes in line 2."
        )
    if len(set(names)) != len(names):
        raise InputError(f"{path}, line 2 names an attribute twice.")
    image, values, seen = [], [], set()
    for number, (name, *row) in head:
        if len(row) != len(names) or not set(row) <= {"-1", "0", "1"}:
            raise InputError(
                f"{path}, line {number}: a file name and {len(names)} values -1 or 1 (0 "
                f"for not known) are expected; there are {len(row)}."
            )
        if name in seen:
            raise InputError(f"{path}, line {number}: {name} is there a second time.")
        seen.add(name)
        image.append(name)
        values.append(np.array(row, np.int8))
    if len(image) != int(first[0]):
        raise InputError(
            f"{path} says it has {int(first[0]):,} images and has {len(image):,}: it is "
            "truncated, or line 1 is wrong."
        )
    return image, names, np.stack(values) if values else np.zeros((0, len(names)), np.int8)


def _read_column(path: Path, place: dict[str, int], allowed) -> np.ndarray:
    """Whole numbers by image, in the order of the attributes; every image has one."""
    column = np.zeros(len(place), np.int64)
    known = np.zeros(len(place), bool)
    for number, row in _lines(path):
        if len(row) != 2 or not row[1].lstrip("-").isdigit():
            raise InputError(
                f"{path}, line {number}: a file name and a whole number are expected."
            )
        name, value = row[0], int(row[1])
        if allowed is not None and value not in allowed:
            raise InputError(f"{path}, line {number}: {value} is none of {allowed}.")
        if name not in place:
            raise InputError(f"{path}, line {number}: {name} has no attributes.")
        if known[place[name]]:
            raise InputError(f"{path}, line {number}: {name} is there a second time.")
        column[place[name]], known[place[name]] = value, True
    if not known.all():
        missing = list(place)[int(np.argmin(known))]
        raise InputError(
            f"{path} lacks {np.sum(~known):,} of {len(place):,} images, such as {missing}."
        )
    return column
