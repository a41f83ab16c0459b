"""A store as a reader sees it: the rows that were committed when it looked."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from .arrays import InputError
from .store_array import RowArray, Rows
from .store_column import Column, open_column
from .store_place import Place
from .store_record import foreign, key, load_record, missing, parse_record, Record


embeddings = "embeddings"
"""The name of the array of rows in the folder of a store."""


@dataclasses.dataclass(frozen=True)
class Reader:
    """The arrays of a store by name, and the record that says how far they count."""

    place: Place
    record: Record
    arrays: dict[str, Column]
    ours: bool = True

    def refreshed(self) -> "Reader":
        """The same store with the rows that have been committed since."""
        if not self.ours:
            return open_reader(self.place)
        record, _ = load_record(self.place)
        if record is None:
            raise missing(self.place)
        old = self.record
        if record.rows < old.rows or (record.dim, record.dtype) != (old.dim, old.dtype):
            raise InputError(
                f"{self.place.name} has been replaced by another store: open it again."
            )
        return Reader(self.place, record, open_arrays(self.place, record))

    def read(self, names: tuple[str, ...], rows: Rows) -> tuple[np.ndarray, ...]:
        """The same rows of several arrays."""
        return read_arrays(self.record, self.arrays, names, rows)


def open_reader(place: Place) -> Reader:
    """A store, or a plain zarr array (n, d) of version 3 or 2."""
    tree, _ = place.read_json(key)
    if tree is None:
        tree, _ = place.read_json(".zarray")
        if tree is None:
            raise foreign(place) if place.read_json(".zgroup")[0] else missing(place)
        attributes, _ = place.read_json(".zattrs")
        return _open_foreign(place, "zarr", attributes)
    if _is_array(tree):
        return _open_foreign(place, "zarr3", tree.get("attributes"))
    record = parse_record(place, tree)
    return Reader(place, record, open_arrays(place, record))


def is_there(place: Place) -> bool:
    """Whether there is what `open_reader` opens; its errors for the damaged and foreign."""
    tree, _ = place.read_json(key)
    if tree is None:
        return place.read_json(".zarray")[0] is not None
    if not _is_array(tree):
        parse_record(place, tree)
    return True


def _is_array(tree: Any) -> bool:
    return isinstance(tree, dict) and tree.get("node_type") == "array"


def read_arrays(
    record: Record, arrays: dict[str, Column], names: tuple[str, ...], rows: Rows
) -> tuple[np.ndarray, ...]:
    """Some rows of several arrays; of a store of no rows, whose arrays may not be there."""
    if record.rows:
        return tuple(arrays[name].read(rows) for name in names)
    types = {embeddings: record.dtype, **record.columns, "string": "str"}
    empty = lambda name: np.zeros(0, types.get(types[name], types[name]))
    return tuple(
        empty(name).reshape(0, record.dim) if name == embeddings else empty(name)
        for name in names
    )


def open_arrays(place: Place, record: Record) -> dict[str, Column]:
    """The arrays of a store to read; none before its first commit has made them."""
    if not record.rows:
        return {}
    arrays: dict[str, Column] = {embeddings: RowArray.open(place.child(embeddings))}
    for name, kind in record.columns.items():
        arrays[name] = open_column(place, name, kind)
    for name, array in arrays.items():
        check_length(place, name, array, record.rows)
    return arrays


def check_length(place: Place, name: str, array: Column, rows: int) -> None:
    """Raise `InputError` if an array holds fewer rows than are committed."""
    if array.shape[0] < rows:
        raise InputError(
            f"{place.name}/{name} has {array.shape[0]:,} rows, but {rows:,} are committed: "
            "put back a copy of the store, or make it again."
        )


def _open_foreign(place: Place, driver: str, attributes: Any) -> Reader:
    array = RowArray.open_foreign(place, driver)
    shape, dtype = array.shape, array.dtype
    if len(shape) != 2 or not shape[1] or not jnp.issubdtype(dtype, jnp.floating):
        raise InputError(
            f"{place.name} is a zarr array of {dtype}{list(shape)}; rows to read are "
            "(n, d) floats."
        )
    metadata = attributes if isinstance(attributes, dict) else {}
    record = Record(shape[1], dtype.name, array.chunk, {}, metadata, shape[0])
    return Reader(place, record, {embeddings: array}, ours=False)
