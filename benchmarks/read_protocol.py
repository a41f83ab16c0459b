"""IJB-C's protocol from its text files: 15.7 million pairs of templates, line by line."""

import csv
import itertools
import pathlib
import tempfile

import jax
import numpy as np

import jfacemap as jfm

from .harness import race, Row, Side, Size
from .report import launch


lines_timed = 200_000
"""Lines of the list of pairs that Python reads: all of them take half a minute."""


def run(size: Size) -> list[Row]:
    """`read_ijb` reads and checks all files; the others the list of pairs alone.

    "Error" is 0 where what is read is what was written.
    """
    world = jfm.data.simulate_ijb(jax.random.key(0), scale=size.protocol, models=1, width=4)
    protocol = world.protocol
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        jfm.data.write_ijb(protocol, folder)
        (path,) = folder.rglob("*_template_pair_label.txt")
        count = min(lines_timed, protocol.n_pairs)
        share = count / protocol.n_pairs
        truth = np.column_stack([protocol.pairs, protocol.genuine])
        wrong = lambda table: float(np.abs(np.asarray(table) - truth[: len(table)]).max())
        ours = "read_ijb, all files, checked"
        peers = "numpy.loadtxt, the pairs", "Python's csv, the pairs"
        sides = {
            ours: Side(
                lambda: jfm.data.read_ijb(folder, check_counts=False),
                lambda p: wrong(np.column_stack([p.pairs, p.genuine])),
            ),
            peers[0]: Side(lambda: np.loadtxt(path, dtype=np.int64), wrong),
            peers[1]: Side(lambda: by_csv(path, count), wrong, share),
        }
        times = race(sides, min(size.rounds, 3))
    task = f"read a protocol of {protocol.n_pairs} pairs, {protocol.n_images} images"
    return [Row(task, times, ours, None, peer) for peer in peers]


def by_csv(path: pathlib.Path, count: int) -> np.ndarray:
    """The first lines by the standard library."""
    with path.open(newline="") as file:
        rows = itertools.islice(csv.reader(file, delimiter=" "), count)
        return np.array([list(map(int, row)) for row in rows])


if __name__ == "__main__":
    launch(run)
