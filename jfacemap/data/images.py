"""Images from wherever they are: a folder, a list of files, an array.

Files are read when they are asked for, one at a time, by whichever thread asks.
"""

import collections
import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.extras import need
from .arrays import InputError, read_array, split_spec


suffixes = frozenset(
    ".bmp .gif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .ppm .tif .tiff .webp".split()
)
"""Of the files of a folder that are taken for images."""

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | np.ndarray


@dataclasses.dataclass(frozen=True)
class Images:
    """n images that are not read yet.

    - `names`: of the files, as given or within their folder; of an array, positions
    - `read(i)`: the i-th as a `PIL.Image` of 8 bits, upright; any exception if it cannot
    - `folders`: of a folder's images, the folder that each lies in, relative to it
    - `array`: the array, if they are of one: its positions do not tell whose they are
    """

    names: list[str] | list[int]
    read: Callable[[int], Any]
    folders: list[str] | None = None
    array: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)


def open_images(source: Source) -> Images:
    """The images of a source.

    - a folder: all images in it and below, by path; hidden files are passed over
    - one image file, or a list of files
    - an array (n, h, w), (n, h, w, 1) or (n, h, w, 3) of uint8, red first, or the spec of
      one in a file: `X.npy`, `X.npz:key`

    Raises `InputError` if there are none, an image is named twice, or an array is of
    another shape or type. Pictures of 16 bits lose the lower 8; transparency is dropped;
    of animations the first picture counts.
    """
    if isinstance(source, str | os.PathLike):
        return _open_place(source)
    if hasattr(source, "shape"):
        return _of_array(np.asarray(source), "the array")
    return _of_files([Path(os.fspath(p)) for p in source], [os.fspath(p) for p in source])


def _open_place(place: str | os.PathLike[str]) -> Images:
    path, _ = split_spec(place)
    if path.suffix.lower() in (".npy", ".npz", ".safetensors"):
        return _of_array(read_array(place), os.fspath(place))
    path = Path(place)
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise InputError(
            f"{path} does not exist: give a folder of images, or an array of them."
        )
    return _of_files([path], [os.fspath(place)])


def _of_folder(folder: Path) -> Images:
    found = sorted(
        Path(top, name)
        for top, _, names in os.walk(folder, followlinks=True)
        for name in names
        if Path(name).suffix.lower() in suffixes and not name.startswith(".")
    )
    if not found:
        kinds = " ".join(sorted(suffixes))
        raise InputError(f"{folder} holds no images, in it or below ({kinds}).")
    inner = [path.relative_to(folder) for path in found]
    above = [path.parent.as_posix() if path.parent.name else "" for path in inner]
    return _of_files(found, [path.as_posix() for path in inner], above)


def _of_files(
    paths: list[Path], names: list[str], folders: list[str] | None = None
) -> Images:
    if not paths:
        raise InputError("There are no images: the list of files is empty.")
    name, times = collections.Counter(names).most_common(1)[0]
    if times > 1:
        raise InputError(f"The image {name} is named {times} times: name each once.")
    return Images(names, lambda i: _read_file(paths[i]), folders)


def _of_array(images: np.ndarray, what: str) -> Images:
    shape = images.shape
    if images.dtype != np.uint8:
        raise InputError(
            f"{what} holds {images.dtype}; images are uint8, from 0 to 255: convert them, "
            "as (255 * x).round().astype('uint8') if they are from 0 to 1."
        )
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise InputError(
            f"{what} has shape {shape}; images are (n, h, w), or (n, h, w, 3) with red "
            "first: channels go last."
        )
    if 0 in shape:
        raise InputError(f"{what} holds no images: its shape is {shape}.")
    image = need("PIL.Image", "images")
    one = lambda i: images[i, ..., 0] if shape[3:] == (1,) else images[i]
    read = lambda i: image.fromarray(np.ascontiguousarray(one(i)))
    return Images(list(range(len(images))), read, array=images)


def _read_file(path: Path) -> Any:
    pil, ops = need("PIL.Image", "images"), need("PIL.ImageOps", "images")
    with pil.open(path) as image:
        image.load()
        if image.mode.startswith("I;16"):
            # Pillow itself would clip them at 255.
            return pil.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in ("I", "F"):
            raise ValueError(f"pixels of {image.mode!r}, of no known range")
        return ops.exif_transpose(image)
