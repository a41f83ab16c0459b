"""Rows that need not fit in memory: what a stream of them can be asked."""

import dataclasses
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from .types import Numeric


@runtime_checkable
class RowSource(Protocol):
    """n rows of width d, read batch by batch: an array, a memory map, a store on disk.

    - `shape`: (n, d)
    - `dtype`: of the batches
    - `batches(size, start=0)`: the rows from `start` on in order, `size` at a time, the
      last batch shorter
    """

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def batches(self, size: int, *, start: int = 0) -> Iterator[Numeric]: ...


@dataclasses.dataclass(frozen=True)
class ArrayRows:
    """The rows of an array `x (n, d)`; of a memory map, only one batch is ever read."""

    x: Shaped[Numeric, "n d"]

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        n, d = self.x.shape
        return n, d

    @property
    def dtype(self) -> np.dtype:
        """Of the array."""
        return self.x.dtype

    def batches(self, size: int, *, start: int = 0) -> Iterator[Numeric]:
        """Views of `size` rows from `start` on, the last one of fewer."""
        check_size(size)
        return (self.x[i : i + size] for i in range(start, len(self.x), size))


def as_rows(x: Numeric | RowSource) -> RowSource:
    """`x` if it is a `RowSource`, else the rows of the array `x (n, d)`.

    Raises `ValueError` for anything else.
    """
    if isinstance(x, RowSource):
        return x
    if getattr(x, "ndim", None) != 2:
        found = getattr(x, "shape", type(x).__name__)
        raise ValueError(f"Rows are an (n, d) array or a RowSource; got {found}.")
    return ArrayRows(x)


def check_size(size: int) -> None:
    """Raise `ValueError` unless a batch of `size` rows holds at least one."""
    if size < 1:
        raise ValueError(f"A batch has at least one row; got size {size}.")
