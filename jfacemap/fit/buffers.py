"""Rows of a source in memory, a buffer at a time, for gradient fits to draw from."""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from ..core.moments import check_signs
from ..core.rows import as_rows, RowSource
from ..core.same_images import check_same_images
from .descent import Data
from .gradient import as_data, check_labels


buffer_rows = 2**16
"""Rows in memory at a time, from which batches are drawn."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Rows `x (n, d)` and `y (n, k)`, read in parts; weights and labels `(n,)` or None."""

    x: RowSource
    y: RowSource
    weights: np.ndarray | None
    labels: np.ndarray | None

    def parts(self) -> Iterator[tuple]:
        """Rows, weights and labels of one part after another."""
        start = 0
        both = zip(self.x.batches(buffer_rows), self.y.batches(buffer_rows), strict=True)
        for x, y in both:
            part = slice(start, start + len(x))
            own = (None if a is None else a[part] for a in (self.weights, self.labels))
            yield np.asarray(x), np.asarray(y), *own
            start = part.stop


def as_source(x, y, weights, labels, batch_size) -> Source:
    """All that can be known before any row is read; `ValueError` as of arrays."""
    x, y = as_rows(x), as_rows(y)
    n = x.shape[0]
    if n != y.shape[0] or not n:
        raise ValueError(f"Rows must pair up: x has shape {x.shape} and y {y.shape}.")
    check_same_images({"x": x, "y": y})
    weights = _check_weights(weights, n)
    check_labels(labels, n)
    if batch_size is None and n > buffer_rows:
        raise ValueError(
            f"{n:,} rows of a source are read {buffer_rows:,} at a time: pass batch_size=."
        )
    return Source(x, y, weights, None if labels is None else np.asarray(labels))


def _check_weights(weights, n: int) -> np.ndarray | None:
    if weights is None:
        return None
    weights = np.asarray(weights)
    if weights.shape != (n,):
        raise ValueError(f"weights must be ({n},) for {n} rows, got {weights.shape}.")
    check_signs(weights)
    if not weights.any():
        raise ValueError("There is no row to fit: weights of 0 leave none.")
    return weights


def buffers(source: Source, batch_size: int | None) -> Iterator[tuple[Data, int]]:
    """Parts of the rows, over and over, each with its number of batches.

    The last is padded to the others, so that it runs the same program.
    """
    n = source.x.shape[0]
    w = source.weights
    mean_weight = 1.0 if w is None else np.mean(w, dtype=float)
    while True:
        for part in source.parts():
            batches = _batches_of(len(part[0]), part[2], mean_weight, batch_size)
            if not batches:
                continue
            data = _pad(part, min(n, buffer_rows))
            yield data, batches
            while n <= buffer_rows:  # it is read once
                yield data, batches


def _pad(part, size: int) -> Data:
    short = size - len(part[0])
    wide = lambda a: np.pad(a, [(0, short)] + [(0, 0)] * (a.ndim - 1))
    data = as_data(*(None if a is None else wide(a) for a in part))
    return dataclasses.replace(data, count=jnp.asarray(len(part[0]), jnp.int32))


def _batches_of(n: int, weights, mean_weight: float, batch_size: int | None) -> int:
    """Batches of a buffer of n rows, which count by their weight."""
    batch_size = n if batch_size is None else batch_size
    if weights is None:
        return max(1, n // batch_size)
    mass = np.sum(weights, dtype=float) / mean_weight
    # Float32 weights that are all equal add up to whole rows but for rounding.
    return max(1, int(mass + 1e-3) // batch_size) if mass > 0 else 0
