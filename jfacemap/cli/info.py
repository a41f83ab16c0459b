"""Say what a map file, an array file or a store holds.

Of a map: kind, widths, how it was fitted, and how it stretches space (its singular values;
of a rotation all are 1). Of rows: shape, type, damaged rows, their lengths, the length of
their mean (near 1: they all point one way, and centring may help), and how far they
determine a map (condition number and rank). Of labels: how many there are of each.

examples:
  jfacemap info ab.safetensors
  jfacemap info a.npy
  jfacemap info faces.npz:arcface
  jfacemap info faces.zarr
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from ..core.maps import AbstractMap
from ..core.mlp import MlpMap
from ..data.arrays import (
    InputError,
    is_floating,
    open_arrays,
    read_array,
    scan_rows,
    split_spec,
)
from ..data.map_file import holds_map, load, MapHeader, read_header
from ..data.store import EmbeddingStore
from .console import facts, line, progress, table
from .files import check_file
from .fitted import read_means, sides
from .sources import is_store, Rows, scan_all, StoreRows


widest = 4096
"""Widths beyond take too long to decompose for a glance at a file."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap info`."""

    file: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="FILE")]]
    """A map file, arrays (.npy, .npz[:KEY] or .safetensors[:KEY]) or a store."""


def run(c: Options) -> None:
    """Describe the file."""
    if is_store(c.file):
        return _describe_store(c.file)
    path, key = split_spec(c.file)
    check_file(path)
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


def _shape(array: Rows) -> str:
    return " x ".join(f"{n:,}" for n in array.shape) or "scalar"


def _describe_map(path: Path, header: MapHeader, m: AbstractMap) -> None:
    leaves = jax.tree.leaves(m)
    with jax.enable_x64(True):
        stack, weight, bias = m.stack_shape, np.full(1, np.nan), np.full(1, np.nan)
        bends = isinstance(m, MlpMap)
        if not (stack or bends) and min(m.in_dim, m.out_dim) <= widest:
            weight, bias = (
                np.asarray(x, np.float64) for x in jax.tree.leaves(m.as_affine())
            )
    found = {
        "file": str(path),
        "map": f"{header.kind}, {m.in_dim} -> {m.out_dim}, {leaves[0].dtype}"
        + (f", a stack of {stack}" if stack else ""),
        "numbers": f"{sum(leaf.size for leaf in leaves):,}",
    }
    if np.isfinite(weight).all():
        found |= _describe_weight(weight, bias)
    source, target = read_means(path, header, m) if not stack else (None, None)
    found["written by"] = f"jfacemap {header.version}"
    entries = {k: v for k, v in header.metadata.items() if k not in sides}
    if source is not None and target is not None:
        lengths = (f"{np.linalg.norm(mean):.4g}" for mean in (source, target))
        found["means subtracted"] = "of length {} (source), {} (target)".format(*lengths)
    facts(found | entries)


def _describe_weight(weight: np.ndarray, bias: np.ndarray) -> dict[str, str]:
    """Singular values of `x W + b`, and the length of b."""
    s = np.linalg.svd(weight, compute_uv=False)
    rank = np.count_nonzero(s > max(weight.shape) * np.finfo(np.float32).eps * s[0])
    values = f"{s[-1]:.4g} to {s[0]:.4g}, rank {rank} of {len(s)}"
    found = {"singular values": values}
    if weight.shape[0] == weight.shape[1] and rank == len(s):
        sign, _ = np.linalg.slogdet(weight)
        found["determinant"] = "positive" if sign > 0 else "negative: it mirrors"
    if bias.any():
        found["bias"] = f"of length {np.linalg.norm(bias):.4g}"
    return found


def _describe_store(spec: str) -> None:
    rows = StoreRows(EmbeddingStore.open(spec))
    found = {"file": spec, "shape": _shape(rows), "type": str(rows.dtype)}
    columns = rows.store.columns.items()
    found["columns"] = ", ".join(f"{n} ({kind})" for n, kind in columns) or "none"
    found |= _describe_rows(rows) if len(rows) else {}
    facts(found | {k: str(v) for k, v in rows.store.metadata.items()})


def _describe_array(spec: str, x: np.ndarray) -> None:
    found = {"file": spec, "shape": _shape(x), "type": str(x.dtype)}
    if x.ndim == 1 and x.dtype.kind in "iubUS":
        found |= _describe_labels(x)
    if x.ndim == 2 and x.size and is_floating(x):
        found |= _describe_rows(x)
    facts(found)


def _describe_labels(x: np.ndarray) -> dict[str, str]:
    values, counts = np.unique(x, return_counts=True)
    found = {"different values": f"{len(values):,}"}
    if len(x):
        found["rows of each"] = f"{counts.min():,} to {counts.max():,}"
    if x.dtype.kind in "US":
        empty = np.count_nonzero(np.strings.str_len(np.strings.strip(x)) == 0)
        found |= (
            {"empty": f"{empty:,}, which no command takes for a label"} if empty else {}
        )
    return found


def _describe_rows(x: Rows) -> dict[str, str]:
    broken, zero = scan_all(x)
    found = {"rows with NaN or infinity": f"{len(broken):,}", "zero rows": f"{len(zero):,}"}
    good = np.delete(np.arange(len(x)), broken)
    if not len(good):
        return found
    d, lengths, gram, total = x.shape[1], [], 0, 0
    for start in progress(range(0, len(good), scan_rows), "reading"):
        rows = x[good[start : start + scan_rows]].astype(np.float64)
        lengths.append(np.linalg.norm(rows, axis=1))
        total = total + (rows / np.where(lengths[-1], lengths[-1], 1)[:, None]).sum(axis=0)
        gram = gram + rows.T @ rows if d <= widest else gram
    n = np.concatenate(lengths)
    found["length of rows"] = f"{n.min():.4g} to {n.max():.4g}, mean {n.mean():.4g}"
    mean = np.linalg.norm(total) / len(n)
    found["mean of unit rows"] = f"of length {mean:.4g}"
    if d <= widest:
        s = np.linalg.eigvalsh(gram)
        rank = np.count_nonzero(s > d * np.finfo(s.dtype).eps * s[-1])  # as jfm.diagnose
        found["rank"] = f"{rank} of {d}"
        condition = np.sqrt(s[-1] / s[0]) if rank == d else np.inf
        found["condition number"] = f"{condition:.4g}"
    return found
