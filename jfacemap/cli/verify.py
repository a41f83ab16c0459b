"""Verification: how many genuine pairs are accepted (TAR) at a false accept rate (FAR).

A pair's score is the cosine of its rows. With --labels every pair of rows is compared:
within one model each unordered pair once; with --target every row i of A against every
row j of B, i != j, as rows i of A and B are the same image. With --pairs, those listed.
With --protocol rows are the images of IJB-B or IJB-C, in the order of its files; they are
pooled to templates, and its pairs compared: probes of A with galleries of B.

With --map the rows of A are mapped first, and B is centred if the map was fitted so. Fit
the map on other people than are judged here, or the numbers flatter it.

Beside the table stand the equal error rate (EER: false accepts = false rejects), and the
area under the curve of TAR against FAR (AUC). A FAR of less than one impostor pair has no
TAR; what is known there is said below the table.

rules (the threshold for a target FAR):
  strict       the loosest threshold whose FAR is at most the target
  nearest      the operating point with the FAR nearest to the target
  insightface  nearest, among the points scikit-learn's roc_curve keeps
  interpolate  linear in FAR between operating points

examples:
  jfacemap verify a.npy --labels who.npy
  jfacemap verify a.npy --target b.npy --map ab.safetensors --labels who.npy --intervals
  jfacemap verify a.npy --pairs pairs.csv --fars 1e-2 1e-4 --json result.json
  jfacemap verify a.npy --protocol IJBC/meta --target b.npy --map ab.safetensors

pairs.csv holds 'row_a,row_b,genuine' lines (rows counted from 0, genuine 0 or 1).
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from ..data.arrays import InputError
from .files import check_output, Flag, short_name
from .fitted import check_width, Fitted, read_map, Space
from .pairs import count_all, memory_of, read_pairs, score_all, score_listed
from .row_order import row_order, RowOrder
from .stream import common_dtype, mapped, precision
from .verdict import add_intervals, measure, show
from .verify_protocol import verify_protocol
from .written import write_results


_which = tyro.conf.create_mutex_group(required=True, title="which pairs are genuine")
_choice = tyro.conf.create_mutex_group(required=False, title="rows before the map")
_file = tyro.conf.arg(metavar="FILE")


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap verify`."""

    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="A")]]
    """Embeddings of one model: .npy, .npz:KEY, .safetensors:KEY or a store."""
    labels: Annotated[str | None, _which, tyro.conf.arg(metavar="L")] = None
    """Identity of each row, integers or strings: all pairs are compared."""
    pairs: Annotated[str | None, _which, tyro.conf.arg(metavar="P")] = None
    """List of pairs, .csv or array (P, 3): row of A, row of B (or A), genuine 0 or 1."""
    protocol: Annotated[str | None, _which, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of a protocol's files: templates are compared; its galleries are of B."""
    target: Annotated[str | None, tyro.conf.arg(metavar="B")] = None
    """Embeddings of a second model, compared with those of A."""
    map: Annotated[str | None, tyro.conf.arg(metavar="MAP.safetensors")] = None
    """Map the rows of A first: into B's space, or to be compared with each other."""
    normalize: Annotated[Flag, _choice] = False
    """Scale rows to unit length before the map, whatever the map file says."""
    no_normalize: Annotated[Flag, _choice] = False
    """Take rows as they are before the map, whatever the map file says."""
    mapped_side: Literal["probe", "gallery", "both"] | None = None
    """With --protocol: which templates are those of A, mapped; by default "probe" with a
    --target and "both" without."""
    pool_first: Flag = False
    """With --protocol and --map: pool the images of A first and map templates."""
    detector_scores: Flag = False
    """With --protocol: weigh images by their detector's score."""
    keep_lengths: Flag = False
    """With --protocol: pool images as they are, not scaled to unit length."""
    protocol_name: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """What the protocol's files begin with, where a folder has several: ijbb, ijbc."""
    partial: Flag = False
    """Take a part of IJB-B or IJB-C for what it is."""
    fars: Annotated[tuple[float, ...] | None, tyro.conf.arg(metavar="FAR ...")] = None
    """Target false accept rates; by default .1 .01 .001, with --protocol down to 1e-6."""
    rule: Literal["strict", "nearest", "insightface", "interpolate"] = "strict"
    """How a target picks the threshold."""
    intervals: Flag = False
    """Add 95% intervals from bootstrap draws of identities, of fewer than 30 Wilson's
    too; needs --labels (2,000 draws) or a --protocol with its 1N files (200)."""
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
    names = "source", "target", "map", "labels", "pairs", "protocol"
    given: dict[str, str] = {n: getattr(c, n) for n in names if getattr(c, n) is not None}
    for path, suffix in ((c.json, ".json"), (c.csv, ".csv")):
        check_output(path, suffix, list(given.values()), c.force)
    origin: dict = {name: short_name(spec) for name, spec in given.items()}
    fitted = None if c.map is None else read_map(c.map, c.normalize, c.no_normalize)
    if fitted is not None:
        origin |= {"fitted": str(fitted), "kind": fitted.header.kind}
        origin |= {"unit_before_map": fitted.source.scale, "centred": fitted.is_centred}
    verify = _verify_rows if c.protocol is None else verify_protocol
    found = origin | verify(c, fitted)
    show(found)
    write_results(c.json, c.csv, found)


def _check_options(c: Options) -> None:
    wrong = [far for far in c.fars or () if not 0 < far <= 1]
    if wrong or c.fars == ():
        raise InputError(f"--fars takes rates above 0, up to 1; got {wrong or 'none'}.")
    if not c.memory > 0:
        raise InputError(f"--memory is a number of GiB above 0; got {c.memory:g}.")
    if c.intervals and c.pairs is not None:
        raise InputError(
            "--intervals draws identities: it needs --labels or --protocol, not --pairs."
        )
    if c.intervals and c.rule != "strict":
        raise InputError(f"--intervals are those of --rule strict, not of {c.rule}.")
    if (c.normalize or c.no_normalize) and c.map is None:
        raise InputError("--normalize and --no-normalize are about a --map; none is given.")
    if c.mapped_side == "both" and c.target is not None:
        raise InputError("--mapped-side both compares A with A: leave the --target out.")
    if c.mapped_side in ("probe", "gallery") and c.target is None:
        raise InputError(
            f"--mapped-side {c.mapped_side} is for a --protocol with a --target."
        )
    if c.pool_first and c.map is None:
        raise InputError("--pool-first is about a --map; none is given.")
    ours = "mapped_side", "pool_first", "detector_scores", "keep_lengths"
    for name in (*ours, "protocol_name", "partial"):
        if getattr(c, name) and c.protocol is None:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is about a --protocol; none is given.")


def _verify_rows(c: Options, fitted: Fitted | None) -> dict:
    # A list of pairs counts the rows of each side as they lie.
    paired = (c.source, c.target, c.labels) if c.labels is not None else ()
    order = row_order(*paired)
    a, b = order.rows(c.source), None if c.target is None else order.rows(c.target)
    labels, count, score = _plan(c, order, len(a), len(a if b is None else b))
    dtype = common_dtype(a, *([] if b is None else [b]))
    _check_memory(c, len(a), count)
    with precision(dtype):
        a, b = _place(c, a, b, fitted, dtype)
        scored, fars = score(a, b), c.fars or (1e-1, 1e-2, 1e-3)
        found = measure(scored, fars, c.rule, c.labels or c.pairs or "")
        if labels is not None:
            found["identities"] = len(np.unique(labels))
            if c.intervals:
                add_intervals(found, scored.scores, labels, b is not None, c.seed)
    return found


def _plan(c: Options, order: RowOrder, rows_a: int, rows_b: int):
    """Labels if given, the number of pairs, and what scores them."""
    if c.labels is None:
        pairs = read_pairs(c.pairs or "", rows_a, rows_b)
        return None, len(pairs), lambda a, b: score_listed(a, a if b is None else b, pairs)
    labels = order.people(c.labels)
    for spec, n in ((c.labels, len(labels)), (c.target, rows_b)):
        if n != rows_a:
            raise InputError(
                f"{c.source} has {rows_a:,} rows and {spec} {n:,}: with --labels, row i "
                "is the same image everywhere. For other rows give --pairs."
            )
    count = count_all(rows_a, c.target is not None)
    return labels, count, lambda a, b: score_all(a, b, labels)


def _check_memory(c: Options, n: int, count: int) -> None:
    need = memory_of(count, c.intervals) / 2**30
    if need > c.memory:
        raise InputError(
            f"{count:,} pairs (of {n:,} rows) need about {need:,.2g} GiB of memory, more "
            f"than --memory {c.memory:g}: judge fewer rows or list fewer pairs, or raise "
            "the limit."
        )


def _place(c: Options, a, b, fitted: Fitted | None, dtype):
    """Unit rows of both sides in one space."""
    m, left, right = None, Space(), Space()
    if fitted is not None:
        m, left, right = fitted.m, fitted.source, fitted.target
        check_width(c.source, a, c.map or "", m)
    width = a.shape[1] if m is None else m.out_dim
    if b is not None and b.shape[1] != width:
        raise InputError(
            f"{c.target} has rows of width {b.shape[1]}, and those of {c.source} are "
            f"{width} wide{' once mapped' if m else ''}: give a --map that ends in "
            f"width {b.shape[1]} (jfacemap fit makes one)."
        )
    rows = lambda x, m, space: np.concatenate(
        list(mapped(x, m, space, unit_after=True, dtype=dtype, title="reading"))
    )
    return rows(a, m, left), None if b is None else rows(b, None, right)
