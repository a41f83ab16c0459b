"""`jfacemap identify --protocol`: its probes searched in each of its galleries."""

import numpy as np

from ..data.arrays import InputError
from ..data.protocol import Protocol, Roster
from ..evaluate.identify import Identification, identify
from ..evaluate.templates import group_templates, Templates
from .console import progress
from .fitted import Fitted
from .protocol import check_widths, detector_weights, open_protocol, open_side, pool, Side
from .sources import open_rows
from .stream import common_dtype, precision


def search_protocol(
    c, fitted: Fitted | None
) -> tuple[dict[str, Identification], np.ndarray]:
    """What the options `c` of `jfacemap identify` ask for, by gallery; and whom the probes
    show."""
    rows = open_rows(c.gallery)
    others = rows if c.probes is None else open_rows(c.probes)
    protocol = open_protocol(c.protocol, c.protocol_name, c.partial)
    if protocol.probes is None:
        raise InputError(
            f"{c.protocol} has no 1N files ({protocol.name}_1N_gallery_G1.csv, "
            "..._1N_probe_mixed.csv), which list galleries and probes: add them."
        )
    weights = detector_weights(protocol, c.detector_scores)
    moved = {name: c.mapped_side in (name, "both") for name in ("gallery", "probe")}
    gallery = open_side(c.gallery, rows, protocol, fitted, c.map, moved["gallery"])
    spec = c.probes or c.gallery
    probes = open_side(spec, others, protocol, fitted, c.map, moved["probe"])
    check_widths(*((probes, gallery) if moved["probe"] else (gallery, probes)))
    dtype = common_dtype(rows, others)
    options: dict = {"weights": weights, "keep_lengths": c.keep_lengths}
    options["pool_first"] = c.pool_first
    with precision(dtype):
        searched, whom = _pool(protocol, protocol.probes, probes, dtype, options)
        found = {}
        for name in progress(list(protocol.galleries), "searching"):
            known, who = _pool(protocol, protocol.galleries[name], gallery, dtype, options)
            wanted = {"fpirs": c.fpirs, "rule": c.rule}
            found[name] = identify(known, searched, who, whom, **wanted)
    return found, whom


def _pool(
    protocol: Protocol, roster: Roster, side: Side, dtype, options
) -> tuple[Templates, np.ndarray]:
    """The templates of a list, and whom they show."""
    used = np.isin(protocol.template, roster.template)
    grouping = group_templates(protocol.template[used], protocol.media[used])
    templates = pool(side, used, grouping, dtype, **options)
    return templates, protocol.subject_of(np.asarray(templates.ids))
