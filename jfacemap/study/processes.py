"""Rows for each of several processes, and one summary of what they found of them."""

import functools as ft
from typing import Any

import jax
import numpy as np

from ..core.monoid import merge


def process_rows(n: int) -> tuple[int, int]:
    """Start and stop of this process's part of n rows, or images.

    Parts follow each other in the order of the processes, and differ by one at most.
    """
    part, of = jax.process_index(), jax.process_count()
    return n * part // of, n * (part + 1) // of


def merge_processes(summary: Any) -> Any:
    """The `merge` of the summaries of all processes, the same in each; bit for bit.

    Of moments, factors or `count_matches`' counts, of the same models in every process
    (`jax.distributed`); of one process it is the summary itself. All processes must call
    it. Merged in their order, so that what all have is the same.
    """
    if jax.process_count() == 1:
        return summary
    leaves, form = jax.tree.flatten(summary)
    every = [_gather(np.asarray(leaf)) for leaf in leaves]
    parts = [jax.tree.unflatten(form, part) for part in zip(*every, strict=True)]
    return ft.reduce(merge, parts)


def _gather(leaf: np.ndarray) -> list[np.ndarray]:
    """A leaf of each process; as bytes, since JAX would halve 64 bits."""
    from jax.experimental import multihost_utils

    flat = np.ascontiguousarray(leaf).reshape(-1).view(np.uint8)
    every = np.asarray(multihost_utils.process_allgather(flat))
    return [part.copy().view(leaf.dtype).reshape(leaf.shape) for part in every]
