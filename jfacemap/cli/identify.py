"""Identification: every probe searched in a gallery (1:N).

A probe's mate is the gallery entry of the same person. Rank r counts the probes whose mate
is among the r best; a mate that ties with others stands behind them. Open set: probes
without a mate set the threshold, at a false positive identification rate (FPIR), and TPIR
is the share of mated probes whose mate scores at least that.

With --gallery-labels and --probe-labels every row is an entry; a person with several
gallery rows counts once, by the best. With --protocol rows are the images of IJB-B or
IJB-C, in the order of its files, pooled to templates; its galleries are searched one by
one, and rates averaged over them. There PROBES may be left out: those of one model.

With --map the rows of PROBES (or of GALLERY, or both: --mapped-side) are mapped first, and
the other side is centred if the map was fitted so. The rules of the threshold are those of
'jfacemap verify'. --intervals draws the people searched for, all their probes together.

examples:
  jfacemap identify g.npy p.npy --gallery-labels g_who.npy --probe-labels p_who.npy
  jfacemap identify b.npy a.npy --protocol IJBC/meta --map ab.safetensors
  jfacemap identify a.npy --protocol IJBC/meta --csv tpir.csv
"""

import dataclasses
import importlib.metadata
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from ..data.arrays import InputError
from ..evaluate.identify import Identification, identify
from ..evaluate.templates import Templates
from .console import facts, line, table, warn
from .files import check_output, Flag, short_name
from .fitted import Fitted, read_map
from .identify_intervals import add_intervals
from .identify_protocol import search_protocol
from .protocol import check_widths, Side, side_of
from .row_order import row_order
from .stream import common_dtype, mapped, precision
from .written import write_results


_choice = tyro.conf.create_mutex_group(required=False, title="rows before the map")
_file = tyro.conf.arg(metavar="FILE")


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap identify`."""

    gallery: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="GALLERY")]]
    """Embeddings of those known: .npy, .npz:KEY, .safetensors:KEY or a store."""
    probes: tyro.conf.Positional[Annotated[str | None, tyro.conf.arg(metavar="PROBES")]] = (
        None
    )
    """Embeddings of those searched; with --protocol of all images by the probes' model."""
    gallery_labels: Annotated[str | None, tyro.conf.arg(metavar="L")] = None
    """Identity of each row of GALLERY, integers or strings."""
    probe_labels: Annotated[str | None, tyro.conf.arg(metavar="L")] = None
    """Identity of each row of PROBES."""
    protocol: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of a protocol's files, the 1N lists among them."""
    map: Annotated[str | None, tyro.conf.arg(metavar="MAP.safetensors")] = None
    """Map the rows of PROBES first, into the space of GALLERY."""
    mapped_side: Literal["probe", "gallery", "both"] = "probe"
    """With --map: whose rows are mapped, those of PROBES, of GALLERY, or both."""
    pool_first: Flag = False
    """With --protocol and --map: pool the images of a mapped side first, map templates."""
    normalize: Annotated[Flag, _choice] = False
    """Scale rows to unit length before the map, whatever the map file says."""
    no_normalize: Annotated[Flag, _choice] = False
    """Take rows as they are before the map, whatever the map file says."""
    ranks: Annotated[tuple[int, ...], tyro.conf.arg(metavar="RANK ...")] = (1, 5, 10)
    """Ranks to report."""
    fpirs: Annotated[tuple[float, ...], tyro.conf.arg(metavar="FPIR ...")] = (1e-2, 1e-1)
    """Target false positive identification rates."""
    rule: Literal["strict", "nearest", "insightface", "interpolate"] = "strict"
    """How a target picks the threshold."""
    detector_scores: Flag = False
    """With --protocol: weigh images by their detector's score."""
    keep_lengths: Flag = False
    """With --protocol: pool images as they are, not scaled to unit length."""
    protocol_name: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """What the protocol's files begin with, where a folder has several: ijbb, ijbc."""
    partial: Flag = False
    """Take a part of IJB-B or IJB-C for what it is."""
    intervals: Flag = False
    """Add 95% intervals from 200 bootstrap draws of the people searched for."""
    seed: int = 0
    """Seed of the bootstrap."""
    json: Annotated[Path | None, _file] = None
    """Write everything as JSON."""
    csv: Annotated[Path | None, _file] = None
    """Write the table as CSV."""
    force: Flag = False
    """Replace output files that exist."""


def run(c: Options) -> None:
    """Read, search, report."""
    _check_options(c)
    names = "gallery", "probes", "map", "gallery_labels", "probe_labels", "protocol"
    given: dict[str, str] = {n: getattr(c, n) for n in names if getattr(c, n) is not None}
    for path, suffix in ((c.json, ".json"), (c.csv, ".csv")):
        check_output(path, suffix, list(given.values()), c.force)
    fitted = None if c.map is None else read_map(c.map, c.normalize, c.no_normalize)
    search = _search_rows if c.protocol is None else search_protocol
    searched, whom = search(c, fitted)
    found: dict = {name: short_name(spec) for name, spec in given.items()}
    if fitted is not None:
        found |= {"fitted": str(fitted), "kind": fitted.header.kind}
        found |= {"mapped_side": c.mapped_side, "pool_first": c.pool_first}
    found |= {"rule": c.rule, "version": importlib.metadata.version("jfacemap")}
    found["galleries"] = {name: _describe(each) for name, each in searched.items()}
    found["table"] = [row for part in searched.items() for row in _rates(c, *part)]
    if len(searched) > 1:
        found["table"] += _averages(found["table"], len(searched))
    if c.intervals:
        add_intervals(found, searched, whom, c)
    _show(c, found)
    write_results(c.json, c.csv, found)


def _check_options(c: Options) -> None:
    labels = c.gallery_labels, c.probe_labels
    if c.protocol is None and (None in labels or c.probes is None):
        raise InputError(
            "Give PROBES, --gallery-labels and --probe-labels, or a --protocol."
        )
    if c.protocol is not None and labels != (None, None):
        raise InputError("A --protocol says who is who: leave the labels out.")
    wrong = [far for far in c.fpirs if not 0 < far <= 1]
    if wrong or not c.fpirs:
        raise InputError(f"--fpirs takes rates above 0, up to 1; got {wrong or 'none'}.")
    low = [rank for rank in c.ranks if rank < 1]
    if low or not c.ranks:
        raise InputError(f"--ranks takes whole numbers from 1; got {low or 'none'}.")
    if (c.normalize or c.no_normalize) and c.map is None:
        raise InputError("--normalize and --no-normalize are about a --map; none is given.")
    if c.intervals and c.rule != "strict":
        raise InputError(f"--intervals are those of --rule strict, not of {c.rule}.")
    if (c.mapped_side != "probe" or c.pool_first) and c.map is None:
        raise InputError("--mapped-side and --pool-first are about a --map; none is given.")
    ours = "pool_first", "detector_scores", "keep_lengths", "protocol_name", "partial"
    for name in ours:
        if getattr(c, name) and c.protocol is None:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is about a --protocol; none is given.")


def _search_rows(
    c: Options, fitted: Fitted | None
) -> tuple[dict[str, Identification], np.ndarray]:
    """Every row an entry of its own; and whom the probes show."""
    sides = []
    for spec, labels in ((c.gallery, c.gallery_labels), (c.probes, c.probe_labels)):
        order = row_order(spec, labels)
        rows = order.rows(spec or "")
        who = order.people(labels or "")
        if len(rows) != len(who):
            raise InputError(
                f"{spec} has {len(rows):,} rows and {labels} {len(who):,}: give one label "
                "a row."
            )
        sides.append((rows, who))
    if c.gallery == c.probes:
        warn(f"{c.gallery} is searched in itself: every row finds the same image.")
    (known, names), (probes, whom) = sides
    if (names.dtype.kind in "US") != (whom.dtype.kind in "US"):
        raise InputError(
            f"{c.gallery_labels} holds {names.dtype} and {c.probe_labels} {whom.dtype}: "
            "give integers in both or strings in both."
        )
    left = side_of(c.gallery, known, fitted, c.mapped_side != "probe", c.map)
    right = side_of(c.probes or "", probes, fitted, c.mapped_side != "gallery", c.map)
    check_widths(*((left, right) if c.mapped_side == "gallery" else (right, left)))
    if not np.isin(whom, names).any():
        raise InputError(
            f"Nobody in {c.probe_labels} is in {c.gallery_labels}: no probe has a mate."
        )
    dtype = common_dtype(known, probes)
    with precision(dtype):
        gallery, searched = _templates(left, dtype), _templates(right, dtype)
        found = identify(gallery, searched, names, whom, fpirs=c.fpirs, rule=c.rule)
        return {"gallery": found}, whom


def _templates(side: Side, dtype) -> Templates:
    options: dict = {"unit_after": True, "dtype": dtype, "title": "reading"}
    batches = mapped(side.rows, side.m, side.space, **options)
    return Templates(np.arange(len(side.rows)), np.concatenate(list(batches)))


def _describe(found: Identification) -> dict[str, int]:
    mated = int(np.count_nonzero(found.mated))
    without = found.mated.size - mated
    return {"people": found.gallery_size, "mated": mated, "without_mate": without}


def _rates(c: Options, name: str, found: Identification) -> list[dict]:
    """A row a rank and a row a FPIR; empty cells where a column is of the other."""
    blank = {"fpir": None, "threshold": None, "supported": None}
    rows: list[dict] = [
        {"gallery": name, "rate": "rank", "at": r, "value": float(v)} | blank
        for r, v in zip(c.ranks, found.hit_rate(c.ranks), strict=True)
    ]
    at = found.open_set
    if at is None:
        return rows
    columns = [np.asarray(x).tolist() for x in (at.tar, at.far, at.threshold, at.supported)]
    for target, *values in zip(c.fpirs, *columns, strict=True):
        row = dict(zip(("value", "fpir", "threshold", "supported"), values, strict=True))
        rows.append({"gallery": name, "rate": "tpir", "at": target} | row)
    return rows


def _averages(rows: list[dict], galleries: int) -> list[dict]:
    """Means over the galleries of what each of them has."""
    kinds = dict.fromkeys((row["rate"], row["at"]) for row in rows)
    means = []
    for rate, at in kinds:
        same = [r["value"] for r in rows if (r["rate"], r["at"]) == (rate, at)]
        if len(same) == galleries:
            row = dict.fromkeys(rows[0]) | {"gallery": "mean", "rate": rate, "at": at}
            means.append(row | {"value": float(np.mean(same))})
    return means


def _show(c: Options, found: dict) -> None:
    names = "gallery", "probes", "map", "protocol"
    about = {name: found[name] for name in names if name in found}
    if "map" in found:
        about["map"] += f": {found['fitted']}"
    for name, n in found["galleries"].items():
        people = f"{n['people']:,} people; {n['mated']:,} probes with a mate, "
        part = f"searched {name}" if len(found["galleries"]) > 1 else "searched"
        about[part] = f"{people}{n['without_mate']:,} without"
    if "map" in found and (c.mapped_side != "probe" or c.pool_first):
        about["mapped side"] = c.mapped_side + ", pooled first" * c.pool_first
    about["rule"] = c.rule
    facts(about)
    named = len(found["galleries"]) > 1
    table(
        ["gallery"] * named
        + ["rate", "value", "FPIR" if c.intervals else "achieved FPIR", "threshold"]
        + ["95% interval"] * c.intervals,
        (([row["gallery"]] * named) + _cells(row) for row in found["table"]),
    )
    for name, n in found["galleries"].items():
        where = f"{name}: " * named
        if not n["without_mate"]:
            line(f"{where}Every probe has a mate, so there is no FPIR and no TPIR.")
    few = [row for row in found["table"] if row["supported"] is False]
    for at in dict.fromkeys(row["at"] for row in few):
        line(f"FPIR {at:g}: less than one probe without a mate, so there is no TPIR.")
    if c.intervals:
        given = "; gallery and map are taken as given" if "map" in found else ""
        line(f"Intervals: {found['interval']}{given or '; the gallery is taken as given'}.")


def _cells(row: dict) -> list[str]:
    rank = row["rate"] == "rank"
    number = lambda x, form: "-" if x is None or np.isnan(x) else format(x, form)
    interval = []
    if "low" in row:
        known = not np.isnan(row["low"])
        interval = [f"{row['low']:.4f} to {row['high']:.4f}" if known else "-"]
    return [
        f"rank {row['at']}" if rank else f"TPIR at FPIR {row['at']:g}",
        number(row["value"], ".4f"),
        "" if rank else number(row["fpir"], ".3g"),
        "" if rank else number(row["threshold"], ".4f"),
        *interval,
    ]
