"""Rows, labels and weights that a command reads, from array files and from stores."""

import dataclasses
from pathlib import Path

import numpy as np

from ..data.arrays import (
    InputError,
    read_array,
    read_labels,
    read_rows,
    scan,
    scan_rows,
    split_spec,
)
from ..data.store import EmbeddingStore
from ..data.store_convert import open_rest
from .files import at, check_file


@dataclasses.dataclass(frozen=True)
class StoreRows:
    """The rows of a store, read when indexed by a slice, positions or a mask."""

    store: EmbeddingStore
    ndim = 2

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return self.store.shape

    @property
    def dtype(self) -> np.dtype:
        """Of the rows."""
        return self.store.dtype

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index) -> np.ndarray:
        return self.store.rows(index)


@dataclasses.dataclass(frozen=True)
class Picked:
    """Some of the `rows`, those at `place (m,)`, read when sliced."""

    rows: "Rows"
    place: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d)."""
        return len(self.place), self.rows.shape[1]

    @property
    def dtype(self) -> np.dtype:
        """Of the rows."""
        return self.rows.dtype

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, part) -> np.ndarray:
        return self.rows[self.place[part]]


Rows = np.ndarray | StoreRows | Picked
"""Embeddings (n, d), of an array in memory or mapped to it, or of a store."""


def open_rows(spec: str, *, used: np.ndarray | None = None) -> Rows:
    """Embeddings (n, d) that a spec names, checked row by row, as `read_rows` does.

    A folder or URL is taken for an `EmbeddingStore`. `used (n,)` masks the rows to be
    checked.
    """
    if not is_store(spec):
        check_file(split_spec(spec)[0])
        return read_rows(spec, used=used)
    rows = StoreRows(EmbeddingStore.open(spec))
    if not len(rows):
        raise InputError(f"{spec} holds no rows yet: append some.")
    if used is not None and len(used) != len(rows):
        raise InputError(f"{spec} has {len(rows):,} rows, for {len(used):,} weights.")
    broken, _ = scan_all(rows)
    broken = broken if used is None else broken[used[broken]]
    if len(broken):
        raise InputError(
            f"{spec}: {len(broken):,} of {len(rows):,} rows ({at(broken)}) hold NaN or "
            "infinity. Leave these images out here, in every file that pairs with this "
            "one, and in the lists of a protocol."
        )
    return rows


def scan_all(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows that are not finite, and of those all zero."""
    firsts = range(0, len(rows), scan_rows)
    parts = [scan(rows[first : first + scan_rows]) for first in firsts]
    broken, zero = (
        np.concatenate([part + first for part, first in zip(side, firsts, strict=True)])
        for side in zip(*parts, strict=True)
    )
    return broken, zero


def read_people(spec: str) -> np.ndarray:
    """Identity labels (n,): of an array file, or STORE:COLUMN; none of them empty."""
    labels = _column(spec)
    if labels is None:
        check_file(split_spec(spec)[0])
        labels = read_labels(spec)
    if labels.dtype.kind in "US":
        empty = np.flatnonzero(np.strings.str_len(np.strings.strip(labels)) == 0)
        if len(empty):
            raise InputError(
                f"{spec}: {len(empty):,} of {len(labels):,} labels ({at(empty)}) are empty "
                "and name nobody: give each row a label, or leave the row out."
            )
    return labels


def read_weights(spec: str) -> np.ndarray:
    """Weights of rows (n,): finite, none negative, one at least above 0."""
    w = _column(spec)
    if w is None:
        check_file(split_spec(spec)[0])
        w = read_array(spec)
    if w.ndim != 1 or w.dtype.kind not in "fiub":
        raise InputError(f"{spec}: weights are (n,) numbers; got {w.shape} {w.dtype}.")
    for what, wrong in (("NaN or infinite", ~np.isfinite(w)), ("negative", w < 0)):
        rows = np.flatnonzero(wrong)
        if len(rows):
            raise InputError(
                f"{spec}: {len(rows):,} of {len(w):,} weights ({at(rows)}) are {what}: a "
                "weight is a number of at least 0, and 0 leaves a row out."
            )
    if not w.any():
        raise InputError(f"{spec}: all {len(w):,} weights are 0, which leaves no row.")
    return w


def read_columns(spec: str) -> dict[str, np.ndarray]:
    """What belongs to each row of a store, or of the `.npz` that one was written to."""
    if not is_store(spec):
        return open_rest(spec)[0]
    store = EmbeddingStore.open(spec)
    return {name: store.column(name) for name in store.columns}


def is_url(place: str) -> bool:
    """Whether a place lies elsewhere than on this disk."""
    return "://" in place


def is_store(place: str) -> bool:
    """Whether a folder looks like a store or another zarr array; URLs can be no other."""
    names = ("zarr.json", ".zarray", ".zgroup")
    return is_url(place) or any(Path(place, name).is_file() for name in names)


def _column(spec: str) -> np.ndarray | None:
    """The column of a store that STORE:COLUMN names; None if it is no such spec."""
    place, _, name = spec.rpartition(":")
    named = bool(place) and is_store(place)
    if not named and is_store(spec):
        there = ", ".join(EmbeddingStore.open(spec).columns) or "none"
        raise InputError(f"{spec} is a store: name a column, as {spec}:COLUMN ({there}).")
    if not named:
        return None
    store = EmbeddingStore.open(place)
    if name not in store.columns:
        there = ", ".join(store.columns) or "none"
        raise InputError(f"{place} has no column {name!r}; it has {there}.")
    return store.column(name)
