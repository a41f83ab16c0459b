"""Images as pixels of a model's size, decoded ahead by worker threads."""

import collections
import dataclasses
import itertools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from ..core.extras import MissingExtra, need
from ..data.align import align_face
from ..data.arrays import InputError
from ..data.images import Images
from ..data.preprocess import Preprocess


Landmarks = np.ndarray | Mapping[Any, Any]
"""5 or 68 points (x, y) a face: in the order of the images, or by their names."""


aligned_families = "arcface", "adaface", "mobilefacenet"
"""Presets of networks that want faces moved onto ArcFace's template."""


class Batch(NamedTuple):
    """Pixels (size, h, w, c), of which the first belong to the images `rows`.

    `failed`: images without pixels, and why.
    """

    rows: list[int]
    pixels: UInt8[np.ndarray, "size h w c"]
    failed: dict[int, str]


class Frames:
    """Images, made what `preprocess` says; if there are landmarks, aligned, not cropped."""

    def __init__(
        self,
        images: Images,
        preprocess: Preprocess,
        landmarks: Landmarks | None = None,
        workers: int | None = None,
    ):
        if workers is not None and workers < 1:
            raise ValueError(f"workers is a number of threads, at least 1; got {workers}.")
        if landmarks is not None:  # an aligned face is all there is to see
            preprocess = dataclasses.replace(preprocess, crop=None)
        self._images, self._preprocess = images, preprocess
        self._landmarks = None if landmarks is None else _by_index(landmarks, images)
        self._workers = workers or os.cpu_count() or 1
        need("PIL.Image", "images")

    def frame(self, i: int) -> UInt8[np.ndarray, "h w c"]:
        """The i-th image; any exception if there is none."""
        image = self._images.read(i)
        if self._landmarks is not None:
            pil, points = need("PIL.Image", "images"), self._landmarks[i]
            if points is None:
                raise ValueError("there are no landmarks for it")
            if image.mode != "L":
                image = image.convert("RGB")
            assert self._preprocess.size is not None
            face = align_face(np.asarray(image), points, self._preprocess.size)
            return self._preprocess.frame(pil.fromarray(face))
        return self._preprocess.frame(image)

    def batches(self, index: Sequence[int], size: int) -> Iterator[Batch]:
        """These images, `size` at a time, the last padded by zeros; two batches ahead."""
        c = self._preprocess.channels
        shape = (size, *(self._preprocess.size or ()), c)
        rows, pixels, failed = [], np.zeros(shape, np.uint8), {}
        for i, frame in self._ahead(index, 2 * size):
            if isinstance(frame, str):
                failed[i] = frame
                continue
            pixels[len(rows)] = frame
            rows.append(i)
            if len(rows) == size:
                yield Batch(rows, pixels, failed)
                rows, pixels, failed = [], np.zeros(shape, np.uint8), {}
        if rows or failed:
            yield Batch(rows, pixels, failed)

    def _ahead(self, index: Sequence[int], count: int) -> Iterator[tuple[int, Any]]:
        """Each image with its pixels, or with a text that says why it has none."""
        left = iter(index)
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="jfacemap-decode")
        try:
            begin = lambda i: (i, pool.submit(self._try, i))
            ahead = collections.deque(map(begin, itertools.islice(left, count)))
            while ahead:
                i, future = ahead.popleft()
                ahead.extend(map(begin, itertools.islice(left, 1)))
                yield i, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _try(self, i: int) -> UInt8[np.ndarray, "h w c"] | str:
        try:
            return self.frame(i)
        except MissingExtra:
            raise
        except Exception as error:  # decoders raise whatever they like
            text = " ".join(str(error).split()) or type(error).__name__
            return text[:200]


def warn_of_size(images: Images, preprocess: Preprocess, family: Any) -> None:
    """Warn if a family wants aligned faces and the first image is of another size."""
    if family not in aligned_families:
        return
    try:
        width, height = images.read(0).size
    except Exception:  # told later, of whichever image cannot be read
        return
    if (height, width) != preprocess.size:
        size = " x ".join(map(str, preprocess.size or ()))
        warnings.warn(
            f"The image {images.names[0]} is {height} x {width}, and {family} takes "
            f"aligned faces of {size}: without landmarks images are only resized. Give "
            "landmarks, unless the faces are aligned.",
            stacklevel=3,
        )


def _by_index(landmarks: Landmarks, images: Images) -> list[Any]:
    """Points of each image in order; None for one that a mapping does not name."""
    if isinstance(landmarks, Mapping):
        found = [landmarks.get(name) for name in images.names]
        if all(points is None for points in found):
            raise InputError(
                "No image has landmarks: the names in the mapping are those of the images, "
                f"as {images.names[0]!r}."
            )
        return [None if p is None else np.asarray(p) for p in found]
    points = np.asarray(landmarks)
    if points.ndim != 3 or points.shape[1] not in (5, 68) or points.shape[2] != 2:
        raise InputError(
            f"Landmarks have shape {points.shape}; they are (n, 5, 2) or (n, 68, 2): x and "
            "y of each point, in pixels."
        )
    if len(points) != len(images):
        raise InputError(
            f"Images are {len(images):,}, and there are landmarks for {len(points):,}: "
            "give as many, in their order, or {name: points}."
        )
    return list(points)
