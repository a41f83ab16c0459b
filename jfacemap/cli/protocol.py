"""A verification protocol from its files, and templates pooled from rows of its images."""

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..core.maps import AbstractMap
from ..core.same_images import find_images
from ..data.arrays import InputError
from ..data.ijb import published, read_ijb
from ..data.ijb_files import find_protocol
from ..data.protocol import Protocol
from ..evaluate.pooling import pool_mapped, pool_templates
from ..evaluate.templates import Grouping, Templates
from .files import check_folder
from .fitted import check_width, Fitted, Space
from .row_order import names_of
from .sources import Picked, Rows
from .stream import mapped


class Side(NamedTuple):
    """Rows of all images by one model, the space they are put in, and the map to it."""

    spec: str
    rows: Rows
    space: Space = Space()
    m: AbstractMap | None = None

    @property
    def width(self) -> int:
        """Of its templates."""
        return self.rows.shape[1] if self.m is None else self.m.out_dim


def open_protocol(folder: str, name: str | None, partial: bool) -> Protocol:
    """The protocol of a folder; of published data the whole, unless `partial`."""
    check_folder(Path(folder))
    try:
        _, found = find_protocol(Path(folder), name)
    except InputError as error:
        raise InputError(str(error).replace("as name=", "as --protocol-name ")) from error
    whole = found in published and not partial
    try:
        return read_ijb(folder, name=found, check_counts=whole)
    except InputError as error:
        raise InputError(str(error).replace("check_counts=False", "--partial")) from error


def open_side(
    spec: str,
    rows: Rows,
    protocol: Protocol,
    fitted: Fitted | None,
    path,
    is_mapped: bool = True,
) -> Side:
    """`side_of` images; rows must be the protocol's, in any order if named by image."""
    n = protocol.n_images
    if len(rows) != n:
        raise InputError(
            f"{spec} has {len(rows):,} rows, and the protocol {n:,} images: give a row an "
            f"image, in the order of {protocol.name}_face_tid_mid.txt."
        )
    return side_of(spec, _in_order(spec, rows, protocol), fitted, is_mapped, path)


def _in_order(spec: str, rows: Rows, protocol: Protocol) -> Rows:
    """The rows in the order of the protocol's images, if their store names them.

    Numbers are positions in an array of images, taken to be in that order; of files the
    names without their folders count.
    """
    names, wanted = names_of(spec), protocol.image
    if names is None:
        return rows
    if names.dtype.kind in "iu":
        wanted = np.arange(len(wanted))
    else:
        names, wanted = (_file_names(side) for side in (names, wanted))
    place = find_images(names, wanted, spec, f"the protocol {protocol.name}")
    return rows if place is None else Picked(rows, place)


def _file_names(paths: np.ndarray) -> np.ndarray:
    return np.array([path.rpartition("/")[2] for path in paths.tolist()])


def side_of(spec: str, rows: Rows, fitted: Fitted | None, is_mapped: bool, path) -> Side:
    """A side in the space of the map's source, mapped on, or in that of its target."""
    if fitted is None:
        return Side(spec, rows)
    if not is_mapped:
        return Side(spec, rows, fitted.target)
    check_width(spec, rows, path, fitted.m)
    return Side(spec, rows, fitted.source, fitted.m)


def check_widths(one: Side, other: Side) -> None:
    """Raise `InputError` unless the templates of two sides compare."""
    if one.width != other.width:
        once = " once mapped" if one.m is not None else ""
        raise InputError(
            f"{other.spec} has rows of width {other.width}, and those of {one.spec} are "
            f"{one.width} wide{once}: give a --map that ends in width {other.width} "
            "(jfacemap fit makes one)."
        )


def pool(
    side: Side,
    used: np.ndarray,
    grouping: Grouping,
    dtype: np.dtype,
    *,
    weights: np.ndarray | None = None,
    keep_lengths: bool = False,
    pool_first: bool = False,
) -> Templates:
    """Templates of the images `used (n,)`, mapped and scaled to unit length on the way.

    With `keep_lengths` images weigh in their template by their length, as they come from
    the model or the map; with `pool_first` templates are mapped and not images.
    """
    picked = Picked(side.rows, np.flatnonzero(used))
    ready = np.empty((len(picked), side.rows.shape[1]), dtype)
    done = 0
    for rows in mapped(
        picked, None, side.space, unit_after=False, dtype=dtype, title="reading"
    ):
        ready[done : done + len(rows)] = rows
        done += len(rows)
    given = None if weights is None else jnp.asarray(weights[used], dtype)
    how: dict = {"weights": given, "normalize_images": not keep_lengths}
    if side.m is None:
        return pool_templates(ready, grouping, **how)
    return pool_mapped(side.m, ready, grouping, pool_first=pool_first, **how)


def detector_weights(protocol: Protocol, wanted: bool) -> np.ndarray | None:
    """The detector's score of each image, if they are to weigh by it."""
    if wanted and protocol.detector_score is None:
        raise InputError(
            f"--detector-scores needs {protocol.name}_name_5pts_score.txt beside the other "
            "files of the protocol: leave the option out."
        )
    return protocol.detector_score if wanted else None
