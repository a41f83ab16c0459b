"""A folder of embeddings: of each model one file or store, all of the same images."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.same_images import check_same_images
from .arrays import InputError, is_floating, read_array, scan
from .store import EmbeddingStore


@dataclasses.dataclass(frozen=True)
class ModelRows:
    """The rows (n, d) of one model, on disk until they are read."""

    name: str
    shape: tuple[int, int]
    _read: Callable[[Any], np.ndarray]

    def read(self, index: Any = slice(None)) -> np.ndarray:
        """The rows of a slice, of positions or of a mask, in float32.

        Raises `InputError` if one of them holds NaN or infinity.
        """
        x = np.asarray(self._read(index), np.float32)
        broken, _ = scan(x)
        if len(broken):
            raise InputError(
                f"{self.name}: {len(broken):,} of {len(x):,} rows read hold NaN or "
                f"infinity, the first at {broken[0]}: embed those images again, or leave "
                "them out of the protocol."
            )
        return x


def open_models(
    folder: str | os.PathLike[str], *, rows: int | None = None
) -> tuple[ModelRows, ...]:
    """The models of a folder by name: each `NAME.npy`, and each `EmbeddingStore` in it.

    `rows`: how many each must have, such as the images of a protocol, whose order they
    follow. Raises `InputError` if there are none, or one is no (n, d) of floats;
    `ValueError` if stores that name their images differ in them or in their order.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the one with the embeddings.")
    files = [p for p in sorted(folder.iterdir()) if p.suffix == ".npy"]
    stores = [p for p in sorted(folder.iterdir()) if (p / "zarr.json").is_file()]
    models = [_open(p) for p in sorted(files + stores)]
    if not models:
        raise InputError(
            f"{folder} holds no embeddings: put NAME.npy, or an EmbeddingStore, of each "
            "model there."
        )
    names = [m.name for m in models]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"{folder} holds {twice.pop()} twice: as a file and as a store.")
    check_same_images({p.stem: EmbeddingStore.open(p) for p in stores})
    for model in models:
        if rows is not None and model.shape[0] != rows:
            raise InputError(
                f"{folder}/{model.name} has {model.shape[0]:,} rows, where {rows:,} images "
                "are to be compared: a row an image, in the order of the protocol."
            )
    return tuple(models)


def _open(path: Path) -> ModelRows:
    if path.is_dir():
        store = EmbeddingStore.open(path)
        return ModelRows(path.stem, store.shape, store.rows)
    x = read_array(path)
    if x.ndim != 2 or not is_floating(x):
        raise InputError(f"{path} holds {x.dtype}{list(x.shape)}; rows are (n, d) floats.")
    n, d = x.shape
    return ModelRows(path.stem, (n, d), x.__getitem__)
