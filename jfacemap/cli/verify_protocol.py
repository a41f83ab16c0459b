"""`jfacemap verify --protocol`: templates of a protocol, compared pair by pair."""

import numpy as np

from ..data.arrays import InputError
from ..data.protocol import Protocol
from ..evaluate.scoring import score_pairs
from ..study.verify_map import ijb_fars, plan_verification
from .fitted import Fitted
from .pairs import memory_of, Scored
from .protocol import check_widths, detector_weights, open_protocol, open_side, pool, Side
from .sources import open_rows
from .stream import common_dtype, precision
from .verdict import add_subject_intervals, measure


default_fars = tuple(sorted(ijb_fars, reverse=True))


def verify_protocol(c, fitted: Fitted | None) -> dict:
    """What the options `c` of `jfacemap verify` ask for, found: see `verdict.measure`."""
    rows = open_rows(c.source)
    others = None if c.target is None else open_rows(c.target)
    protocol = open_protocol(c.protocol, c.protocol_name, c.partial)
    if c.intervals and protocol.probes is None:
        raise InputError(
            f"{c.protocol} has no 1N files, which say whom the probes show, and "
            "--intervals draws people: leave the option out."
        )
    weights = detector_weights(protocol, c.detector_scores)
    gallery, probe = _sides(c, rows, others, protocol, fitted)
    plan = plan_verification(protocol)
    _check_memory(c, protocol, (gallery, probe))
    dtype = common_dtype(gallery.rows, probe.rows)
    with precision(dtype):
        options: dict = {"weights": weights, "keep_lengths": c.keep_lengths}
        options["pool_first"] = c.pool_first
        known = pool(gallery, plan.rows[0], plan.grouping[0], dtype, **options)
        searched = pool(probe, plan.rows[1], plan.grouping[1], dtype, **options)
        scores = np.asarray(score_pairs(known, searched, plan.pairs))
        scored = Scored(scores, plan.genuine)
        found = measure(scored, c.fars or default_fars, c.rule, c.protocol)
        if c.intervals:
            subject = protocol.probe_subject
            add_subject_intervals(found, scored, subject, c.seed)
    mapped = c.mapped_side or ("both" if others is None else "probe")
    found["mapped_side"] = None if fitted is None else mapped
    found["pool_first"] = None if fitted is None else c.pool_first
    counts = protocol.counts
    sizes = ", ".join(f"{counts[k]:,} {k}" for k in ("images", "templates", "pairs"))
    found["about"] = {"templates": f"{protocol.name}: {sizes}"}
    if fitted is not None:
        found["about"]["mapped side"] = mapped + ", pooled first" * c.pool_first
    return found


def _sides(c, rows, others, protocol: Protocol, fitted) -> tuple[Side, Side]:
    """Galleries and probes: A on the mapped side and B on the other, or A on both."""
    mine = open_side(c.source, rows, protocol, fitted, c.map)
    if others is None:
        return mine, mine
    theirs = open_side(c.target, others, protocol, fitted, c.map, is_mapped=False)
    check_widths(mine, theirs)
    return (mine, theirs) if c.mapped_side == "gallery" else (theirs, mine)


def _check_memory(c, protocol: Protocol, sides) -> None:
    pairs = memory_of(protocol.n_pairs, c.intervals)
    rows = max(2 * 4 * len(side.rows) * side.rows.shape[1] for side in sides)
    need = (pairs + rows) / 2**30
    if need > c.memory:
        raise InputError(
            f"{protocol.n_pairs:,} pairs of {protocol.n_images:,} images need about "
            f"{need:,.2g} GiB of memory, more than --memory {c.memory:g}: raise the limit "
            "where there is as much."
        )
