"""A store from and to `.npy`, `.npz` and `.safetensors` files, batch by batch."""

import dataclasses
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.rows import ArrayRows, RowSource
from .arrays import InputError, new_file, open_arrays, read_array, Spec, split_spec
from .store_reader import embeddings


batch_bytes = 2**26
"""Read and written in one go."""

_safetensors = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float64": "F64",
    "int64": "I64",
}


def open_source(spec: Spec) -> RowSource:
    """The rows (n, d) that a spec names, in the file's own type."""
    path, key = split_spec(spec)
    if path.suffix.lower() == ".safetensors":
        return _open_slices(path, key)
    array = read_array(spec)
    _check_rows(spec, array.shape)
    return ArrayRows(array)


def open_rest(spec: Spec) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The columns and metadata in a `.npz` that `to_file` wrote; none of another file."""
    path, key = split_spec(spec)
    if path.suffix.lower() != ".npz" or key not in (None, embeddings):
        return {}, {}
    readers = open_arrays(path).items()
    arrays = {name: read() for name, read in readers if name != embeddings}
    about = arrays.pop("metadata", None)
    try:
        metadata = json.loads(str(about)) if about is not None and not about.shape else None
    except ValueError:
        metadata = None
    return (arrays, metadata) if isinstance(metadata, dict) else ({}, {})


def import_rows(store: Any, rows: RowSource, columns: Mapping[str, np.ndarray]) -> None:
    """Append all rows, with their columns, to a store."""
    start = 0
    for batch in rows.batches(batch_size(rows)):
        part = slice(start, start + len(batch))
        store.append(batch, commit=False, **{n: v[part] for n, v in columns.items()})
        start += len(batch)


def export_rows(store: Any, path: Any, columns: tuple[str, ...] | None) -> None:
    """Write a store to the file format that the ending of `path` names."""
    write = _writers.get(Path(path).suffix.lower())
    if write is None:
        raise InputError(f"{path}: the name of the file ends in {', '.join(_writers)}.")
    names = tuple(store.columns) if columns is None else tuple(columns)
    for name in set(names) - set(store.columns):
        raise KeyError(f"{store} has no column {name!r}; it has {list(store.columns)}.")
    with new_file(path) as temporary:
        write(store, temporary, names)


@dataclasses.dataclass(frozen=True)
class _Slices:
    """An array in a `.safetensors` file that is read by rows."""

    path: Path
    key: str
    shape: tuple[int, int]
    dtype: np.dtype

    def batches(self, size: int, *, start: int = 0) -> Iterator[np.ndarray]:
        import safetensors

        with safetensors.safe_open(self.path, framework="numpy") as file:
            rows = file.get_slice(self.key)
            n = self.shape[0]
            for i in range(start, n, size):
                yield rows[i : min(i + size, n)]


def _open_slices(path: Path, key: str | None) -> _Slices:
    import safetensors

    keys = list(open_arrays(path))
    if key is None and len(keys) == 1:
        (key,) = keys
    if key not in keys:
        raise InputError(
            f"{path} holds {', '.join(keys) or 'no arrays'}: name one, as '{path}:KEY'."
        )
    with safetensors.safe_open(path, framework="numpy") as file:
        rows = file.get_slice(key)
        shape = tuple(rows.get_shape())
        dtype = {code: name for name, code in _safetensors.items()}.get(rows.get_dtype())
    _check_rows(f"{path}:{key}", shape)
    if dtype is None:
        raise InputError(f"{path}:{key} holds {rows.get_dtype()}: rows are floats.")
    return _Slices(path, key, shape, np.dtype(dtype))


def _check_rows(spec: Spec, shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or not shape[1]:
        raise InputError(
            f"{spec} has shape {shape}; embeddings are (n, d): one row per image, all of "
            "one width."
        )


def _write_npy(store: Any, path: Path, names: tuple[str, ...]) -> None:
    if names:
        raise InputError(
            f"A .npy file holds the rows alone: write a .npz for {', '.join(names)}, or "
            "leave that out by columns=()."
        )
    with path.open("wb") as file:
        _write_array(file, store)


def _write_npz(store: Any, path: Path, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(path, "w") as members:
        with members.open(f"{embeddings}.npy", "w", force_zip64=True) as file:
            _write_array(file, store)
        values = {name: store.column(name) for name in names}
        if "metadata" not in values:  # tells what this file is, too
            values["metadata"] = np.array(json.dumps(store.metadata))
        for name, array in values.items():
            with members.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def _write_safetensors(store: Any, path: Path, names: tuple[str, ...]) -> None:
    texts = [name for name in names if store.columns[name] == "string"]
    if texts:
        rest = tuple(name for name in names if name not in texts)
        raise InputError(
            f"A .safetensors file holds no text, and {', '.join(texts)} is: write a .npz, "
            f"or leave it out by columns={rest}."
        )
    values = [store.column(name) for name in names]
    shapes = [store.shape, *(v.shape for v in values)]
    dtypes = [store.dtype, *(v.dtype for v in values)]
    header: dict[str, Any] = {"__metadata__": {"metadata": json.dumps(store.metadata)}}
    end = 0
    for name, shape, dtype in zip((embeddings, *names), shapes, dtypes, strict=True):
        begin, end = end, end + int(np.prod(shape)) * dtype.itemsize
        entry = {"dtype": _safetensors[dtype.name], "shape": shape}
        header[name] = entry | {"data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for batch in store.batches(batch_size(store)):
            file.write(batch.tobytes())
        for array in values:
            file.write(array.tobytes())


def _write_array(file: Any, store: Any) -> None:
    """`numpy.save` of the rows, without having them all."""
    dtype = np.dtype(np.float32) if store.dtype.name == "bfloat16" else store.dtype
    form = {"descr": dtype.str, "fortran_order": False, "shape": store.shape}
    np.lib.format.write_array_header_1_0(file, form)
    for batch in store.batches(batch_size(store)):
        file.write(batch.astype(dtype, copy=False).tobytes())


_writers = {".npy": _write_npy, ".npz": _write_npz, ".safetensors": _write_safetensors}


def batch_size(rows: RowSource) -> int:
    """Rows that fill a batch."""
    return max(1, batch_bytes // (rows.shape[1] * rows.dtype.itemsize))
