"""Verification: how many genuine pairs are accepted (TAR) at a false accept rate (FAR).

A pair's score is the cosine of its rows. With --labels every pair of rows is compared:
within one model each unordered pair once; with --target every row i of A against every
row j of B, i != j, as rows i of A and B are the same image. With --pairs, those listed.

With --map the rows of A are mapped first. Fit the map on other people than are judged
here, or the numbers flatter it.

Beside the table stand the equal error rate (EER: false accepts = false rejects), and the
area under the curve of TAR against FAR (AUC).

rules (the threshold for a target FAR):
  strict       the loosest threshold whose FAR is at most the target
  nearest      the operating point with the FAR nearest to the target
  insightface  nearest, among the points scikit-learn's roc_curve keeps
  interpolate  linear in FAR between operating points

examples:
  jfacemap verify a.npy --labels who.npy
  jfacemap verify a.npy --target b.npy --map ab.safetensors --labels who.npy --intervals
  jfacemap verify a.npy --pairs pairs.csv --fars 1e-2 1e-4 --json result.json

pairs.csv holds 'row_a,row_b,genuine' lines (rows counted from 0, genuine 0 or 1).
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from ..data.arrays import InputError, read_labels, read_rows
from .files import check_output, check_width, Flag, read_map, short_name, wants_unit_rows
from .pairs import count_all, read_pairs, score_all, score_listed
from .stream import common_dtype, mapped, precision
from .verdict import add_intervals, measure, show, write_csv, write_json


_which = tyro.conf.create_mutex_group(required=True, title="which pairs are genuine")
_choice = tyro.conf.create_mutex_group(required=False, title="rows before the map")
_file = tyro.conf.arg(metavar="FILE")

bytes_per_pair, bytes_with_intervals = 90, 200
"""Peak memory for each pair, as measured."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap verify`."""

    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="A")]]
    """Embeddings of one model: .npy, .npz:KEY or .safetensors:KEY."""
    labels: Annotated[str | None, _which, tyro.conf.arg(metavar="L")] = None
    """Identity of each row, integers or strings: all pairs are compared."""
    pairs: Annotated[str | None, _which, tyro.conf.arg(metavar="P")] = None
    """List of pairs, .csv or array (P, 3): row of A, row of B (or A), genuine 0 or 1."""
    target: Annotated[str | None, tyro.conf.arg(metavar="B")] = None
    """Embeddings of a second model, compared with those of A."""
    map: Annotated[str | None, tyro.conf.arg(metavar="MAP.safetensors")] = None
    """Map the rows of A first: into B's space, or to be compared with each other."""
    normalize: Annotated[Flag, _choice] = False
    """Scale rows to unit length before the map, whatever the map file says."""
    no_normalize: Annotated[Flag, _choice] = False
    """Take rows as they are before the map, whatever the map file says."""
    fars: Annotated[tuple[float, ...], tyro.conf.arg(metavar="FAR ...")] = (
        1e-1,
        1e-2,
        1e-3,
    )
    """Target false accept rates."""
    rule: Literal["strict", "nearest", "insightface", "interpolate"] = "strict"
    """How a target picks the threshold."""
    intervals: Flag = False
    """Add 95% intervals from 2,000 bootstrap draws of identities; needs --labels."""
    seed: int = 0
    """Seed of the bootstrap."""
    json: Annotated[Path | None, _file] = None
    """Write everything as JSON."""
    csv: Annotated[Path | None, _file] = None
    """Write the table as CSV."""
    memory: Annotated[float, tyro.conf.arg(metavar="GIB")] = 8.0
    """Refuse more pairs than fit in this much memory."""
    force: Flag = False
    """Replace output files that exist."""


def run(c: Options) -> None:
    """Read, score, report."""
    _check_options(c)
    inputs = [s for s in (c.source, c.target, c.map, c.labels, c.pairs) if s is not None]
    check_output(c.json, ".json", inputs, c.force)
    check_output(c.csv, ".csv", inputs, c.force)
    a, b = read_rows(c.source), None if c.target is None else read_rows(c.target)
    labels, count, score = _plan(c, len(a), len(a if b is None else b))
    dtype = common_dtype(a, *([] if b is None else [b]))
    _check_memory(c, len(a), count)
    with precision(dtype):
        a, b, origin = _place(c, a, b, dtype)
        scored = score(a, b)
        found = measure(scored, c.fars, c.rule, c.labels or c.pairs or "")
        if labels is not None:
            found["identities"] = len(np.unique(labels))
            if c.intervals:
                add_intervals(found, scored.scores, labels, b is not None, c.seed)
    show(origin | found)
    if c.json is not None:
        write_json(c.json, origin | found)
    if c.csv is not None:
        write_csv(c.csv, found)


def _check_options(c: Options) -> None:
    wrong = [far for far in c.fars if not 0 < far <= 1]
    if wrong or not c.fars:
        raise InputError(f"--fars takes rates above 0, up to 1; got {wrong or 'none'}.")
    if c.intervals and c.labels is None:
        raise InputError("--intervals draws identities: it needs --labels, not --pairs.")
    if c.intervals and c.rule != "strict":
        raise InputError(f"--intervals are those of --rule strict, not of {c.rule}.")
    if (c.normalize or c.no_normalize) and c.map is None:
        raise InputError("--normalize and --no-normalize are about a --map; none is given.")


def _plan(c: Options, rows_a: int, rows_b: int):
    """Labels if given, the number of pairs, and what scores them."""
    if c.labels is None:
        pairs = read_pairs(c.pairs or "", rows_a, rows_b)
        return None, len(pairs), lambda a, b: score_listed(a, a if b is None else b, pairs)
    labels = read_labels(c.labels)
    for spec, n in ((c.labels, len(labels)), (c.target, rows_b)):
        if n != rows_a:
            raise InputError(
                f"{c.source} has {rows_a:,} rows and {spec} {n:,}: with --labels, row i "
                "is the same image everywhere. For other rows give --pairs."
            )
    count = count_all(rows_a, c.target is not None)
    return labels, count, lambda a, b: score_all(a, b, labels)


def _check_memory(c: Options, n: int, count: int) -> None:
    each = bytes_with_intervals if c.intervals else bytes_per_pair
    need = count * each / 2**30
    if need > c.memory:
        raise InputError(
            f"{count:,} pairs (of {n:,} rows) need about {need:,.2g} GiB of memory, more "
            f"than --memory {c.memory:g}: judge fewer rows or list fewer pairs, or raise "
            "the limit."
        )


def _place(c: Options, a, b, dtype):
    """Unit rows of both sides in one space, and where they came from."""
    given = {n: getattr(c, n) for n in ("source", "target", "map", "labels", "pairs")}
    origin: dict = {n: short_name(spec) for n, spec in given.items() if spec is not None}
    m, scale = None, False
    if c.map is not None:
        m, header = read_map(c.map)
        check_width(c.source, a, c.map, m)
        scale = wants_unit_rows(header, c.normalize, c.no_normalize)
        origin |= {"kind": header.kind, "unit_before_map": scale}
    width = a.shape[1] if m is None else m.out_dim
    if b is not None and b.shape[1] != width:
        raise InputError(
            f"{c.target} has rows of width {b.shape[1]}, and those of {c.source} are "
            f"{width} wide{' once mapped' if m else ''}: give a --map that ends in "
            f"width {b.shape[1]} (jfacemap fit makes one)."
        )
    rows = lambda x, m, scale: np.concatenate(
        list(mapped(x, m, unit_before=scale, unit_after=True, dtype=dtype, title="reading"))
    )
    return rows(a, m, scale), None if b is None else rows(b, None, False), origin
