"""A value for each row beside its embedding: numbers in one array, texts in two.

Texts are the UTF-8 of all of them end to end, `NAME.text`, and where each ends,
`NAME.ends`: they grow with the rows, whatever their lengths.
"""

import dataclasses
import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .store_array import RowArray, Rows
from .store_place import Place


_chunk_bytes = 2**17
"""Of a column. Small, because every commit writes the last chunk anew."""


@dataclasses.dataclass(frozen=True)
class TextColumn:
    """Texts as `text (bytes,)` and `ends (n,)`; used as a `RowArray` of strings."""

    ends: RowArray
    text: RowArray

    @property
    def shape(self) -> tuple[int, ...]:
        """(n,), texts that are not committed included."""
        return self.ends.shape

    def read(self, rows: Rows) -> np.ndarray:
        """Some texts, as NumPy strings."""
        if isinstance(rows, slice):
            bounds = self._bounds(rows.start, rows.stop)
            flat = self._text(slice(int(bounds[0]), int(bounds[-1])))
            bounds = bounds - bounds[0]
        else:
            ends = self.ends.read(rows)
            begins = np.where(rows > 0, self.ends.read(np.maximum(rows - 1, 0)), 0)
            lengths = ends - begins
            bounds = np.concatenate([[0], np.cumsum(lengths)])
            where = np.repeat(begins - bounds[:-1], lengths)
            flat = self._text(where + np.arange(len(where)))
        spans = itertools.pairwise(bounds.tolist())
        texts = [flat[a:b].decode("utf-8", "surrogatepass") for a, b in spans]
        return np.array(texts, dtype=str)

    def write(self, start: int, values: np.ndarray) -> Any:
        """Begin to put texts from row `start` on; `.result()` ends it."""
        # File names may hold what is not UTF-8; Python has it as lone surrogates.
        encoded = [text.encode("utf-8", "surrogatepass") for text in values.tolist()]
        flat = np.frombuffer(b"".join(encoded), np.uint8)
        base = self._end(start)
        ends = base + np.cumsum([len(e) for e in encoded], dtype=np.int64)
        self.text.resize(base + len(flat))
        return _Both(self.text.write(base, flat), self.ends.write(start, ends))

    def cut(self, rows: int) -> None:
        """Cut off the texts past `rows`; the chunks they end in must be sound."""
        self.ends.cut(rows)
        self.text.cut(self._end(rows))

    def resize(self, rows: int) -> None:
        """Make room for where `rows` texts end; `write` makes that for themselves."""
        self.ends.resize(rows)

    def writing(self):
        """What fails in here is an `InputError` about writing this column."""
        return self.text.writing()

    def _end(self, rows: int) -> int:
        return int(self._bounds(rows, rows)[0])

    def _bounds(self, start: int, stop: int) -> np.ndarray:
        if start:
            return self.ends.read(slice(start - 1, stop))
        return np.concatenate([[0], self.ends.read(slice(0, stop))]).astype(np.int64)

    def _text(self, where: Rows) -> bytes:
        return self.text.read(where).tobytes()


Column = RowArray | TextColumn


def create_column(place: Place, name: str, kind: str) -> Column:
    """A column of no rows, or the one that is already there."""
    chunk = _chunk_bytes // 8
    if kind == "string":
        ends = RowArray.create(place.child(f"{name}.ends"), (), "int64", chunk)
        text = place.child(f"{name}.text")
        return TextColumn(ends, RowArray.create(text, (), "uint8", _chunk_bytes, "bytes"))
    return RowArray.create(place.child(name), (), kind, chunk)


def open_column(place: Place, name: str, kind: str) -> Column:
    """A column to read."""
    if kind == "string":
        ends = RowArray.open(place.child(f"{name}.ends"))
        return TextColumn(ends, RowArray.open(place.child(f"{name}.text"), "bytes"))
    return RowArray.open(place.child(name))


def check_columns(columns: Mapping[str, Any], reserved: tuple[str, ...]) -> dict[str, str]:
    """{name: kind} of columns given as int, float or str; `ValueError` if they are not."""
    kinds: dict[Any, str] = {int: "int64", float: "float64", str: "string"}
    kinds |= {kind: kind for kind in kinds.values()}
    for name, kind in columns.items():
        if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or name in reserved:
            raise ValueError(
                "A column's name is letters, digits and _, and not "
                f"{' or '.join(reserved)}; got {name!r}."
            )
        if kind not in kinds:
            raise ValueError(f"Column {name!r} is one of int, float or str; got {kind!r}.")
    return {name: kinds[kind] for name, kind in columns.items()}


def column_kind(name: str, values: np.ndarray) -> str:
    """The kind of column that `values` fit; `ValueError` if none."""
    kinds = {"i": "int64", "u": "int64", "f": "float64", "U": "string", "T": "string"}
    if values.dtype.kind not in kinds:
        raise ValueError(
            f"Column {name!r} has {values.dtype}; columns are integers, floats or strings: "
            "convert it."
        )
    return kinds[values.dtype.kind]


def as_column(name: str, kind: str, values: Any, n: int) -> np.ndarray:
    """`values` as a column of `kind` has them for n rows, else `ValueError`."""
    array = np.asarray(values)
    if array.shape != (n,):
        raise ValueError(
            f"Column {name!r} has shape {array.shape} for {n} rows: it takes ({n},), one "
            "value for each row."
        )
    if not n:
        array = array.astype(str if kind == "string" else kind)
    texts = array.dtype.kind in "UT" or (
        array.dtype.kind == "O" and all(isinstance(v, str) for v in array)
    )
    fits = {
        "string": texts,
        "int64": array.dtype.kind in "iu" and bool(np.all(array <= np.iinfo(np.int64).max)),
        "float64": array.dtype.kind in "iuf",
    }
    if not fits[kind]:
        raise ValueError(f"Column {name!r} takes {kind}, got {array.dtype}: convert it.")
    return array.astype(str if kind == "string" else kind)


@dataclasses.dataclass(frozen=True)
class _Both:
    first: Any
    second: Any

    def result(self) -> None:
        self.first.result()
        self.second.result()
