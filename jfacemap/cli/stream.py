"""Rows from disk to the device in batches, and through maps."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import unit
from ..core.maps import AbstractMap
from ..core.rows import check_size
from .console import progress
from .fitted import Space
from .sources import Rows


batch_numbers = 2**22
"""Numbers of the widest array in one batch: 16 MiB of float32."""


def common_dtype(*arrays) -> np.dtype:
    """What to compute in: float64 if an array is, else float32."""
    wide = any(a.dtype == np.float64 for a in arrays)
    return np.dtype(np.float64 if wide else np.float32)


def precision(dtype: np.dtype):
    """A scope in which arrays of `dtype` stay of it."""
    return jax.enable_x64(True) if dtype == np.float64 else contextlib.nullcontext()


def batches(
    arrays: Sequence[Rows], dtype: np.dtype, title: str
) -> Iterator[list[np.ndarray]]:
    """Equal batches of rows of all `arrays`, in `dtype`, the last padded by zeros.

    Equal, so that what they run through compiles once.
    """
    n = len(arrays[0])
    size = min(n, max(1, batch_numbers // max(a[:1].size for a in arrays)))
    for start in progress(range(0, n, size), title):
        parts = [np.asarray(a[start : start + size], dtype) for a in arrays]
        short = size - len(parts[0])
        if short:
            parts = [np.pad(p, [(0, short)] + [(0, 0)] * (p.ndim - 1)) for p in parts]
        yield parts


def mapped(
    x: Rows,
    m: AbstractMap | None,
    space: Space,
    *,
    unit_after: bool,
    dtype: np.dtype,
    title: str,
) -> Iterator[np.ndarray]:
    """Rows of `x`, batch by batch: made ready for `space`, mapped, scaled again."""
    m = jax.tree.map(lambda leaf: leaf.astype(dtype), m)

    @jax.jit
    def act(m, x):
        x = space.place(x)
        x = x if m is None else m(x)
        return unit(x) if unit_after else x

    left = len(x)
    for (batch,) in batches([x], dtype, title):
        rows = np.asarray(act(m, jnp.asarray(batch)))[:left]
        left -= len(rows)
        yield rows


@dataclasses.dataclass(frozen=True)
class PlacedRows:
    """A `RowSource` of `rows (n, d)`, made ready for `space` as they are read."""

    rows: Rows
    space: Space
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self.rows), self.rows.shape[1]

    def batches(self, size: int, *, start: int = 0) -> Iterator[np.ndarray]:
        """The rows from `start` on, `size` at a time, the last batch shorter."""
        check_size(size)
        place = jax.jit(self.space.place)
        for i in range(start, len(self.rows), size):
            yield np.asarray(place(np.asarray(self.rows[i : i + size], self.dtype)))
