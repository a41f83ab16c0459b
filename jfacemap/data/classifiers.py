"""Image classifiers a user brings: features and linear heads, a file a network.

A folder holds `NAME.npz` for each network, the same images in the same order in all:

- `features (n, d)`, `labels (n,)` from 0: what classifiers are judged on
- `head_weight (d, classes)`, `head_bias (classes,)`: the last layer, `x W + b`; frameworks
  that keep (classes, d) need `.T`
- `image (n,)`, optional: which rows are of one image (crops of it); by default all differ

and, of images that nothing is judged on, what maps are fitted on: `fit_features (m, d)` in
the same file, or rows that need not fit in memory in `NAME.fit.npy` or the
`EmbeddingStore` `NAME.fit.zarr`; and in the same file

- `fit_image (m,)`, optional: which of these rows are of one image, by numbers or names of
  their own; by default all differ. Crops of one image are held out together

Without rows to fit on, maps are fitted on some of the images and judged on the others.
"""

import dataclasses
import os
from pathlib import Path

import numpy as np

from ..core.head import Head
from ..core.rows import ArrayRows, RowSource
from .arrays import InputError, is_floating, open_arrays, read_array
from .store import EmbeddingStore


@dataclasses.dataclass(frozen=True)
class Classifier:
    """One network: its `head`, rows to judge it by, and rows to fit maps on.

    `features (n, d)`, `labels (n,)`, `image (n,)`; `fit_rows` of m rows and
    `fit_image (m,)` are None if the folder has none.
    """

    name: str
    head: Head
    features: np.ndarray
    labels: np.ndarray
    image: np.ndarray
    fit_rows: RowSource | None
    fit_image: np.ndarray | None = None


def read_classifiers(folder: str | os.PathLike[str]) -> list[Classifier]:
    """The networks of a folder, by name; see the head of this module for its files.

    Raises `InputError`, naming file and remedy, for a missing array, shapes that do not
    match, labels that are no class of the head, or networks of different images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.")
    files = sorted(folder.glob("*.npz"))
    if len(files) < 2:
        raise InputError(
            f"{folder} has {len(files)} files NAME.npz: two networks or more are needed, "
            "each with features, labels, head_weight and head_bias."
        )
    found = [_read(path) for path in files]
    for other in found[1:]:
        _check_same(folder, found[0], other)
    return found


def _read(path: Path) -> Classifier:
    arrays = open_arrays(path)
    for name in ("features", "labels", "head_weight", "head_bias"):
        if name not in arrays:
            raise InputError(f"{path} has no array {name!r}; it has {', '.join(arrays)}.")
    features, labels = arrays["features"](), arrays["labels"]()
    weight, bias = arrays["head_weight"](), arrays["head_bias"]()
    if features.ndim != 2 or not is_floating(features):
        raise InputError(
            f"{path}: features are (n, d) floats; got {features.shape} {features.dtype}."
        )
    n, d = features.shape
    try:
        head = Head(weight, bias)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if head.dim != d:
        turned = " Transpose it." if head.classes == d else ""
        raise InputError(
            f"{path}: features are {d} wide and the head takes {head.dim}.{turned}"
        )
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: labels are ({n},) integers, one a row; got {labels.shape} "
            f"{labels.dtype}."
        )
    if n == 0 or labels.min() < 0 or labels.max() >= head.classes:
        raise InputError(
            f"{path}: labels are classes of the head, 0 to {head.classes - 1}, of one row "
            "at least."
        )
    image = arrays["image"]() if "image" in arrays else np.arange(n)
    if image.shape != (n,):
        raise InputError(f"{path}: image is ({n},), one a row; got {image.shape}.")
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(broken):
        raise InputError(f"{path}: {len(broken):,} rows of features are not finite.")
    fit_rows = _fit_rows(path, arrays)
    if fit_rows is not None and fit_rows.shape[1] != d:
        raise InputError(
            f"{path}: features are {d} wide and rows to fit on {fit_rows.shape[1]}."
        )
    fit_image = _fit_image(path, arrays, fit_rows)
    return Classifier(path.stem, head, features, labels, image, fit_rows, fit_image)


def _fit_image(path: Path, arrays, fit_rows: RowSource | None) -> np.ndarray | None:
    given = arrays["fit_image"]() if "fit_image" in arrays else None
    if fit_rows is None:
        if given is not None:
            raise InputError(
                f"{path}: fit_image is of rows to fit on, and there are none: "
                "fit_features, NAME.fit.npy or NAME.fit.zarr."
            )
        return None
    m = fit_rows.shape[0]
    image = np.arange(m) if given is None else given
    if image.shape != (m,):
        raise InputError(
            f"{path}: fit_image is ({m},), one a row to fit on; got {image.shape}."
        )
    return image


def _fit_rows(path: Path, arrays) -> RowSource | None:
    array, store = path.with_suffix(".fit.npy"), path.with_suffix(".fit.zarr")
    places = ["fit_features"] if "fit_features" in arrays else []
    places += [str(p) for p in (array, store) if p.exists()]
    if len(places) > 1:
        raise InputError(f"{path}: rows to fit on are twice there: {', '.join(places)}.")
    if store.exists():
        return EmbeddingStore.open(store)
    if not places:
        return None
    x = read_array(array) if array.exists() else arrays["fit_features"]()
    if x.ndim != 2 or not is_floating(x):
        raise InputError(
            f"{places[0]} of {path}: rows are (m, d) floats; got {x.shape} {x.dtype}."
        )
    return ArrayRows(x)


def _check_same(folder: Path, first: Classifier, other: Classifier) -> None:
    pair = f"{folder}: {first.name} and {other.name}"
    if not np.array_equal(first.labels, other.labels):
        raise InputError(f"{pair} have other labels: give the same images in one order.")
    if not np.array_equal(first.image, other.image):
        raise InputError(f"{pair} say differently which rows are of one image.")
    if first.head.classes != other.head.classes:
        raise InputError(
            f"{pair} tell apart {first.head.classes} and {other.head.classes} classes."
        )
    rows = [c.fit_rows and c.fit_rows.shape[0] for c in (first, other)]
    if rows[0] != rows[1]:
        raise InputError(
            f"{pair} have {rows[0] or 'no'} and {rows[1] or 'no'} rows to fit on: give "
            "the same images in one order."
        )
    if not np.array_equal(np.asarray(first.fit_image), np.asarray(other.fit_image)):
        raise InputError(
            f"{pair} say differently which rows to fit on are of one image: give all of "
            "them the same fit_image."
        )
