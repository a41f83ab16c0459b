"""One zarr array of rows: grown, written and read through TensorStore.

Chunks hold whole rows and end in a checksum (crc32c). Chunks of zeros are written like
any other, so a missing file is damage and not zeros.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from .arrays import InputError
from .store_place import context, explained, Place, reason


damage = "DATA_LOSS", "NOT_FOUND", "FAILED_PRECONDITION", "INVALID_ARGUMENT"
"""TensorStore's words for a chunk that is there, but not as it was written, or is gone."""

Rows = slice | np.ndarray
"""Some rows: `slice(start, stop)` of step 1, or positions (k,), not negative."""


class RowArray:
    """An array `(n, ...)` in a folder of its own, its chunks cut along the rows."""

    def __init__(self, place: Place, array: Any, unit: str = "rows"):
        """`unit`: what the first axis counts, in messages."""
        self._place, self._array, self._unit = place, array, unit

    @classmethod
    def create(
        cls, place: Place, row: tuple[int, ...], dtype: str, chunk: int, unit: str = "rows"
    ):
        """An array of no rows of shape `row`, or the one that is already there."""
        if place.read_json("zarr.json")[0] is not None:
            return cls.open(place, unit, write=True)
        metadata = {
            "shape": [0, *row],
            "data_type": dtype,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [chunk, *row]},
            },
            # One folder of files, where the usual "/" makes a folder for each chunk.
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
        }
        spec = {"driver": "zarr3", **_strict, "metadata": metadata}
        return cls(place, _open(place, spec, create=True), unit)

    @classmethod
    def open(cls, place: Place, unit: str = "rows", *, write: bool = False):
        """An array made by `create`."""
        spec = {"driver": "zarr3", **_strict}
        return cls(place, _open(place, spec, open=True, read=True, write=write), unit)

    @classmethod
    def open_foreign(cls, place: Place, driver: str):
        """An array that another program wrote, in "zarr3" or "zarr" (version 2).

        Programs may leave out chunks of zeros: here a missing file reads as zeros.
        """
        spec = {"driver": driver}
        return cls(place, _open(place, spec, open=True, read=True, write=False))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array, rows that are not committed included."""
        return tuple(self._array.shape)

    @property
    def dtype(self) -> np.dtype:
        """As NumPy (with ml_dtypes) has it."""
        return self._array.dtype.numpy_dtype

    @property
    def chunk(self) -> int:
        """Rows in a chunk."""
        return self._array.chunk_layout.read_chunk.shape[0]

    def read(self, rows: Rows) -> np.ndarray:
        """Some rows; `InputError` naming the file of a chunk that is damaged."""
        if not isinstance(rows, slice) and not len(rows):
            rows = slice(0, 0)  # for no positions TensorStore would read the first chunk
        try:
            return self._array[rows].read().result()
        except (ValueError, OSError, RuntimeError) as error:
            raise self._fault(error, rows) from error

    def write(self, start: int, values: np.ndarray) -> Any:
        """Begin to put rows from `start` on; `.result()` of what is returned ends it."""
        future = self._array[start : start + len(values)].write(values)
        future.commit.force()
        return future

    def cut(self, rows: int) -> None:
        """Cut off the rows past `rows`; the chunk they end in must be sound.

        Else more rows would be put into it, and what is missing would become zeros.
        """
        self.read(slice(max(rows - 1, 0), rows))
        self.resize(rows)

    def resize(self, rows: int) -> None:
        """Cut off the rows past `rows`, or make room up to there."""
        if rows != self.shape[0]:
            with self.writing():
                size = [rows, *self.shape[1:]]
                self._array = self._array.resize(exclusive_max=size).result()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """What fails in here is an `InputError` about writing to this array."""
        with explained(f"{self._place.name} cannot be written"):
            yield

    def _fault(self, error: Exception, rows: Rows) -> InputError:
        if str(error).split(":", 1)[0] not in damage:
            return InputError(f"{self._place.name} cannot be read: {reason(error)}")
        start, error = self._first_bad(error, rows)
        file = re.search(r'"([^"]+)"', str(error))
        stop = min(start + self.chunk, self.shape[0])
        name, where = file[1] if file else "", f"{self._unit} {start:,} to {stop:,}"
        return InputError(
            f"{self._place.name}: the chunk {name} of {where} is missing or damaged "
            f"({reason(error)}) Put back a copy of that file, or make the store again; "
            f"{self._rest(start, stop)}."
        )

    def _rest(self, start: int, stop: int) -> str:
        if self._unit != "rows":
            return "the other arrays can still be read"
        before, after = f"batches(stop={start})", f"batches(start={stop})"
        whole = [
            part
            for part, there in ((before, start), (after, stop < self.shape[0]))
            if there
        ]
        if not whole:
            return "it holds all rows"
        return f"{' and '.join(whole)} still read{'s' * (len(whole) == 1)} the other rows"

    def _first_bad(self, error: Exception, rows: Rows) -> tuple[int, Exception]:
        """Where the first chunk begins that cannot be read, and what it says."""
        if isinstance(rows, slice):
            chunks = np.arange(rows.start // self.chunk, (rows.stop - 1) // self.chunk + 1)
        else:
            chunks = np.unique(rows // self.chunk)
        for start in chunks * self.chunk:
            try:
                self._array[start : min(start + self.chunk, self.shape[0])].read().result()
            except ValueError as found:
                return int(start), found
        return int(chunks[0] * self.chunk), error  # it can be read now


_strict = {"store_data_equal_to_fill_value": True, "fill_missing_data_reads": False}


def _open(place: Place, spec: dict, **mode: Any) -> Any:
    import tensorstore as ts

    with explained(f"{place.name} is missing, or no array that can be opened"):
        return ts.open(spec, kvstore=place.kv, context=context(), **mode).result()
