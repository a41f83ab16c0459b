"""Reading ahead: the next block of rows comes in while the last one is being used."""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .store_array import Rows


Block = tuple[np.ndarray, ...]
"""The same rows of several arrays."""


def read_batches(
    read: Callable[[slice], Block], start: int, stop: int, size: int, chunk: int
) -> Iterator[Block]:
    """Rows `start` to `stop` in batches of `size`, each chunk of rows read only once.

    Blocks of whole chunks are read, one ahead of the one in use: no more than three
    batches and two chunks of rows are held here, beside the files TensorStore is reading.
    """
    block = -(-size // chunk) * chunk
    firsts = [start, *range(start - start % block + block, stop, block)]
    spans = [slice(a, min(a - a % block + block, stop)) for a in firsts if a < stop]
    return regroup(read_ahead(read, spans), size)


def read_ahead(read: Callable[[slice], Any], spans: Iterable[slice]) -> Iterator[Any]:
    """`read` of each span in order, that of the next begun before it is asked for."""
    with ThreadPoolExecutor(1, thread_name_prefix="jfacemap-read") as pool:
        ahead = collections.deque()
        for span in spans:
            ahead.append(pool.submit(read, span))
            if len(ahead) > 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def regroup(blocks: Iterable[Block], size: int) -> Iterator[Block]:
    """The rows of `blocks` in batches of `size`, the last of fewer; views where it can."""
    held: list[Block] = []
    count = 0
    for block in blocks:
        start, rows = 0, len(block[0])
        while count + rows - start >= size:
            stop = start + size - count
            held.append(_part(block, start, stop))
            batch, held, count, start = _join(held), [], 0, stop
            yield batch
        if start < rows:
            held.append(_part(block, start, rows))
            count += rows - start
    if held:
        yield _join(held)


def as_span(start: int, stop: int | None, n: int) -> slice:
    """Rows `start` to `stop` of n, both as in a slice."""
    start, stop, _ = slice(start, stop).indices(n)
    return slice(start, max(start, stop))


def as_rows_index(index: Any, n: int) -> Rows:
    """Which of n rows an index means: a slice, positions (negative from the end), a mask.

    `IndexError` for a position that is not there, a mask of another length, or what is
    no index of rows.
    """
    if isinstance(index, slice):
        start, stop, step = index.indices(n)
        if step == 1:
            return as_span(start, stop, n)
        return np.arange(start, stop, step)
    index = np.asarray(index)
    if index.ndim != 1 or (index.size and index.dtype.kind not in "iub"):
        raise IndexError(
            "Rows are chosen by a slice, positions (k,) or a mask (n,); got "
            f"{index.dtype} of shape {index.shape}."
        )
    if index.dtype == bool:
        if len(index) != n:
            raise IndexError(f"A mask of {len(index):,} rows for a store of {n:,}.")
        return np.flatnonzero(index)
    index = index.astype(np.int64)
    beyond = (index < -n) | (index >= n)
    if np.any(beyond):
        raise IndexError(
            f"Row {index[beyond][0]} of a store of {n:,} rows; refresh() sees rows that "
            "were committed since it was opened."
        )
    return np.where(index < 0, index + n, index)


def _part(block: Block, start: int, stop: int) -> Block:
    return tuple(a[start:stop] for a in block)


def _join(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
