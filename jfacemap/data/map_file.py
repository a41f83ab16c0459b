"""Maps in and out of `.safetensors` files: arrays by field name, the rest in the header.

Plain arrays and text, never a pickle: loading a file from a stranger runs none of it.
"""

import dataclasses
import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, jaxtyped

from ..core.maps import (
    AbstractMap,
    AffineMap,
    LinearMap,
    LowRankMap,
    RotationMap,
    SimilarityMap,
    Standardize,
)
from ..core.mlp import MlpMap
from .arrays import InputError, new_file, open_arrays


_types = (
    AffineMap,
    LinearMap,
    LowRankMap,
    MlpMap,
    RotationMap,
    SimilarityMap,
    Standardize,
)
kinds: dict[str, type[AbstractMap]] = {t.__name__: t for t in _types}
"""The kinds of map a file can hold."""

_format = 1
_ours = "jfacemap."


@dataclasses.dataclass(frozen=True)
class MapHeader:
    """What a map file says of itself: `kind` of map, the `version` that wrote it.

    `metadata` is what was passed to `save`.
    """

    kind: str
    version: str
    metadata: dict[str, str]


def save(
    path: str | os.PathLike[str],
    m: AbstractMap,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a map, or a stack of maps, bit for bit to a `.safetensors` file.

    `metadata` is text kept in the header. For a map fitted on unit rows pass
    `{"normalize": "true"}`: `jfacemap apply` and `verify` then scale rows before they map
    them, and without it do not. An older file is replaced. The file appears whole or not
    at all. Raises `InputError` if it cannot be written.
    """
    from safetensors.numpy import save as serialize

    if Path(path).suffix != ".safetensors":
        raise InputError(f"{path}: the name of a map file ends in .safetensors.")
    kind = type(m).__name__
    if kinds.get(kind) is not type(m):
        raise InputError(
            f"A {kind} cannot be saved, only {', '.join(kinds)}; `m.as_affine()` makes "
            "an AffineMap of any map."
        )
    metadata = dict(metadata or {})
    for key, value in metadata.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise InputError(f"Metadata is text: got {key!r}: {value!r}; use str().")
        if key.startswith(_ours):
            raise InputError(f"Metadata key {key!r}: names in '{_ours}' are reserved.")
    metadata[_ours + "format"] = str(_format)
    metadata[_ours + "kind"] = kind
    metadata[_ours + "version"] = _version()
    # safetensors writes the buffer of a strided array as it lies in memory.
    arrays = {
        f.name: np.asarray(getattr(m, f.name), order="C")
        for f in dataclasses.fields(m)
        if getattr(m, f.name) is not None
    }
    _check_fields(path, kinds[kind], arrays)
    with new_file(path) as temporary:
        temporary.write_bytes(serialize(arrays, metadata))


def load(path: str | os.PathLike[str]) -> AbstractMap:
    """The map a file holds, its arrays of the dtype they were saved in.

    Raises `InputError` if the file is not a map file, or not one of this version.
    """
    kind = kinds[read_header(path).kind]
    arrays = {name: read() for name, read in open_arrays(path).items()}
    return kind(**_check_fields(path, kind, arrays))


def read_header(path: str | os.PathLike[str]) -> MapHeader:
    """Kind, version and metadata of a map file; `InputError` if it is none."""
    if Path(path).suffix != ".safetensors":
        raise InputError(f"{path} is not a map file: those end in .safetensors.")
    entries = _entries(path)
    ours = {k.removeprefix(_ours): v for k, v in entries.items() if k.startswith(_ours)}
    if "kind" not in ours:
        raise InputError(f"{path} holds arrays but no map: jfm.save writes a map file.")
    version = ours.get("version", "unknown")
    if ours.get("format") != str(_format) or ours["kind"] not in kinds:
        raise InputError(
            f"{path} holds a {ours['kind']} in format {ours.get('format')}, written by "
            f"jfacemap {version}; this is jfacemap {_version()}, which reads format "
            f"{_format} of {', '.join(kinds)}: pip install --upgrade jfacemap"
        )
    metadata = {k: v for k, v in sorted(entries.items()) if not k.startswith(_ours)}
    return MapHeader(ours["kind"], version, metadata)


def holds_map(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds a map, be it of a version that `load` does not read."""
    return Path(path).suffix == ".safetensors" and _ours + "kind" in _entries(path)


def _entries(path) -> dict[str, str]:
    import safetensors

    open_arrays(path)  # says what is wrong with a missing or damaged file
    with safetensors.safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def _check_fields(path, kind: type[AbstractMap], arrays) -> dict[str, Array]:
    """`arrays` on the device, their shapes checked against the fields' annotations."""
    with jax.enable_x64(True):  # else a float64 array would lose half its bits
        arrays = {name: jnp.asarray(array) for name, array in arrays.items()}
    fields: Any = dataclasses.fields(kind)
    with jaxtyped("context"):
        fit = all(isinstance(arrays.get(f.name), f.type) for f in fields)
    if not fit or not set(arrays) <= {f.name for f in fields}:
        shapes = ", ".join(f"{n} {a.dtype}{list(a.shape)}" for n, a in arrays.items())
        raise InputError(f"{path}: these arrays make no {kind.__name__}: {shapes}.")
    return arrays


def _version() -> str:
    try:
        return importlib.metadata.version("jfacemap")
    except importlib.metadata.PackageNotFoundError:  # a checkout that was not installed
        return "unknown"
