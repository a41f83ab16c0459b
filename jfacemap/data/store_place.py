"""Where a store lives: a folder on disk, in a bucket or in memory, through TensorStore."""

import contextlib
import dataclasses
import functools as ft
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from .arrays import InputError


Location = str | os.PathLike[str] | Mapping[str, Any]
"""A path, a kvstore URL (`gs://`, `s3://`, `memory://`), or TensorStore's JSON of one."""


leftover = ".__lock"
"""How the names of files end that TensorStore writes before it renames them."""


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder of a TensorStore key-value store.

    `name` is what messages call it, `folder` its path if it is on a local disk.
    """

    kv: Any
    name: str
    folder: str | None

    def child(self, name: str) -> "Place":
        """A folder in this one."""
        folder = self.folder and os.path.join(self.folder, name)
        return Place(self.kv / f"{name}/", f"{self.name}/{name}", folder)

    def read_json(self, key: str) -> tuple[Any, bytes]:
        """What a small file holds and its generation; None if there is no such file."""
        with explained(f"{self.name}/{key} cannot be read"):
            found = self.kv.read(key).result()
        if found.state != "value":
            return None, found.stamp.generation
        try:
            return json.loads(found.value), found.stamp.generation
        except ValueError as error:
            raise InputError(
                f"{self.name}/{key} is damaged, it is not JSON ({error}): put back a copy "
                "of that file, or make the store again."
            ) from error

    def write_json(self, key: str, value: Any, generation: bytes) -> bytes | None:
        """Replace a small file at once, and only if it still is of `generation`.

        Gives the new generation, or None if somebody else replaced the file meanwhile.
        """
        text = json.dumps(value, indent=1, ensure_ascii=False).encode()
        with explained(f"{self.name} cannot be written"):
            stamp = self.kv.write(key, text, if_equal=generation).result()
        return stamp.generation or None


def open_place(location: Location) -> Place:
    """The place a path, URL or JSON spec names; nothing need be there."""
    import tensorstore as ts

    spec, name = location, str(location)
    if isinstance(location, Mapping):
        spec, name = dict(location), json.dumps(dict(location), default=str)
    elif "://" not in name:
        if os.path.isfile(location):
            raise InputError(
                f"{name} is a file and a store is a folder; EmbeddingStore.from_file makes "
                "one of a .npy, .npz or .safetensors file."
            )
        spec = {"driver": "file", "path": os.path.abspath(location)}
    with explained(f"{name} is no place for a store (a path or a TensorStore kvstore URL)"):
        kv = ts.KvStore.open(spec, context=context()).result()
    if kv.path and not kv.path.endswith("/"):
        kv = kv.copy()
        kv.path += "/"
    local = kv.spec().to_json()
    folder = local["path"] if local["driver"] == "file" else None
    return Place(kv, name.rstrip("/"), folder)


def new_place(location: Location) -> Place:
    """A place where nothing is yet, its folder made; `InputError` if something is."""
    place = open_place(location)
    if place.folder is not None:
        with explained(f"{place.name} cannot be made"):
            os.makedirs(place.folder, exist_ok=True)
            names = os.listdir(place.folder)
            found = [name for name in names if not name.endswith(leftover)]
    else:
        keys = "zarr.json", ".zarray", ".zgroup"
        found = [key for key in keys if place.read_json(key)[0] is not None]
    if found and "zarr.json" not in found:  # what that is, its reader says better
        raise InputError(
            f"{place.name} is not empty, it holds {sorted(found)[0]}: give a new name."
        )
    return place


def remove(place: Place) -> None:
    """Delete all that is in a place."""
    import tensorstore as ts

    with explained(f"{place.name} cannot be removed"):
        if place.folder is not None:
            shutil.rmtree(place.folder)
        else:
            place.kv.delete_range(ts.KvStore.KeyRange()).result()


@ft.cache
def context() -> Any:
    """The process's TensorStore context: without a shared one `memory://` forgets."""
    import tensorstore as ts

    return ts.Context()


@contextlib.contextmanager
def explained(failure: str) -> Iterator[None]:
    """What TensorStore raises, as an `InputError` that says what failed and why."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, OSError, RuntimeError) as error:  # its NotImplementedError, too
        raise InputError(f"{failure}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """The words of a TensorStore error without the places in its own source."""
    return re.sub(r" \[\w+='.*", "", str(error), flags=re.S).strip().rstrip(".") + "."
