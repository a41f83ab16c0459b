"""Embeddings on disk or in the cloud: more rows than memory, more readers than one.

A store is a zarr group: `zarr.json` says what is in it and how many rows count,
`embeddings/` holds the rows, `NAME/` a column of numbers, `NAME.ends/` and `NAME.text/` one
of texts.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any, overload

import numpy as np
from jaxtyping import Float

from ..core.mesh_rows import MeshRows
from ..core.rows import check_size
from ..core.types import Numeric
from .arrays import InputError, Spec
from .store_check import store_dtype
from .store_column import as_column, check_columns, column_kind
from .store_commit import Writer
from .store_convert import export_rows, import_rows, open_rest, open_source
from .store_mesh import Axis, read_onto_mesh
from .store_place import Location, new_place, open_place, remove
from .store_read import as_rows_index, as_span, read_batches
from .store_reader import embeddings, is_there, open_reader, Reader
from .store_record import plain_metadata, Record


chunk_bytes = 2**22
"""Size of a file of rows unless told otherwise."""


class EmbeddingStore:
    """Rows of embeddings (n, d) in a zarr (version 3) group, read and written in batches.

    ```
    with EmbeddingStore.create("faces.zarr", 512, columns={"identity": str}) as store:
        for x, who in ...:
            store.append(x, identity=who)

    store = EmbeddingStore.open("faces.zarr")
    for x, who in store.batches(4096, "identity"):
        ...
    ```

    A place is a path or the URL of any TensorStore key-value store: `gs://bucket/path`,
    `s3://bucket/path`, `memory://name` (of this process), `https://...` (read only), or
    TensorStore's JSON of one.

    `append` is atomic: a writer killed at any moment leaves the rows of the appends that
    ended, and `open(..., writable=True)` goes on from `len(store)`. There is one writer at
    a time; readers meanwhile see the rows that were committed when they opened the store
    or called `refresh()`. Damaged or missing chunks are found by their checksums.

    Plain zarr arrays (n, d) of version 2 or 3 that other programs wrote can be opened and
    read: their attributes are the metadata.
    """

    def __init__(self, inner: Reader | Writer):
        """Use `create`, `open` or `from_file`."""
        self._inner = inner

    @classmethod
    def create(
        cls,
        place: Location,
        dim: int,
        *,
        dtype: Any = "float32",
        columns: Mapping[str, type | str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        chunk_rows: int | None = None,
    ) -> "EmbeddingStore":
        """A new store of no rows, open for writing.

        - `dim`, `dtype`: of a row; float32, float16 or bfloat16
        - `columns`: {name: int, float or str}, a value to come with every row, such as
          its identity, template, media or path
        - `metadata`: what JSON holds, such as the model, the preprocessing, provenance
        - `chunk_rows`: rows to a file, by default 4 MiB of them

        Raises `InputError` if something is there already.
        """
        name = store_dtype(dtype)
        if dim < 1 or (chunk_rows is not None and chunk_rows < 1):
            raise ValueError(f"dim and chunk_rows are at least 1; got {dim}, {chunk_rows}.")
        if chunk_rows is None:
            chunk_rows = max(1, chunk_bytes // (dim * np.dtype(name).itemsize))
        kinds = check_columns(columns or {}, reserved=(embeddings, "commit"))
        new = Record(dim, name, chunk_rows, kinds, plain_metadata(metadata))
        return cls(Writer(new_place(place), new))

    @classmethod
    def open(
        cls, place: Location, *, writable: bool = False, take_over: bool = False
    ) -> "EmbeddingStore":
        """A store that is there, to read or to append to.

        Raises `InputError` if there is none, or somebody else is writing to it. On local
        disks a lock tells whether that writer still lives. Elsewhere, `take_over=True`
        says that it does not: if it does, its next append fails.
        """
        where = open_place(place)
        return cls(Writer(where, take_over=take_over) if writable else open_reader(where))

    @classmethod
    def exists(cls, place: Location) -> bool:
        """Whether there is a store to open, be it one that was never finished.

        So is a plain zarr array, to read. `InputError` if what is there cannot be opened.
        """
        return is_there(open_place(place))

    @classmethod
    def from_file(
        cls,
        spec: Spec,
        place: Location,
        *,
        dtype: Any = None,
        columns: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        chunk_rows: int | None = None,
    ) -> "EmbeddingStore":
        """A new store of the rows of `X.npy`, `X.npz:key` or `X.safetensors:key`.

        Only an array of an `.npz` is ever whole in memory. `columns`: {name: values (n,)},
        integers, floats or strings. They and `metadata` are by default those that `to_file`
        wrote into `X.npz:embeddings`, and none of other files. `dtype` as in `create`, by
        default that of the file, float32 for float64. The store comes open for reading; if
        that fails, as for NaN, nothing is left of it.
        """
        rows, (rest, about) = open_source(spec), open_rest(spec)
        columns = rest if columns is None else columns
        metadata = about if metadata is None else metadata
        values = {name: np.asarray(v) for name, v in columns.items()}
        kinds = {name: column_kind(name, v) for name, v in values.items()}
        values = {
            name: as_column(name, k, values[name], rows.shape[0])
            for name, k in kinds.items()
        }
        if dtype is None:
            dtype = "float32" if rows.dtype == np.float64 else rows.dtype
        new = dict(dtype=dtype, columns=kinds, metadata=metadata, chunk_rows=chunk_rows)
        store = cls.create(place, rows.shape[1], **new)
        try:
            with store:
                import_rows(store, rows, values)
        except BaseException:
            remove(store._inner.place)
            raise
        return cls.open(place)

    def to_file(
        self, path: str | os.PathLike[str], *, columns: tuple[str, ...] | None = None
    ) -> None:
        """Write the rows to a `.npy`, `.npz` or `.safetensors` file, batch by batch.

        - `.npy`: the rows alone, without columns
        - `.npz`: `embeddings`, the columns by name, `metadata` as JSON text
        - `.safetensors`: `embeddings`, columns of numbers, `metadata` in the header

        NumPy's files hold bfloat16 as float32, the same numbers. `columns`: which ones, by
        default all; `InputError` if the format cannot hold them.
        """
        export_rows(self, path, columns)

    def append(
        self, x: Float[Numeric, "n d"], /, *, commit: bool = True, **columns: Any
    ) -> None:
        """Add rows, with their values of every column.

        Rows of any floating type are rounded to that of the store. With `commit=False`
        they wait in memory for a chunk of them, `commit()` or `close()`: that saves time
        where they come by few.

        Raises `ValueError`, before anything is written, for another width, what is not
        floating, NaN and infinity, numbers too large for the store's type, columns left
        out; `InputError` if they cannot be written. Then these rows are not in the store,
        and those of earlier appends that wait are kept for the next commit.
        """
        self._writer().append(x, columns, commit)

    def commit(self) -> None:
        """Write the rows that wait in memory."""
        self._writer().commit()

    def annotate(self, metadata: Mapping[str, Any]) -> None:
        """Add to the metadata of a writable store, replacing what has the same key."""
        self._writer().annotate(metadata)

    def refresh(self) -> "EmbeddingStore":
        """See the rows that have been committed since; gives the store itself."""
        if isinstance(self._inner, Reader):
            self._inner = self._inner.refreshed()
        return self

    def close(self) -> None:
        """Write the rows that wait in memory and let the next writer in."""
        if isinstance(self._inner, Writer):
            self._inner.close()

    def __enter__(self) -> "EmbeddingStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d): committed rows, and their width."""
        return self._record.rows, self._record.dim

    @property
    def dtype(self) -> np.dtype:
        """Of the rows."""
        return np.dtype(self._record.dtype)

    @property
    def columns(self) -> dict[str, str]:
        """{name: "int64", "float64" or "string"}."""
        return dict(self._record.columns)

    @property
    def metadata(self) -> dict[str, Any]:
        """A copy of what was given to `create` and `annotate`."""
        return plain_metadata(self._record.metadata)

    @property
    def chunk_rows(self) -> int:
        """Rows to a file: what is cheapest to read at once."""
        return self._record.chunk_rows

    def __len__(self) -> int:
        return self._record.rows

    def __repr__(self) -> str:
        n, d = self.shape
        where = self._inner.place.name
        return f"EmbeddingStore({where!r}, shape=({n}, {d}), dtype={self.dtype})"

    def rows(self, index: Any = slice(None)) -> np.ndarray:
        """The embeddings of a slice, of positions (k,) or of a mask (n,)."""
        return self._inner.read((embeddings,), as_rows_index(index, len(self)))[0]

    def column(self, name: str, index: Any = slice(None)) -> np.ndarray:
        """One column's values: int64, float64 or strings; `index` as in `rows`."""
        self._check_columns((name,))
        return self._inner.read((name,), as_rows_index(index, len(self)))[0]

    @overload
    def batches(
        self, size: int, *, start: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]: ...

    @overload
    def batches(
        self, size: int, name: str, /, *names: str, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[np.ndarray, ...]]: ...

    def batches(self, size, *names, start=0, stop=None) -> Iterator[Any]:
        """Rows `start` to `stop` in order, `size` at a time, the last batch of fewer.

        Gives x (size, d), or (x, values, ...) if columns are named. The next rows are read
        while the last are used. Each chunk is read once; memory holds a few batches and
        chunks, however many rows there are.
        """
        check_size(size)
        self._check_columns(names)
        span = as_span(start, stop, len(self))
        read = lambda rows: self._inner.read((embeddings, *names), rows)
        batches = read_batches(read, span.start, span.stop, size, self.chunk_rows)
        return batches if names else (x for (x,) in batches)

    def on_mesh(
        self, mesh: Any, axis: Axis, *, start: int = 0, stop: int | None = None
    ) -> MeshRows:
        """Rows `start` to `stop` sharded over an axis of a device mesh.

        Each process reads the rows of its own devices and no others, one shard after the
        other. Rows that do not divide by the axis are padded by zero rows of weight zero,
        which every weighted statistic passes over: see `MeshRows` for what else does.
        """
        span = as_span(start, stop, len(self))
        return read_onto_mesh(self, mesh, axis, span)

    @property
    def _record(self) -> Record:
        return self._inner.record

    def _writer(self) -> Writer:
        if isinstance(self._inner, Reader):
            raise InputError(
                f"{self._inner.place.name} is open for reading: EmbeddingStore.open(..., "
                "writable=True) opens it to append."
            )
        return self._inner

    def _check_columns(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self._record.columns:
                there = ", ".join(self._record.columns) or "none"
                raise KeyError(f"{self!r} has no column {name!r}; it has {there}.")
