"""Stores that several processes or machines have written, as one."""

from collections.abc import Sequence
from typing import Any

from .arrays import InputError
from .store import EmbeddingStore
from .store_convert import batch_size
from .store_place import Location


def join_stores(places: Sequence[Location], place: Location) -> EmbeddingStore:
    """A new store of the rows of several stores, in their order, with their columns.

    For what each process of `jax.distributed` has embedded of its own images: one of them
    joins the parts. Metadata are those of the first; `skipped` is that of all. Memory
    holds a few batches.

    Raises `InputError` if widths, types or columns differ, or how images became rows.
    """
    if not places:
        raise ValueError("Give at least one store to join.")
    parts = [EmbeddingStore.open(part) for part in places]
    first = parts[0]
    for part in parts[1:]:
        if _kind(part) != _kind(first):
            raise InputError(
                f"{part!r} is not of the kind of {first!r}: stores of one network, width, "
                "type and columns join."
            )
    about = first.metadata
    if "skipped" in about:
        skipped = [part.metadata.get("skipped", {}) for part in parts]
        about["skipped"] = {k: v for one in skipped for k, v in one.items()}
    d, columns = first.shape[1], first.columns
    with EmbeddingStore.create(
        place, d, dtype=first.dtype.name, columns=columns, metadata=about
    ) as whole:
        for part in parts:
            start = 0
            for x in part.batches(batch_size(part)):
                rows = slice(start, start + len(x))
                named = {name: part.column(name, rows) for name in columns}
                whole.append(x, commit=False, **named)
                start += len(x)
    return EmbeddingStore.open(place)


def _kind(store: EmbeddingStore) -> Any:
    how = dict(store.metadata.get("embed") or {})
    how.pop("images", None)  # of which images: each has its own
    return store.shape[1], store.dtype, store.columns, how
