"""A map at the thesis's size: 4,320 to 4,320 dimensions, streamed from stores on disk.

Writes two stores of float16 rows (simulated: a shared code, mixtures and noise of their
own), gathers the moments of the pair with a checkpoint, is killed on the way and goes on,
fits the affine map, and says how long it took, what memory it held, and what 1.3 million
rows, the thesis's number, would take. The stores are deleted at the end.

    python -m benchmarks.thesis_stream [--tiny] [--rows N] [--width D] [--folder F]
"""

import dataclasses
import multiprocessing
import os
import pathlib
import resource
import shutil
import sys
import tempfile
import time

import jax
import numpy as np
import tyro

import jfacemap as jfm
from jfacemap.data.moments_file import read_moments_metadata


thesis_rows = 1_300_000
rank, noise = 64, 0.3


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    rows: int = 200_000
    width: int = 4320
    every: int = 2**15
    """Rows between two commits of the checkpoint."""
    precision: str = "float64"
    """Of products, as of `jfm.pair_moments`."""
    folder: pathlib.Path | None = None
    """Where to put the stores; by default a temporary folder."""
    tiny: tyro.conf.FlagCreatePairsOff[bool] = False
    """3,000 rows of width 64, to see that it runs."""


def main(c: Config) -> None:
    """Make the stores, gather in a process that is killed, and in one that goes on."""
    if c.tiny:
        c = dataclasses.replace(c, rows=3000, width=64, every=500)
    need = 2 * c.rows * c.width * 2 + 2 * 16 * c.width**2
    base = c.folder or pathlib.Path(tempfile.gettempdir())
    free = shutil.disk_usage(base).free
    if need > free / 2:
        raise SystemExit(f"{need / 1e9:.1f} GB are needed in {base}, {free / 1e9:.1f} free")
    folder = pathlib.Path(tempfile.mkdtemp(dir=base))
    try:
        seconds = make(c, folder)
        print(f"two stores of {c.rows:,} x {c.width} float16, {seconds:.0f} s to make")
        killed_at = killed(c, folder)
        print(f"killed after {killed_at:,} rows", flush=True)
        found = in_process(gather, c, folder)
        show(c, found, killed_at)
    finally:
        shutil.rmtree(folder)


def make(c: Config, folder: pathlib.Path) -> float:
    """Two stores of rows that share a code of few dimensions."""
    began, rng = time.perf_counter(), np.random.default_rng(0)
    mixes = [np.float32(rng.normal(size=(rank, c.width))) for _ in range(2)]
    stores = [jfm.data.EmbeddingStore.create(folder / f"{i}.zarr", c.width, dtype="float16")
              for i in range(2)]  # fmt: skip
    for start in range(0, c.rows, 4096):
        n = min(4096, c.rows - start)
        code = rng.standard_normal((n, rank), np.float32)
        for store, mix in zip(stores, mixes, strict=True):
            own = rng.standard_normal((n, c.width), np.float32)
            rows = code @ mix / np.sqrt(rank) + noise * own
            store.append(np.asarray(rows, np.float16))
    for store in stores:
        store.close()
    return time.perf_counter() - began


def in_process(f, *args):
    """`f` in a process of its own, whose peak of memory is its alone."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(f, args)


def killed(c: Config, folder: pathlib.Path) -> int:
    """Gather in a process that is killed halfway; the rows done when it was."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_tell, args=(c, folder, theirs))
    child.start()
    done = 0
    while done < c.rows // 2:
        done = ours.recv()
    child.kill()
    child.join()
    return done


def _tell(c: Config, folder: pathlib.Path, pipe) -> None:
    def progress(done, n):
        pipe.send(done)
        if done >= n // 2:
            time.sleep(3600)  # until it is killed, and not on to the end

    stream(c, folder, progress)


def stream(c: Config, folder: pathlib.Path, progress):
    x, y = (jfm.data.EmbeddingStore.open(folder / f"{i}.zarr") for i in range(2))
    return jfm.stream_pair_moments(
        x,
        y,
        checkpoint=folder / "moments.safetensors",
        every=c.every,
        batch_rows=500 if c.tiny else None,
        precision=c.precision,
        progress=progress,
    )


def gather(c: Config, folder: pathlib.Path) -> dict[str, float]:
    """Go on from the checkpoint, and fit; seconds, gigabytes, and how good the map is."""
    seen = []
    start = read_moments_metadata(folder / "moments.safetensors")["done"]
    began = time.perf_counter()

    def progress(done, n):
        seen.append((done, time.perf_counter()))
        if sys.stderr.isatty():
            print(f"\r{done:,} of {n:,} rows", end="", file=sys.stderr)

    moments = stream(c, folder, progress)
    streamed = time.perf_counter() - began
    started = time.perf_counter()
    m = jax.block_until_ready(jfm.solve_affine(moments))
    solved = time.perf_counter() - started
    scale = 1 if sys.platform == "darwin" else 1024
    # The first batch compiles; where there is no other, that is counted in.
    first, last = seen[0] if len(seen) > 1 else (start, began), seen[-1]
    return {
        "resumed from": start,
        "streamed": streamed,
        "solved": solved,
        "rows a second": (last[0] - first[0]) / max(last[1] - first[1], 1e-9),
        "residual": float(jfm.map_residual(m, moments)),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9,
        "checkpoint": os.path.getsize(folder / "moments.safetensors") / 1e9,
    }


def show(c: Config, found: dict[str, float], killed_at: int) -> None:
    """What was measured, and what it says of the thesis's size."""
    rate = found["rows a second"]
    print(
        f"went on from row {int(found['resumed from']):,}, "
        f"{found['streamed']:.0f} s to the end: {rate:,.0f} rows a second, commits of "
        f"{found['checkpoint']:.2f} GB every {c.every:,} rows included"
    )
    print(f"affine map {c.width} -> {c.width} solved in {found['solved']:.1f} s")
    # Signal of variance 1, noise of noise^2: of the target's variance this share is noise.
    # On the rows it was fitted on a map of d + 1 rows of numbers fits a share of that, too.
    floor = noise**2 / (1 + noise**2)
    fitted = floor * max(0.0, 1 - (c.width + 1) / c.rows)
    print(
        f"residual {found['residual']:.4f} of the rows fitted on: noise of the target is "
        f"{floor:.4f} of its variance, of which fitting noise leaves {fitted:.4f}"
    )
    print(f"peak memory of the process {found['peak']:.2f} GB")
    flops = c.width**2 * 3
    print(
        f"{rate * flops / 1e9:.1f} GF/s in products; at this rate {thesis_rows:,} rows "
        f"take {thesis_rows / rate / 3600:.2f} hours, in the same memory"
    )


if __name__ == "__main__":
    main(tyro.cli(Config, prog="python -m benchmarks.thesis_stream", description=__doc__))
