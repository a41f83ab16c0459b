"""Moments of more rows than memory holds: in one pass, shown, and gone on with.

Thesis 002 fits maps on 1.3 million rows of width up to 4,320. The statistic of such a pair
takes 300 MB however many rows there are; it is written to disk every so many rows, so that
a run that was killed goes on from there and ends with the same bits.
"""

import dataclasses
import functools as ft
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import unit
from ..core.moments import (
    as_named,
    check_signs,
    joint_moments,
    JointMoments,
    pair_moments,
    PairMoments,
)
from ..core.monoid import merge
from ..core.rows import as_rows, check_size, RowSource
from ..core.same_images import check_same_images
from ..core.types import as_array, Numeric
from ..data.arrays import InputError
from ..data.moments_file import (
    check_moments_path,
    load_moments,
    read_moments_metadata,
    save_moments,
)


Progress = Callable[[int, int], None]

batch_numbers = 2**25
"""Numbers of the widest model in a batch: 128 MiB of float32."""


@dataclasses.dataclass(frozen=True)
class Way:
    """How rows become moments: all of it changes the result."""

    normalize: bool
    precision: str


def stream_pair_moments(
    x: Numeric | RowSource,
    y: Numeric | RowSource,
    weights: Numeric | None = None,
    *,
    normalize: bool = False,
    precision: str = "float64",
    batch_rows: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 2**17,
    rows: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> PairMoments:
    """`jfm.pair_moments` of rows that are read batch by batch, once.

    **Arguments:**

    - `x`, `y`: arrays, memory maps (`np.load(..., mmap_mode="r")`) or `EmbeddingStore`s of
      the same images; `weights (n,)` as of `pair_moments`, in memory.
    - `normalize`: scale rows to unit length first.
    - `precision`: as of `pair_moments`.
    - `batch_rows`: rows at a time, by default 128 MiB of the wider model's in float32.
    - `checkpoint`: a `.safetensors` file. The moments so far are written to it every
      `every` rows and at the end, in one step. If it is there, rows it counts are passed
      over; sums are added in the same order, and the result is the same to the last bit.
      `jfm.data.load_moments` reads it.
    - `rows`: (start, stop), to stream no others, as each of several processes does with
      its own, `process_rows(n)`; `merge_processes` joins their moments. Each has a
      checkpoint of its own.
    - `progress`: called with the number of rows done, and of all.

    Memory holds a few batches and, for widths d and k, three or four times 8 d (d + k)
    bytes. Raises `ValueError` if rows do not pair up, by the column `image` too where
    stores have one, or if there are no such `rows`, `InputError` if the checkpoint is of
    other rows or another way of reading them, or, before a row is read, if it cannot be
    written.
    """

    return stream(
        {"x": x, "y": y},
        weights,
        lambda rows: PairMoments.zero(rows[0].shape[1], rows[1].shape[1], sum_dtype(rows)),
        Way(normalize, precision),
        (batch_rows, checkpoint, every, rows, progress),
    )


def stream_joint_moments(
    embeddings: Sequence[Numeric | RowSource] | Mapping[str, Numeric | RowSource],
    weights: Numeric | None = None,
    *,
    names: Sequence[str] | None = None,
    normalize: bool = False,
    precision: str = "float64",
    batch_rows: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 2**17,
    rows: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> JointMoments:
    """`jfm.joint_moments` of N models' rows that are read batch by batch, once.

    Arguments, memory (with 8 D^2 bytes for D columns in all) and errors as of
    `stream_pair_moments`.
    """
    embeddings, names = as_named(embeddings, names)
    return stream(
        dict(zip(names, embeddings, strict=True)),
        weights,
        lambda rows: JointMoments.zero([r.shape[1] for r in rows], names, sum_dtype(rows)),
        Way(normalize, precision),
        (batch_rows, checkpoint, every, rows, progress),
    )


def _add_batch(total, parts, w, at: int, way: Way):
    w = None if w is None else jnp.asarray(w)
    return add_rows(total, tuple(map(jnp.asarray, parts)), w, way)


def stream(
    sources, weights, empty, way: Way, run, add=_add_batch, also: tuple[str, ...] = ()
) -> Any:
    """Moments that begin as `empty(row sources)`, and to which `add` brings each batch.

    `add(total, parts, weights, row of the first, way)`; `run` holds the arguments
    `batch_rows` to `progress`; `also`: what else the rows of a checkpoint agree in.
    """
    batch_rows, checkpoint, every, span, progress = run
    path = None if checkpoint is None else check_moments_path(checkpoint)
    rows = [as_rows(source) for source in sources.values()]
    n, weights = _check_rows(dict(zip(sources, rows, strict=True)), as_array(weights))
    start, stop = _check_span(span, n)
    if batch_rows is None:
        batch_rows = max(1, batch_numbers // max(r.shape[1] for r in rows))
    check_size(batch_rows)
    check_size(every)
    total, done = empty(rows), 0
    about = dataclasses.asdict(way) | {"batch_rows": batch_rows}
    about |= {"rows": [*_identity(rows, weights), *also], "part": [start, stop]}
    if path is not None and path.exists():
        total, done = _resume(path, total, about)
    kept = done
    for parts in _batches(rows, batch_rows, start + done, stop):
        at, size = start + done, len(parts[0])
        w = None if weights is None else weights[at : at + size]
        jax.block_until_ready(total)  # or batches would queue up in memory
        total = add(total, parts, w, at, way)
        done += size
        if path is not None and (done - kept >= every or start + done == stop):
            if path.exists():  # meanwhile another process may have taken it
                _check_same(path, about)
            save_moments(path, total, about | {"done": done})
            kept = done
        if progress is not None:
            progress(done, stop - start)
    return total


@ft.partial(jax.jit, static_argnums=3, donate_argnums=0)
def add_rows(total, parts, w, way: Way):
    """`total` with the moments of some rows; what held it is given up."""
    parts = tuple(unit(p) if way.normalize else p for p in parts)
    if isinstance(total, PairMoments):
        x, y = parts
        return merge(total, pair_moments(x, y, w, precision=way.precision))
    new = joint_moments(parts, w, names=total.names, precision=way.precision)
    return merge(total, new)


def _check_rows(sources: Mapping[str, RowSource], weights) -> tuple[int, Any]:
    (first, rows), *_ = sources.items()
    n = rows.shape[0]
    for name, other in sources.items():
        if other.shape[0] != n:
            raise ValueError(
                f"Rows must pair up: {first} has {n:,} rows and {name} "
                f"{other.shape[0]:,}. Give the same images in the same order."
            )
        if not jnp.issubdtype(other.dtype, jnp.floating):
            raise ValueError(f"{name} holds {other.dtype}; embeddings are floats.")
    check_same_images(sources)
    if weights is not None and weights.shape != (n,):
        raise ValueError(f"weights must be ({n},) for {n} rows, got {weights.shape}.")
    if weights is not None:
        check_signs(np.asarray(weights))
    return n, weights


def sum_dtype(rows: Sequence[RowSource]):
    """The dtype that moments of such rows are parts of."""
    wide = any(jax.dtypes.canonicalize_dtype(r.dtype) == np.float64 for r in rows)
    return jnp.float64 if wide else jnp.float32


def _batches(
    rows: Sequence[RowSource], size: int, start: int, stop: int
) -> Iterator[tuple]:
    """Rows `start` to `stop`; sources are asked no further than the batch that holds it."""
    if start < stop:
        starts = range(start, stop, size)
        every = zip(*(r.batches(size, start=start) for r in rows), strict=True)
        for at, parts in zip(starts, every, strict=False):
            yield tuple(part[: stop - at] for part in parts)


def _check_span(span: tuple[int, int] | None, n: int) -> tuple[int, int]:
    start, stop = (0, n) if span is None else span
    if not 0 <= start <= stop <= n:
        raise ValueError(f"rows are (start, stop) within 0 to {n:,}; got {span}.")
    return start, stop


def _identity(rows: Sequence[RowSource], weights) -> list[str]:
    """A line for each source: its form, and a digest of some of its rows."""
    lines = []
    for r in rows:
        n, d = r.shape
        digest = hashlib.sha256()
        for start in sorted({0, n // 2, max(n - 1, 0)}):
            some = next(iter(r.batches(1, start=start)), None) if n else None
            digest.update(b"" if some is None else np.asarray(some).tobytes())
        lines.append(f"{n} x {d} {np.dtype(r.dtype).name} {digest.hexdigest()[:16]}")
    given = b"" if weights is None else np.asarray(weights).tobytes()
    return [*lines, f"weights {hashlib.sha256(given).hexdigest()[:16]}"]


def _resume(path: Path, total, about) -> tuple[Any, int]:
    moments = load_moments(path)
    same = jax.tree.structure(moments) == jax.tree.structure(total)
    found = _check_same(path, about, () if same else ("models",))
    return moments, found["done"]


def _check_same(path: Path, about, differ: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a checkpoint says of itself; `InputError` unless it is `about` these rows."""
    found = read_moments_metadata(path)
    differ = *(name for name in about if found.get(name) != about[name]), *differ
    if differ:
        raise InputError(
            f"{path} was gathered in another way ({', '.join(differ)}): give another "
            "checkpoint, or remove it to begin again."
        )
    return found
