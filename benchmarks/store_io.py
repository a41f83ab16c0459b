"""The embedding store beside a .npy memory map and beside zarr-python.

The same rows are written batch by batch, read back in order, and read at random places.
Files are in the system's cache: what is timed is the format, not the disk. A .npy has no
columns, no checksums, and nothing left of it if its writer dies; the store has all three.
"""

import itertools
import pathlib
import shutil
import tempfile

import numpy as np

import jfacemap as jfm

from .harness import race, Row, Side, Size
from .report import launch


batch = 4096
peers = "npy memory map", "zarr-python"


def run(size: Size) -> list[Row]:
    """Rows of 8 times the usual number; "error" is 0 where what is read was written."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8 * size.rows, size.width), np.float32)
    places = rng.permutation(len(x))[: min(batch, len(x) // 2)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        writers = {"EmbeddingStore": write_store, peers[0]: write_npy, peers[1]: write_zarr}
        readers = {"EmbeddingStore": open_store, peers[0]: open_npy, peers[1]: open_zarr}
        write = {
            name: Side(lambda f=f, name=name: f(x, fresh(folder / name)))
            for name, f in writers.items()
        }
        written = race(write, size.rounds)
        wrong = lambda y, truth: float(np.abs(y - truth).max())
        every, some = {}, {}
        for name, opened in readers.items():
            path = folder / name
            every[name] = Side(
                lambda opened=opened, path=path: sum_of(opened(path)[0]),
                lambda total: wrong(total, x.sum(axis=0, dtype=np.float64)),
            )
            some[name] = Side(
                lambda opened=opened, path=path: opened(path)[1](places),
                lambda y: wrong(y, x[places]),
            )
        read, picked = race(every, size.rounds), race(some, size.rounds)
    what = f"{len(x)} x {size.width} float32 rows, {x.nbytes / 1e6:.0f} MB"
    tasks = (
        (f"write {what}, in batches of {batch}", written),
        (f"read and sum {what}, in batches of {batch}", read),
        (f"read {len(places)} rows at random of {what}", picked),
    )
    return [
        Row(task, times, "EmbeddingStore", None, peer)
        for (task, times), peer in itertools.product(tasks, peers)
    ]


def fresh(path: pathlib.Path) -> pathlib.Path:
    """The path, with nothing there."""
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    return path


def parts(x):
    """Batches of rows, and where they begin."""
    return ((i, x[i : i + batch]) for i in range(0, len(x), batch))


def sum_of(batches) -> np.ndarray:
    """The sum of all rows, so that every byte is looked at."""
    return np.sum([rows.sum(axis=0, dtype=np.float64) for rows in batches], axis=0)


def write_store(x, path) -> None:
    """One commit at the end; every batch is safe with `commit=True`, the default."""
    with jfm.data.EmbeddingStore.create(path, x.shape[1]) as store:
        for _, rows in parts(x):
            store.append(rows, commit=False)


def write_npy(x, path) -> None:
    file = np.lib.format.open_memmap(path, "w+", x.dtype, x.shape)
    for i, rows in parts(x):
        file[i : i + batch] = rows
    file.flush()


def write_zarr(x, path) -> None:
    """Chunks as large as the store's, compressed by zarr-python's default."""
    import zarr

    rows_of_chunk = max(1, 2**22 // x[:1].nbytes)
    array = zarr.create_array(
        path, shape=(0, x.shape[1]), chunks=(rows_of_chunk, x.shape[1]), dtype=x.dtype
    )
    for _, rows in parts(x):
        array.append(rows)


def open_store(path):
    """Batches in order, and rows at places."""
    store = jfm.data.EmbeddingStore.open(path)
    return store.batches(batch), store.rows


def open_npy(path):
    """The same of a memory map."""
    file = np.load(path, mmap_mode="r")
    return (rows for _, rows in parts(file)), lambda places: np.asarray(file[places])


def open_zarr(path):
    """The same of zarr-python's array."""
    import zarr

    array = zarr.open_array(path, mode="r")
    whole = lambda i: np.asarray(array[i : i + batch])
    batches = (whole(i) for i in range(0, array.shape[0], batch))
    return batches, lambda places: np.asarray(array.oindex[places])


if __name__ == "__main__":
    launch(run)
