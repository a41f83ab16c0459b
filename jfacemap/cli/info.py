"""Say what a map file or an array file holds.

Of a map: kind, widths, and how it was fitted. Of an array: shape, type, damaged rows, the
lengths of rows, and how far rows determine a map (condition number and rank).

examples:
  jfacemap info ab.safetensors
  jfacemap info a.npy
  jfacemap info faces.npz:arcface
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from ..core.maps import AbstractMap
from ..data.arrays import (
    InputError,
    is_floating,
    open_arrays,
    read_array,
    scan,
    scan_rows,
    split_spec,
)
from ..data.map_file import holds_map, load, MapHeader, read_header
from .report import facts, line, progress, table


widest = 4096
"""Widths beyond take too long to decompose for a glance at a file."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap info`."""

    file: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="FILE")]]
    """A map file, or arrays: .npy, .npz[:KEY] or .safetensors[:KEY]."""


def run(c: Options) -> None:
    """Describe the file."""
    path, key = split_spec(c.file)
    if key is not None:
        return _describe_array(c.file, read_array(c.file))
    arrays = open_arrays(path)
    if holds_map(path):
        return _describe_map(path, read_header(path), load(path))
    if len(arrays) == 1:
        return _describe_array(c.file, read_array(path))
    line(f"{path} holds {len(arrays)} arrays; 'jfacemap info {path}:KEY' tells more.")
    table(("key", "shape", "type"), (_summary(k, read) for k, read in arrays.items()))


def _summary(key: str, read) -> tuple[str, str, str]:
    try:
        array = read()
    except InputError as error:  # one pickled member need not hide the others
        return key, "-", str(error)
    return key, _shape(array), str(array.dtype)


def _shape(array: np.ndarray) -> str:
    return " x ".join(f"{n:,}" for n in array.shape) or "scalar"


def _describe_map(path: Path, header: MapHeader, m: AbstractMap) -> None:
    leaves = jax.tree.leaves(m)
    with jax.enable_x64(True):
        stack = jax.eval_shape(lambda m: m.as_affine().bias, m).shape[:-1]
    facts(
        {
            "file": str(path),
            "map": f"{header.kind}, {m.in_dim} -> {m.out_dim}, {leaves[0].dtype}"
            + (f", a stack of {stack}" if stack else ""),
            "written by": f"jfacemap {header.version}",
        }
        | header.metadata
    )


def _describe_array(spec: str, x: np.ndarray) -> None:
    found = {"file": spec, "shape": _shape(x), "type": str(x.dtype)}
    if x.ndim == 1 and x.dtype.kind in "iubUS":
        found["different values"] = f"{len(np.unique(x)):,}"
    if x.ndim == 2 and x.size and is_floating(x):
        found |= _describe_rows(x)
    facts(found)


def _describe_rows(x: np.ndarray) -> dict[str, str]:
    broken, zero = scan(x)
    found = {"rows with NaN or infinity": f"{len(broken):,}", "zero rows": f"{len(zero):,}"}
    good = np.delete(np.arange(len(x)), broken)
    if not len(good):
        return found
    d, lengths, gram = x.shape[1], [], 0
    for start in progress(range(0, len(good), scan_rows), "reading"):
        rows = x[good[start : start + scan_rows]].astype(np.float64)
        lengths.append(np.linalg.norm(rows, axis=1))
        gram = gram + rows.T @ rows if d <= widest else gram
    n = np.concatenate(lengths)
    found["length of rows"] = f"{n.min():.4g} to {n.max():.4g}, mean {n.mean():.4g}"
    if d <= widest:
        s = np.linalg.eigvalsh(gram)
        rank = np.count_nonzero(s > d * np.finfo(s.dtype).eps * s[-1])  # as jfm.diagnose
        found["rank"] = f"{rank} of {d}"
        condition = np.sqrt(s[-1] / s[0]) if rank == d else np.inf
        found["condition number"] = f"{condition:.4g}"
    return found
