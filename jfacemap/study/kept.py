"""Results of long work kept in a folder, piece by piece, so that a killed run goes on.

A piece appears whole or not at all: it is written beside its place, and renamed. What
makes the results what they are is written first and compared afterwards.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..data.arrays import InputError


def file_name(name: str) -> str:
    """A name as that of a file: letters, digits, `-`, `_` and `.` stay as they are."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


class Kept:
    """A folder of named pieces, each some arrays by name.

    Of several processes that share the folder all read, and the first one writes.
    """

    def __init__(self, folder: str | os.PathLike[str], about: Mapping[str, Any]):
        self.folder = Path(folder)
        self._writes = jax.process_index() == 0
        about = json.loads(json.dumps(about))
        note = self.folder / "about.json"
        if note.exists():
            found = json.loads(note.read_text())
            differ = [k for k in about if found.get(k) != about[k]]
            if differ:
                raise InputError(
                    f"{self.folder} keeps results found in another way "
                    f"({', '.join(differ)}): give another folder, or remove it."
                )
        # Known now, by all processes alike: none writes before the others have looked.
        self.pieces = {p.stem for p in self.folder.glob("*.npz")}
        if jax.process_count() > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices(f"kept {self.folder}")
        if self._writes and not note.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._place(note, lambda file: file.write(json.dumps(about).encode()))

    def read(self, name: str) -> dict[str, np.ndarray]:
        """A piece that an earlier run left."""
        with np.load(self.folder / f"{name}.npz") as arrays:
            return {key: arrays[key] for key in arrays.files}

    def write(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Commit a piece."""
        if self._writes:
            path = self.folder / f"{name}.npz"
            save = lambda file: np.savez(file, **arrays)  # type: ignore
            self._place(path, save)

    def _place(self, path: Path, fill) -> None:
        partial = path.with_name(f".{path.name}.partial")
        with partial.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
