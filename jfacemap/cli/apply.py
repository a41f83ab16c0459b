"""Map the rows of X into the target model's space and write them to a file.

Rows are scaled to unit length first, and centred, if they were when the map was fitted
(its file remembers), and read in batches, so the file may be larger than memory. The
output appears whole or not at all. A .npz keeps what names the rows of a store, the images
that other commands pair them by, and labels; a .npy holds the rows alone.

A map fitted with --center ends in the target's centred space. There --target-rows puts the
target's own rows: scaled and centred as for the fit, not mapped.

examples:
  jfacemap apply ab.safetensors a.npy -o a_as_b.npy
  jfacemap apply ab.safetensors a.zarr -o a_as_b.npz
  jfacemap apply ab.safetensors probes.npz:arcface -o probes_as_b.npy --unit-output
  jfacemap apply ab.safetensors b.npy -o b_centred.npy --target-rows
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from ..data.arrays import InputError
from ..data.store_convert import export_rows
from .console import facts, warn
from .files import check_output, Flag
from .fitted import check_width, read_map
from .sources import open_rows, read_columns
from .stream import common_dtype, mapped, precision


_choice = tyro.conf.create_mutex_group(required=False, title="rows before the map")


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap apply`."""

    map: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="MAP.safetensors")]]
    """A map file, as 'jfacemap fit' or jfm.save writes it."""
    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="X")]]
    """Rows of the source model: .npy, .npz:KEY, .safetensors:KEY or a store."""
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="Z.npz")]
    """Where to write the mapped rows: .npz or .npy."""
    normalize: Annotated[Flag, _choice] = False
    """Scale rows to unit length first, whatever the map file says."""
    no_normalize: Annotated[Flag, _choice] = False
    """Take rows as they are, whatever the map file says."""
    target_rows: Flag = False
    """X are rows of the target model: make them ready to compare, do not map them."""
    unit_output: Flag = False
    """Scale the mapped rows to unit length, as before pooling them into templates."""
    force: Flag = False
    """Replace the output file if it exists."""


@dataclasses.dataclass(frozen=True)
class Mapped:
    """Mapped rows, computed as they are written, with the columns of their source."""

    run: Callable[[], Iterator[np.ndarray]]
    shape: tuple[int, int]
    dtype: np.dtype
    columns: dict[str, np.ndarray]
    metadata: dict[str, str]

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """All rows, in order, as many at once as a map takes."""
        return self.run()

    def column(self, name: str) -> np.ndarray:
        """What belongs to each row."""
        return self.columns[name]


def run(c: Options) -> None:
    """Read, map, write, report."""
    check_output(c.out, (".npy", ".npz"), [c.map, c.source], c.force)
    fitted = read_map(c.map, c.normalize, c.no_normalize)
    x = open_rows(c.source)
    space, m, width = fitted.source, fitted.m, fitted.m.out_dim
    if not c.target_rows:
        check_width(c.source, x, c.map, m)
    elif x.shape[1] == width:
        space, m = fitted.target, None
    else:
        raise InputError(
            f"{c.map} ends in width {width}, and {c.source} has rows of width "
            f"{x.shape[1]}: with --target-rows give rows of the model the map ends in."
        )
    dtype = common_dtype(x, *jax.tree.leaves(fitted.m))
    columns = read_columns(c.source)
    shape = len(x), width
    with precision(dtype):
        rows = Mapped(
            lambda: mapped(
                x, m, space, unit_after=c.unit_output, dtype=dtype, title="mapping"
            ),
            shape,
            dtype,
            columns if c.out.suffix == ".npz" else {},
            {"map": Path(c.map).name, "source": Path(c.source).name},
        )
        export_rows(rows, c.out, None)
    if "image" in columns and c.out.suffix == ".npy":
        warn(f"{c.out} does not say which image a row is of: a .npz would.")
    ready = ", scaled to unit length" * space.scale + ", centred" * fitted.is_centred
    facts(
        {
            "map": f"{fitted.header.kind}, {fitted.m.in_dim} -> {width}"
            + (", not applied" * c.target_rows),
            "rows": f"{len(x):,}" + (f"{ready} before" if ready else ""),
            "written to": f"{c.out}, {shape[0]:,} x {shape[1]} {dtype}"
            + (", of unit length" * c.unit_output)
            + (", in the target's centred space" * fitted.is_centred),
        }
    )
