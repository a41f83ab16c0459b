"""What a store takes: rows of its width, floating and finite in its own type."""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from ..core.types import Numeric
from .store_record import dtypes


block_bytes = 2**26
"""Rows are cast and written so many bytes at a time: bounds memory for a memory map."""


def store_dtype(dtype) -> str:
    """The name of a type that a store can have; `ValueError` for any other."""
    name = jnp.dtype(dtype).name
    if name not in dtypes:
        raise ValueError(f"A store holds {', '.join(dtypes)}; got {name}.")
    return name


def check_rows(x: Numeric, dim: int, dtype: np.dtype, where: str) -> None:
    """Raise `ValueError` unless the rows of `x` may be appended to a store."""
    if x.ndim != 2 or x.shape[1] != dim:
        raise ValueError(
            f"{where} takes rows of shape (n, {dim}); got an array of shape {x.shape}. "
            "Give the embeddings of the model that the store is of."
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"{where} holds {dtype} and takes floating rows; got {x.dtype}: convert them, "
            "as x.astype('float32')."
        )
    broken, start = [], 0
    for block in cast_blocks(x, dtype):
        broken += [start + np.flatnonzero(~np.all(np.isfinite(block), axis=1))]
        start += len(block)
    rows = np.concatenate(broken) if broken else np.zeros(0, int)
    if len(rows):
        if np.all(np.isfinite(np.asarray(x[int(rows[0])]))):
            largest = jnp.finfo(dtype).max
            fault = f"are too large for {dtype}, which ends at {largest}: scale them"
        else:
            fault = "hold NaN or infinity: drop them here and from the columns"
        first = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
        raise ValueError(
            f"{where}: {len(rows):,} of {len(x):,} rows (counted from 0: {first}) {fault}."
        )


def block_rows(dim: int, dtype: np.dtype) -> int:
    """Rows to cast or write in one go."""
    return max(1, block_bytes // (dim * dtype.itemsize))


def cast_blocks(x: Numeric, dtype: np.dtype) -> Iterator[np.ndarray]:
    """The rows of `x` in `dtype`, rounded to nearest, some 64 MiB at a time."""
    size = block_rows(x.shape[1], dtype)
    for start in range(0, len(x), size):
        with np.errstate(over="ignore"):  # an infinity here is reported by `check_rows`
            yield np.asarray(x[start : start + size]).astype(dtype, copy=False)
