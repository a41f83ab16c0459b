"""Map the rows of X into the target model's space and write them to a .npy file.

Rows are scaled to unit length first if they were when the map was fitted (its file
remembers), and read in batches, so the file may be larger than memory. The output appears
whole or not at all.

examples:
  jfacemap apply ab.safetensors a.npy -o a_as_b.npy
  jfacemap apply ab.safetensors probes.npz:arcface -o probes_as_b.npy --unit-output
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from ..data.arrays import new_file, read_rows
from .files import check_output, check_width, Flag, read_map, wants_unit_rows
from .report import facts
from .stream import common_dtype, mapped, precision


_choice = tyro.conf.create_mutex_group(required=False, title="rows before the map")


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap apply`."""

    map: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="MAP.safetensors")]]
    """A map file, as 'jfacemap fit' or jfm.save writes it."""
    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="X")]]
    """Rows of the source model: .npy, .npz:KEY or .safetensors:KEY."""
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="Z.npy")]
    """Where to write the mapped rows."""
    normalize: Annotated[Flag, _choice] = False
    """Scale rows to unit length first, whatever the map file says."""
    no_normalize: Annotated[Flag, _choice] = False
    """Take rows as they are, whatever the map file says."""
    unit_output: Flag = False
    """Scale the mapped rows to unit length, as before pooling them into templates."""
    force: Flag = False
    """Replace the output file if it exists."""


def run(c: Options) -> None:
    """Read, map, write, report."""
    check_output(c.out, ".npy", [c.map, c.source], c.force)
    m, header = read_map(c.map)
    x = read_rows(c.source)
    check_width(c.source, x, c.map, m)
    scale = wants_unit_rows(header, c.normalize, c.no_normalize)
    dtype = common_dtype(x, *jax.tree.leaves(m))
    shape = (len(x), m.out_dim)
    with precision(dtype), new_file(c.out) as temporary:
        z = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        start = 0
        for rows in mapped(
            x, m, unit_before=scale, unit_after=c.unit_output, dtype=dtype, title="mapping"
        ):
            z[start : start + len(rows)] = rows
            start += len(rows)
        z.flush()
    facts(
        {
            "map": f"{header.kind}, {m.in_dim} -> {m.out_dim}",
            "rows": f"{len(x):,}" + (", scaled to unit length before" * scale),
            "written to": f"{c.out}, {shape[0]:,} x {shape[1]} {dtype}"
            + (", of unit length" * c.unit_output),
        }
    )
