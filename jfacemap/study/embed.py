"""From images to embeddings: any network, batch by batch, into a store that can go on."""

import collections
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from ..core.rows import check_size
from ..data.arrays import InputError
from ..data.images import Images, open_images, Source
from ..data.preprocess import Preprocess
from ..data.store import EmbeddingStore
from ..data.store_check import store_dtype
from ..data.store_place import Location, open_place, remove
from ..data.store_record import plain_metadata
from .embed_frames import Batch, Frames, Landmarks, warn_of_size
from .embed_network import digest, Network
from .embed_settings import differences


commit_seconds = 10.0
"""The most work that a kill undoes. Errors and Ctrl-C undo what is not computed yet."""

Progress = Callable[[int, int], None]


def embed(
    fn: Callable[..., Any],
    images: Source,
    place: Location,
    *,
    preprocess: str | Preprocess = "arcface",
    landmarks: Landmarks | None = None,
    flip: bool = False,
    batch_size: int = 32,
    workers: int | None = None,
    columns: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    dtype: Any = "float32",
    sharding: jax.sharding.Sharding | None = None,
    progress: Progress | None = None,
) -> EmbeddingStore:
    """Embed n images with a network and store a row (d,) of each.

    ```
    f = jfm.onnx2jax.load("arcface.onnx")
    store = jfm.embed(f, "photographs/", "arcface.zarr", preprocess="arcface")
    ```

    - `fn`: an `OnnxFunction` (exported for a batch of one or of any size), or a function
      that `jit` takes, of a float32 batch (b, ...) in the layout of `preprocess`; it
      returns (b, d), or (b, ...), which is flattened
    - `images`: a folder, a list of files, an array (n, h, w[, 3]) of uint8 or its spec in
      a file, as `jfm.data.open_images` takes them
    - `place`: of the store, a path or URL; `memory://name` keeps it in this process
    - `preprocess`: a name in `jfm.data.presets`, whose size, layout and channels give way
      to what the model declares, or a `jfm.data.Preprocess`
    - `landmarks`: 5 or 68 points a face, (n, 5, 2) or (n, 68, 2) in pixels of the image,
      in the order of the images, or {name: points}. By them faces are moved onto
      ArcFace's template, and not cropped; without, images are taken to be aligned,
      and a warning tells if the size of the first says otherwise
    - `flip`: take the mean of the embeddings of the image and of its mirror image
    - `batch_size`: images at once; fewer are padded, so that `fn` compiles once
    - `workers`: threads that decode ahead, by default one a core
    - `columns`: values (n,) to store with the rows: integers, floats or strings
    - `metadata`: to store, beside what is there; `dtype`: of the rows in the store
    - `sharding`: of a batch (b, h, w, c) over this process's devices, whose number divides
      `batch_size`
    - `progress`: called with the number of images done, and of all

    The store has a column `image`, the file's name or the position in the array; of a
    folder also `folder`, the one in it where the file lies: often who it shows. Its
    metadata say how images became rows (`embed`), and which did not and why (`skipped`):
    unreadable files, faces without landmarks, rows that are not finite.

    Rows are committed every 10 seconds, so a kill undoes no more than that, and on Ctrl-C
    all that are computed. Call it again to go on: images that are in the store are passed
    over, and those that were skipped tried again; rows are in the order of embedding.
    Raises `InputError` if the store was made in another way: other preprocessing, another
    array of images, ONNX model, dtype or columns. Files are known by their names alone:
    one replaced by another picture is not noticed. Nor is another function that holds no
    arrays, such as a lambda, or that holds the same.

    Of several processes (`jax.distributed`) each embeds its part of the images into a place
    of its own; then one of them makes one store of all:

    ```
    part = files[slice(*jfm.process_rows(len(files)))]
    jfm.embed(f, part, f"part-{jax.process_index()}.zarr")
    jfm.data.join_stores(["part-0.zarr", "part-1.zarr"], "all.zarr")
    ```

    Raises `InputError`, and leaves no store, if no image could be embedded;
    `ImportError` with what to install where Pillow is missing.
    """
    check_size(batch_size)
    found = open_images(images)
    values = _columns(columns or {}, found)
    network = Network(fn, preprocess, flip, sharding)
    frames = Frames(found, network.preprocess, landmarks, workers)
    if landmarks is None:
        warn_of_size(found, network.preprocess, preprocess)
    how = network.settings | {"aligned": landmarks is not None}
    how |= {"images": digest(found.array)}
    width = network.width(batch_size)
    with _open(place, width, dtype, values, how, dict(metadata or {})) as store:
        _fill(store, network, frames, found, values, batch_size, progress)
    store = EmbeddingStore.open(place)
    if not len(store):
        remove(open_place(place))
        raise _nothing(store.metadata["skipped"])
    return store


def _nothing(skipped: Mapping[str, str]) -> InputError:
    """The error for images of which none became a row."""
    first = "; ".join(f"{name}: {why}" for name, why in list(skipped.items())[:3])
    more = "; ..." if len(skipped) > 3 else ""
    n = len(skipped)
    what = "The only image could not" if n == 1 else f"None of the {n:,} images could"
    return InputError(
        f"{what} be embedded, and no store is made ({first}{more}): give others."
    )


def _columns(given: Mapping[str, Any], images: Images) -> dict[str, np.ndarray]:
    """The values of every image, those that tell images apart among them."""
    own = {"image": np.array(images.names)}
    if images.folders is not None:
        own["folder"] = np.array(images.folders)
    if taken := set(own) & set(given):
        raise ValueError(f"The column {min(taken)!r} is written by embed: rename yours.")
    values = {name: np.asarray(v) for name, v in given.items()}
    for name, v in values.items():
        if v.shape != (len(images),):
            raise ValueError(
                f"Column {name!r} has shape {v.shape}, and images are {len(images):,}: one "
                "value each."
            )
    return own | values


def _open(place, width: int, dtype, values, how, metadata) -> EmbeddingStore:
    """The store to go on with, or a new one."""
    if not EmbeddingStore.exists(place):
        return EmbeddingStore.create(
            place,
            width,
            dtype=dtype,
            columns={name: _kind(v) for name, v in values.items()},
            metadata={"skipped": {}} | metadata | {"embed": how},
        )
    store = EmbeddingStore.open(place, writable=True)
    try:
        _check_same(store, width, np.dtype(store_dtype(dtype)), set(values), how)
        if metadata:
            store.annotate(metadata | {"embed": store.metadata["embed"]})
    except BaseException:
        store.close()
        raise
    return store


def _kind(values: np.ndarray) -> type:
    kinds = {"i": int, "u": int, "f": float}
    return kinds.get(values.dtype.kind, str)


def _check_same(store, width: int, dtype: np.dtype, columns: set[str], how: dict) -> None:
    old = store.metadata.get("embed")
    if old is None:
        raise InputError(f"{store!r} was not made by embed: give another place.")
    theirs = old | {"dtype": store.dtype.name, "width": store.shape[1]}
    theirs |= {"columns": sorted(store.columns)}
    ours = plain_metadata(how) | {"dtype": dtype.name, "width": width}
    ours |= {"columns": sorted(columns)}
    differ = list(differences(theirs, ours))
    if differ:
        raise InputError(
            f"{store!r} was embedded in another way ({'; '.join(differ)}): give another "
            "place, or remove it."
        )


def _fill(
    store: EmbeddingStore,
    network: Network,
    frames: Frames,
    images: Images,
    values: dict[str, np.ndarray],
    batch_size: int,
    progress: Progress | None,
) -> None:
    """Embed what is not there yet. While a batch is computed, the last one is written."""
    there = set(store.column("image").tolist())
    todo = [i for i, name in enumerate(images.names) if name not in there]
    skipped: dict[str, str] = {}
    done, committed = len(images) - len(todo), time.monotonic()

    def write(batch: Batch, rows: jax.Array) -> None:
        nonlocal done, committed
        kept, x = np.array(batch.rows, int), np.asarray(rows)[: len(batch.rows)]
        skipped.update({str(images.names[i]): why for i, why in batch.failed.items()})
        finite = np.all(np.isfinite(x), axis=1)
        lost = "its embedding is not finite"
        skipped.update({str(images.names[i]): lost for i in kept[~finite]})
        x, kept = x[finite], kept[finite]
        store.append(x, commit=False, **{name: v[kept] for name, v in values.items()})
        if time.monotonic() - committed > commit_seconds:
            store.commit()
            committed = time.monotonic()
        done += len(batch.rows) + len(batch.failed)
        if progress is not None:
            progress(done, len(images))

    begun: collections.deque[tuple[Batch, jax.Array]] = collections.deque()

    def finish(left: int) -> None:
        while len(begun) > left:
            jax.block_until_ready(begun[0][1])  # Ctrl-C comes here, and loses nothing
            write(*begun.popleft())

    try:
        for batch in frames.batches(todo, batch_size):
            begun.append((batch, network(batch.pixels)))
            finish(1)
    except KeyboardInterrupt:  # closing the store commits what is computed
        finish(0)
        raise
    finish(0)
    store.commit()
    store.annotate({"skipped": skipped})
