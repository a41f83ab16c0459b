"""Image files to embeddings, beside the loop a user would write around onnxruntime.

Needs `$JFACEMAP_DATA` with a network and `lfw100.npz`, whose hundred images are written
as .jpg files, each several times. Both sides read them.
"""

import dataclasses
import os
import pathlib
import tempfile
import time

import numpy as np

import jfacemap as jfm

from .harness import Row, Size, Timing
from .networks import find_networks
from .onnx_speed import open_session
from .report import launch


networks = {"fr_feature": "mobilefacenet", "efficientnet_lite0": "efficientnet_lite"}
copies = 5
"""Times each image is there, under another name."""


def run(size: Size) -> list[Row]:
    """A row for each network; nothing where the files are not."""
    folder = pathlib.Path(os.environ.get("JFACEMAP_DATA", "nowhere"))
    found = find_networks()
    pictures = folder / "lfw100.npz"
    if not pictures.is_file():
        return []
    small = size.rows < 1000
    names = [name for name in networks if name in found][: 1 if small else None]
    with tempfile.TemporaryDirectory() as scratch:
        files = save_images(pictures, pathlib.Path(scratch), 4 if small else None, small)
        return [row_of(name, found[name], files, size.rounds) for name in names]


def save_images(pictures, folder: pathlib.Path, some, small: bool) -> list[pathlib.Path]:
    """Aligned faces as .jpg files."""
    from PIL import Image

    with np.load(pictures) as file:
        images = file["aligned112"][:some]
    files = []
    for copy in range(1 if small else copies):
        for i, image in enumerate(images):
            files.append(folder / f"{copy}_{i:03}.jpg")
            Image.fromarray(image).save(files[-1], quality=95)
    return files


def row_of(name: str, path: pathlib.Path, files, rounds: int) -> Row:
    """Ours is timed from its first batch on, and scaled to all: before that it compiles."""
    how, f = networks[name], jfm.onnx2jax.load(path)
    seconds, truth, rows = ([], []), None, None
    session = open_session(path)
    for i in range(rounds):
        start = time.perf_counter()
        truth = by_onnxruntime(session, files, jfm.data.presets[how])
        seconds[0].append(time.perf_counter() - start)
        ticks = []
        store = jfm.embed(
            f,
            files,
            f"memory://{name}{i}",
            preprocess=how,
            batch_size=min(32, len(files) // 2),
            progress=lambda done, _, ticks=ticks: ticks.append((done, time.perf_counter())),
        )
        rows, (first, start), (last, end) = store.rows(), ticks[0], ticks[-1]
        seconds[1].append((end - start) * len(files) / (last - first))
    assert rows is not None and truth is not None
    error = float(np.abs(rows - truth).max() / np.abs(truth).max())
    peer, ours = "onnxruntime, image by image", "jfm.embed"
    times = {peer: Timing(np.array(seconds[0]), None),
             ours: Timing(np.array(seconds[1]), error)}  # fmt: skip
    rate = len(files) / times[ours].median
    task = f"embed {len(files)} .jpg images by {name} ({rate:.0f} a second)"
    return Row(task, times, ours, None, peer)


def by_onnxruntime(session, files, how: jfm.data.Preprocess) -> np.ndarray:
    """Decode, scale and embed one image after the other."""
    from PIL import Image

    (given,) = session.get_inputs()
    how = dataclasses.replace(how, size=tuple(given.shape[2:]))
    rows = []
    for file in files:
        pixels = how.frame(Image.open(file))  # crops and resizes, by Pillow
        x = (pixels.astype(np.float32) - how.mean) / how.std
        x = np.ascontiguousarray(x.transpose(2, 0, 1)[None], np.float32)
        rows.append(np.ravel(session.run(None, {given.name: x})[0]))
    return np.stack(rows)


if __name__ == "__main__":
    launch(run)
