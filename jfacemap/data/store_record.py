"""The record of a store: one small JSON file, replaced at once, that says what is in it.

It is the `zarr.json` of the store's zarr group. How many rows count is written there and
nowhere else: that makes a commit atomic.
"""

import dataclasses
import functools as ft
import json
import os
from collections.abc import Mapping
from typing import Any

from .arrays import InputError
from .map_file import _version
from .store_place import Place


key = "zarr.json"
dtypes = "float32", "float16", "bfloat16"
kinds = "int64", "float64", "string"
_format = 1


@dataclasses.dataclass(frozen=True)
class Record:
    """What a store says of itself.

    - `rows`: committed, each of width `dim` and type `dtype`; `chunk_rows` to a file
    - `columns`: {name: "int64", "float64" or "string"}, one value per row
    - `metadata`: the user's, anything JSON holds
    - `writer`: who writes, None if nobody does
    """

    dim: int
    dtype: str
    chunk_rows: int
    columns: dict[str, str]
    metadata: dict[str, Any]
    rows: int = 0
    writer: dict[str, Any] | None = None

    def save(self, place: Place, generation: bytes) -> bytes | None:
        """Replace the record of `generation`; None if it has been replaced by another."""
        ours = {"kind": "EmbeddingStore", "format": _format, "version": _this_version()}
        ours |= dataclasses.asdict(self)
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"jfacemap": ours}}
        return place.write_json(key, group, generation)


@ft.cache
def _this_version() -> str:
    return _version()  # looks through files: too slow for every commit


def load_record(place: Place) -> tuple[Record | None, bytes]:
    """The record of a store and its generation; no record where there is no `zarr.json`."""
    group, generation = place.read_json(key)
    return None if group is None else parse_record(place, group), generation


def parse_record(place: Place, group: Any) -> Record:
    """The record in a `zarr.json`; `InputError` if it has none that this version reads."""
    attributes = group.get("attributes") if isinstance(group, dict) else None
    ours = attributes.get("jfacemap") if isinstance(attributes, dict) else None
    if not isinstance(ours, dict) or ours.get("kind") != "EmbeddingStore":
        raise foreign(place)
    if ours.get("format") != _format:
        raise InputError(
            f"{place.name} is a store of format {ours.get('format')}, written by jfacemap "
            f"{ours.get('version')}; this is jfacemap {_this_version()}, which reads "
            f"format {_format}: pip install --upgrade jfacemap"
        )
    try:
        fields = {f.name: ours[f.name] for f in dataclasses.fields(Record)}
        _check(**fields)
        return Record(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{place.name}/{key} is damaged ({error}): put back a copy of that file, or "
            "make the store again."
        ) from error


def foreign(place: Place) -> InputError:
    """The error for zarr data that is not a store."""
    return InputError(
        f"{place.name} holds zarr data but no EmbeddingStore: jfacemap's record is not in "
        "it. A plain array (n, d) can be opened to read; of a group, name one, as "
        f"{place.name}/NAME."
    )


def missing(place: Place) -> InputError:
    """The error for a place where there is no store."""
    there = place.folder is not None and os.path.isdir(place.folder)
    found = "it is a folder without a zarr.json" if there else "nothing is there"
    return InputError(
        f"{place.name} holds no store: {found}. EmbeddingStore.create makes one, "
        "EmbeddingStore.from_file makes one of a file of rows."
    )


def plain_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of what JSON holds; `ValueError` if it does not hold it."""
    try:
        return json.loads(json.dumps(dict(metadata or {}), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Metadata is text, finite numbers, lists and dicts, as JSON has them: {error}."
        ) from error


def _check(*, dim, dtype, chunk_rows, columns, metadata, rows, writer) -> None:
    for number, least in ((dim, 1), (chunk_rows, 1), (rows, 0)):
        if not isinstance(number, int) or number < least:
            raise ValueError(f"{number!r} is no number of at least {least}")
    if dtype not in dtypes:
        raise ValueError(f"its dtype is {dtype!r}")
    if not isinstance(columns, dict) or not set(columns.values()) <= set(kinds):
        raise ValueError(f"its columns are {columns!r}")
    if not isinstance(metadata, dict) or not isinstance(writer, dict | None):
        raise ValueError("its metadata or writer is not a dict")
