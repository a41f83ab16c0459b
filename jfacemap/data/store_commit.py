"""The writer of a store: rows go in by commits, each of which happens or does not.

A commit writes the rows past the committed ones, waits until they are on disk, and only
then replaces the record by one that counts them. A writer that is killed leaves rows that
no record counts; the next writer cuts them off and goes on from there.
"""

import dataclasses
import os
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..core.types import Numeric
from .arrays import InputError
from .store_array import RowArray, Rows
from .store_check import block_rows, cast_blocks, check_rows
from .store_column import as_column, Column, create_column
from .store_lock import check_claim, clear_leftovers, describe, lock_folder, new_claim
from .store_place import Place
from .store_read import regroup
from .store_reader import check_length, embeddings, read_arrays
from .store_record import load_record, missing, plain_metadata, Record


Batch = tuple[Numeric, dict[str, np.ndarray]]
"""Rows and the values of every column, these in the record's order."""


class Writer:
    """The one that may write to a store; `record` is what it has committed."""

    def __init__(self, place: Place, new: Record | None = None, take_over: bool = False):
        """Write to the store that is there, or to a `new` one where there is none."""
        lock = lock_folder(place)
        self._release = weakref.finalize(self, os.close, lock) if lock is not None else None
        try:
            record, self._generation = load_record(place)
            if new is not None and record is not None:
                raise InputError(
                    f"{place.name} is a store already: EmbeddingStore.open(..., "
                    "writable=True) appends to it."
                )
            record = new or record
            if record is None:
                raise missing(place)
            check_claim(place, record, lock is not None, take_over)
            clear_leftovers(place)
            self.place, self._claim = place, new_claim()
            self._held: list[Batch] = []
            self._replace(dataclasses.replace(record, writer=self._claim))
            try:
                self._arrays = self._open_arrays()
            except BaseException:
                self._replace(dataclasses.replace(record, writer=None))
                raise
        except BaseException:
            self._unlock()
            raise

    def append(self, x: Numeric, values: Mapping[str, Any], commit: bool) -> None:
        """Hold rows (n, d) and the columns' values; commit them if told or if many."""
        self._check_open()
        record, where = self.record, self.place.name
        check_rows(x, record.dim, np.dtype(record.dtype), where)
        if set(values) != set(record.columns):
            raise ValueError(
                f"{where} has the columns {sorted(record.columns)}, one value of each for "
                f"every row; got {sorted(values)}."
            )
        n, kinds = len(x), record.columns
        columns = {name: as_column(name, k, values[name], n) for name, k in kinds.items()}
        if not commit:
            x = np.array(x, dtype=record.dtype)  # a copy: the caller may reuse its own
        self._held.append((x, columns))
        if commit or sum(len(x) for x, _ in self._held) >= record.chunk_rows:
            try:
                self.commit()
            except BaseException:
                del self._held[-1:]  # an append that fails has not happened
                raise

    def commit(self) -> None:
        """Write the held rows, and then the record that counts them."""
        self._check_open()
        if self._held:
            self._check_ours()
        if not self._held:
            return
        start = self.record.rows
        for block in _blocks(self._held, np.dtype(self.record.dtype)):
            self._write(start, block)
            start += len(block[0])
        self._replace(dataclasses.replace(self.record, rows=start))
        self._held = []

    def annotate(self, metadata: Mapping[str, Any]) -> None:
        """Add to the metadata, or replace what has the same key."""
        self._check_open()
        self._check_ours()
        metadata = self.record.metadata | plain_metadata(metadata)
        self._replace(dataclasses.replace(self.record, metadata=metadata))

    def read(self, names: tuple[str, ...], rows: Rows) -> tuple[np.ndarray, ...]:
        """The same committed rows of several arrays."""
        return read_arrays(self.record, self._arrays, names, rows)

    def close(self) -> None:
        """Commit what is held and let the next writer in."""
        if self._claim is None:
            return
        try:
            self.commit()
            self._check_ours()
            self._replace(dataclasses.replace(self.record, writer=None))
        finally:
            self._unlock()

    def _open_arrays(self) -> dict[str, Column]:
        record, place = self.record, self.place.child(embeddings)
        rows = RowArray.create(place, (record.dim,), record.dtype, record.chunk_rows)
        arrays: dict[str, Column] = {embeddings: rows}
        for name, kind in record.columns.items():
            arrays[name] = create_column(self.place, name, kind)
        for name, array in arrays.items():
            check_length(self.place, name, array, record.rows)
            array.cut(record.rows)
        return arrays

    def _write(self, start: int, block: tuple[np.ndarray, ...]) -> None:
        begun = []
        for array, values in zip(self._arrays.values(), block, strict=True):
            with array.writing():
                array.resize(start + len(values))
                begun.append((array, array.write(start, values)))
        for array, future in begun:
            with array.writing():
                future.result()

    def _replace(self, record: Record) -> None:
        generation = record.save(self.place, self._generation)
        if generation is None:
            now, generation = load_record(self.place)
            if now != record:  # else it is ours: the network lost the answer, not the write
                raise self._lost()
        self.record, self._generation = record, generation

    def _check_ours(self) -> None:
        """Before anything is written: is the record still the one we wrote last?"""
        record, generation = load_record(self.place)
        if record is None or record.writer != self._claim:
            raise self._lost()
        if record.rows > self.record.rows:  # a commit that was interrupted took place
            self._held = []
        self.record, self._generation = record, generation

    def _lost(self) -> InputError:
        record, _ = load_record(self.place)
        other = record.writer if record else None
        self._unlock()
        who = f"by {describe(other)}" if other else "by another program"
        return InputError(
            f"{self.place.name} has been taken over {who}: rows after the last commit are "
            "not in it. Open it again, and see len(store) for where to go on."
        )

    def _check_open(self) -> None:
        if self._claim is None:
            raise InputError(f"{self.place.name} is closed: open it again to write.")

    def _unlock(self) -> None:
        self._claim, self._held = None, []
        if self._release is not None:
            self._release()


def _blocks(held: list[Batch], dtype: np.dtype) -> Iterator[tuple[np.ndarray, ...]]:
    """Held rows in the store's type with their columns, in pieces of bounded size.

    Small batches are joined: a chunk is written anew for every piece that ends in it.
    """
    width = held[0][0].shape[1]

    def pieces():
        for x, columns in held:
            start = 0
            for block in cast_blocks(x, dtype):
                part = slice(start, start + len(block))
                yield block, *(values[part] for values in columns.values())
                start += len(block)

    return regroup(pieces(), block_rows(width, dtype))
