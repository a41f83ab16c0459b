"""One order of rows for all sources of a command, by the names of their images.

Stores, and the `.npz` files that `EmbeddingStore.to_file` makes of them, have a column
`image`. The first source that has one says the order, and the others are brought into it.
Other sources are taken as they are: their row i is image i.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from ..core.same_images import find_images, image_names
from ..data.arrays import open_arrays, split_spec
from ..data.store import EmbeddingStore
from .console import warn
from .sources import is_store, open_rows, Picked, read_people, Rows


@dataclasses.dataclass(frozen=True)
class RowOrder:
    """Where the rows of some sources lie: `place[spec] (n,)` of those out of order."""

    place: Mapping[str, np.ndarray]

    def rows(self, spec: str, *, used: np.ndarray | None = None) -> Rows:
        """`open_rows` of a source; `used (n,)` masks rows in the common order."""
        place = self.place.get(spec)
        if place is None:
            return open_rows(spec, used=used)
        if used is not None and len(used) == len(place):
            used = used[np.argsort(place)]
        return Picked(open_rows(spec, used=used), place)

    def people(self, spec: str) -> np.ndarray:
        """`read_people` of a source."""
        return self.values(spec, read_people(spec))

    def values(self, spec: str, values: np.ndarray) -> np.ndarray:
        """Labels or weights (n,) that were read from a source."""
        place = self.place.get(spec)
        fits = place is not None and len(place) == len(values)
        return values[place] if fits else values


def row_order(*specs: str | None) -> RowOrder:
    """The order of rows that several sources pair by; None is left out.

    A warning tells of each that lies in another order; `ValueError` if two are not of the
    same images.
    """
    place, names, warned = {}, {}, {}
    reference = None
    for spec in dict.fromkeys(spec for spec in specs if spec is not None):
        home = _home(spec)
        if home is None:
            continue
        if home not in names:
            names[home] = _names(home)
        if names[home] is None:
            continue
        reference = reference or home
        found = find_images(names[home], names[reference], home, reference)
        if found is not None:
            place[spec] = found
            text = "has the images of {} in another order: rows are paired by 'image'."
            warned[home] = f"{home} {text.format(reference)}"
    for text in warned.values():
        warn(text)
    return RowOrder(place)


def _home(spec: str) -> str | None:
    """The store or `.npz` file that a spec is of; None of other files."""
    store, _, column = spec.rpartition(":")
    if store and column.isidentifier() and is_store(store):
        return store
    if is_store(spec):
        return spec
    path, _ = split_spec(spec)
    return str(path) if path.suffix.lower() == ".npz" and path.is_file() else None


def names_of(spec: str) -> np.ndarray | None:
    """The names of the images (n,) that a source is of, if it has them."""
    home = _home(spec)
    return None if home is None else _names(home)


def _names(home: str) -> np.ndarray | None:
    if is_store(home):
        return image_names(EmbeddingStore.open(home))
    arrays = open_arrays(home)
    if not {"image", "metadata"} <= set(arrays):  # not of `to_file`
        return None
    names = arrays["image"]()
    return names if names.ndim == 1 else None
