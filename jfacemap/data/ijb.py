"""IJB-B and IJB-C protocols in and out of the text files they are published in."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from .arrays import InputError
from .ijb_files import (
    face_end,
    face_layout,
    find_protocol,
    image_end,
    image_layout,
    need,
    optional_files,
    pair_end,
    pair_layout,
    points,
    roster_end,
    roster_layout,
    roster_paths,
)
from .ijb_text import find_table, read_table, write_table
from .protocol import Protocol, Roster
from .protocol_check import find_fault


published = {
    "ijbb": {
        "images": 227_630,
        "templates": 12_115,
        "pairs": 8_010_270,
        "genuine pairs": 10_270,
        "impostor pairs": 8_000_000,
    },
    "ijbc": {
        "images": 469_375,
        "templates": 23_124,
        "pairs": 15_658_489,
        "genuine pairs": 19_557,
        "impostor pairs": 15_638_932,
        "images of galleries": 11_856,
        "images of probes": 457_519,
        "templates of G1": 1_772,
        "templates of G2": 1_759,
        "templates of probes": 19_593,
    },
}
"""What the whole of a data set holds; for IJB-B only what 1:1 verification uses."""


def read_ijb(
    folder: str | os.PathLike[str], *, name: str | None = None, check_counts: bool = True
) -> Protocol:
    """Read a protocol from its text files (`ijb_files`) in `folder` or `folder/meta`.

    Files may be gzipped. In the lists of the 1:N protocol columns after the second are
    ignored, and a template on several lines, one an image, counts once.

    **Arguments:**

    - `name`: what the files begin with, as "ijbb" or "ijbc"; by default what is there.
    - `check_counts`: that there are as many images, templates, pairs and so on as
      `published`. Turn it off for a part of a data set, or for other data.

    Raises `InputError` naming the file, and the line where there is one: a file that is
    missing or malformed, files that contradict each other (`find_fault`), other counts.
    Needs the extra `protocol` (pyarrow).
    """
    folder, name = find_protocol(Path(folder), name)
    if check_counts and name not in published:
        raise InputError(
            f"No counts are published for {name!r} ({folder}), only for "
            f"{' and '.join(published)}: read it with check_counts=False."
        )
    image_path, pair_path = need(folder, name + image_end), need(folder, name + pair_end)
    images, pairs = read_table(image_path, image_layout), read_table(pair_path, pair_layout)
    places: dict[str, tuple[Path, Sequence[int] | np.ndarray]] = {
        "images": (image_path, range(1, len(images["image"]) + 1)),
        "pairs": (pair_path, range(1, len(pairs["label"]) + 1)),
    }
    rosters = {}
    for part, path in roster_paths(folder, name).items():
        rosters[part], lines = _read_roster(path)
        places[part] = path, lines
    landmarks, score = _read_faces(folder, name, image_path, images["image"])
    protocol = Protocol(
        name=name,
        **images,
        pairs=np.stack([pairs.pop("template 1"), pairs.pop("template 2")], axis=1),
        genuine=pairs["label"],
        landmarks=landmarks,
        detector_score=score,
        probes=rosters.pop("probes", None),
        galleries=rosters,
    )
    fault = find_fault(protocol)
    if fault is not None:
        path, lines = places[fault.part]
        raise InputError(f"{path}, line {lines[fault.row]}: {fault.message}")
    if check_counts:
        _check_counts(protocol, folder)
    return protocol


def write_ijb(protocol: Protocol, folder: str | os.PathLike[str]) -> None:
    """Write a protocol to the text files that `read_ijb` reads back the same.

    The folder is made if need be. Files of the same names are replaced, each whole or not
    at all. Raises `InputError` for a protocol that contradicts itself (`find_fault`) and
    for a folder with further files of its name, which would be read back too.
    """
    folder, name = Path(folder), protocol.name
    fault = find_fault(protocol)
    if fault is not None:
        raise InputError(f"Row {fault.row} of the {fault.part}: {fault.message}")
    tables = {
        image_end: (image_layout, [protocol.image, protocol.template, protocol.media]),
        pair_end: (pair_layout, [*protocol.pairs.T, protocol.genuine]),
    }
    if protocol.landmarks is not None:
        faces = [protocol.image, *protocol.landmarks.T, protocol.detector_score]
        tables[face_end] = face_layout, faces
    for part, roster in protocol.rosters.items():
        tables[roster_end(part)] = roster_layout, [roster.template, roster.subject]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.") from error
    for end, path in optional_files(folder, name).items():
        if end not in tables:
            raise InputError(
                f"{path} is of another protocol {name!r}: remove it, or write to another "
                "folder."
            )
    for end, (layout, columns) in tables.items():
        columns = dict(zip(layout.columns, columns, strict=True))
        write_table(folder / (name + end), layout, columns)


def _read_roster(path: Path) -> tuple[Roster, np.ndarray]:
    """A list of the 1:N protocol, and the line of each of its templates."""
    columns = read_table(path, roster_layout)
    both = np.stack([columns["template"], columns["subject"]], axis=1)
    first = np.sort(np.unique(both, axis=0, return_index=True)[1])
    return Roster(both[first, 0], both[first, 1]), first + 2


def _read_faces(
    folder: Path, name: str, image_path: Path, image: Shaped[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n 10"], Float[np.ndarray, " n"]] | tuple[None, None]:
    """Landmarks and detector scores, or neither."""
    path = find_table(folder / (name + face_end))
    if path is None:
        return None, None
    columns = read_table(path, face_layout)
    there = columns["image"]
    if len(there) != len(image):
        raise InputError(
            f"{path} has {len(there):,} lines and {image_path} has {len(image):,}: they "
            "are joined line by line, so one of them is cut or of other data."
        )
    other = np.flatnonzero(there != image)
    if other.size:
        row = other[0]
        raise InputError(
            f"{path}, line {row + 1} is of image {there[row]}, but that line of "
            f"{image_path} is of {image[row]}: they are joined line by line."
        )
    return np.stack([columns[p] for p in points], axis=1), columns["score"]


def _check_counts(protocol: Protocol, folder: Path) -> None:
    found, wanted = protocol.counts, published[protocol.name]
    if protocol.probes is None:
        wanted = {key: n for key, n in wanted.items() if key in found}
    wrong = [
        f"{found.get(key, 0):,} {key} where {n:,} are published"
        for key, n in wanted.items()
        if found.get(key, 0) != n
    ]
    if wrong:
        raise InputError(
            f"{folder} is not the whole of {protocol.name}: {'; '.join(wrong)}. Copy it "
            "again, or read a part of it with check_counts=False."
        )
