"""The tables of a report that tell TAR of maps, and how the maps were chosen."""

import itertools

import numpy as np

from ..study.report.map_kinds import ridges
from ..study.report.map_tables import mean_of
from ..study.report.settings import centrings, kinds
from ..study.report.whole import Report
from .count import count, people
from .pairs import ladder_pairs, ranks_of
from .table import by_far, Cell, known, PageTable


def list_native(r: Report) -> PageTable:
    """Native TAR of each model at each FAR, with its intervals, in both spaces."""
    spread, rows = r.native.spread, []
    centred = r.maps[f"{kinds[0]}, {centrings[1]}"]
    assert spread is not None

    def cell(table, i: int, k: int) -> tuple:
        s = table.spread
        return table.tar.tar[i, i, k], s.lower[i, i, k], s.upper[i, i, k]

    for i in r.order:
        for k, far in by_far(r):
            wilson = r.wilson.lower[i, k], r.wilson.upper[i, k]
            numbers = *cell(r.native, i, k), *wilson, *cell(centred, i, k)
            rows.append([r.names[i], far, *map(known, numbers)])
    caption = (
        f"Native TAR. From, to: 95 % interval of {r.settings.replicates:,} draws of the "
        f"{people(spread.n_identities)} judged. Wilson: 95 % interval adjusted for pairs "
        "that share people, the threshold as given; trust it over the bootstrap where "
        "people are fewer than 30 or errors near 0. At a TAR of 0 or 1, where nothing "
        "varies, Wilson's interval takes the number of people for that of trials: a model "
        "without an error may have a worse bound than one with some. Centred: about each "
        "model's mean over the people fitted on."
    )
    header = "model", "FAR", "TAR", "from", "to", "Wilson from", "Wilson to"
    header += "centred TAR", "centred from", "centred to"
    return PageTable("native", caption, header, rows)


def list_summary(r: Report) -> PageTable:
    """Mean TAR of every kind of map and of the controls, in falling order."""
    far, rows = r.settings.fars[0], []
    others = [(k, f) for k, f in by_far(r) if k]
    for name, m in r.ranking:
        kind, centring = name.split(", ")
        first = (x[0] for x in (m.value, m.lower, m.upper, m.less, m.less_lower))
        refits = r.refits.get(name)
        moved: list[Cell] = [None, None]
        if refits is not None and len(refits):
            spread = float(refits[:, 0].std(ddof=1)) if len(refits) > 1 else None
            moved = [known(refits[:, 0].mean()), spread]
        rest = [known(m.value[k]) for k, _ in others]
        ends = map(known, (*first, m.less_upper[0]))
        rows.append([kind + _ranks_chosen(r, kind), centring, *ends, *moved, *rest])
    for name, table in r.controls.items():
        kind, centring = name.split(", ")
        rows.append(_control(f"control: {kind}, pairs at random", centring, table.tar, r))
    name = "control: linear, each model to itself"
    rows.append(_control(name, centrings[0], r.self_map, r, diagonal=True))
    header = "map", "spaces", f"TAR at {far:g}", "from", "to", "less native, same spaces"
    header += ("less from", "less to", "refits", "refits sd")
    caption = (
        f"Mean TAR at FAR {far:g} over ordered pairs of models (native: over models). "
        "From, to: 95 % interval over the people judged, maps as given. Less native: "
        "of the same spaces, native of centred ones for maps of these; its interval is "
        "paired, in each draw. Maps whose intervals overlap are not told apart by their "
        "order here. Refits: mean and standard deviation over "
        f"{count(r.settings.refits, 'other half', 'other halves')} of the people. Identity "
        "is a control too: no map, other model. -: not measured."
    )
    return PageTable(
        "summary", caption, (*header, *(f"TAR at {f:g}" for _, f in others)), rows, 2
    )


def list_maps(r: Report, kind: str) -> PageTable:
    """Every cell of a kind's tables, with the band that holds for all of them."""
    rows, n = [], len(r.names)
    for i, j, (k, far) in itertools.product(range(n), range(n), by_far(r)):
        if i != j:
            row: list[Cell] = [r.names[i], r.names[j], far]
            for centring in centrings:
                table = r.maps[f"{kind}, {centring}"]
                band = table.band
                assert band is not None
                cell = table.tar.tar[i, j, k], band.lower[i, j, k], band.upper[i, j, k]
                row += map(known, cell)
            rows.append(row)
    caption = (
        f"{kind}: TAR of sources mapped into targets, first in spaces as they are, then "
        "in centred ones. The band, from and to, holds for all cells of its half of "
        "this table and for native ones at once (95 %), and is cut off at 0 and 1. Native "
        "TAR, of source and target alike, is in the table under Native TAR."
    )
    header = "source", "target", "FAR", "TAR", "from", "to"
    name = f"cells-{kind.replace(' ', '-')}"
    return PageTable(
        name, caption, (*header, "centred TAR", "centred from", "centred to"), rows, 2
    )


def list_choices(r: Report) -> PageTable:
    """Ridge and rank chosen for each pair of models."""
    rows, header = [], [*r.chosen]
    whole = lambda name, cell: int(cell) if name.startswith("low rank") else known(cell)
    for i, j in np.ndindex(len(r.names), len(r.names)):
        if i != j:
            cells = [whole(name, table[i, j]) for name, table in r.chosen.items()]
            rows.append([r.names[i], r.names[j], *cells])
    caption = (
        f"Ridge (for each row of unit length: the penalty over the number of rows; one of "
        f"{len(ridges)}, {ridges[0]:g} to {ridges[-1]:g}) and rank chosen by the error on "
        f"{r.settings.folds} folds of the people fitted on, "
        "not by TAR: with few rows least squares of low rank predicts better and verifies "
        "worse. Ranks are offered from 4 on, in powers of two; a choice at an end may lie "
        "beyond it. The ladder has grids of its own, told there."
    )
    return PageTable("choices", caption, ("source", "target", *header), rows, 2)


def list_ladder(r: Report) -> PageTable:
    """Errors of families of maps on people left out of the fit people."""
    rows, n = [], r.data.parts["fitted on"][0]
    # A ladder's ridge stands beside a sum over rows, that of other tables beside a mean.
    chosen_as = {"ridge": lambda c: c / n, "low rank": int}
    for (source, target), ladder in r.ladders.items():
        for row in ladder.rows():
            marks = [m for m in ("best", "supported") if row[m]]
            numbers = (row["error"], row["error_se"], row["cosine"])
            chosen, family = row["chosen"], row["family"]
            if chosen is not None:
                chosen = chosen_as[family](chosen)
            rows.append([source, target, family, ", ".join(marks), *numbers, chosen])
    caption = (
        "Error: share of the target's variance left on people left out; its standard "
        "error over folds; mean cosine of mapped and target rows; spaces as they are. "
        f"Climbed: {ladder_pairs(r)}. Chosen: the rank, or the ridge for each row of unit "
        "length, that all folds together choose; each error is of a choice among the "
        "folds left. Both are offered on grids other than those of the maps above: ranks "
        "are powers of two from 1 to less than both widths, and 21 ridges are 1e-08 to "
        "100 times the mean variance of a source's coordinates. Supported: the stiffest "
        "family not worse than the best beyond noise."
    )
    header = "source", "target", "family", "verdict", "error", "se", "cosine", "chosen"
    return PageTable("ladder", caption, header, rows, 4)


def list_sweep(r: Report) -> PageTable:
    """TAR by rows fitted on."""
    rows = []
    for centring, swept in r.sweep.items():
        for kind in swept.values:
            for size, box in zip(swept.sizes, swept.boxes(kind), strict=True):
                ends = np.quantile(box, [0.5, 0, 1])
                rows.append([kind, centring, size, *map(known, ends)])
    subsets = count(r.settings.repeats, "random subset", "random subsets")
    caption = (
        f"TAR at FAR {r.settings.fars[0]:g} of maps fitted on few rows: each pair of "
        f"models is the mean of {subsets}; median, least and most over ordered pairs."
    )
    header = "map", "spaces", "rows fitted on", "median", "least", "most"
    return PageTable("sweep", caption, header, rows, 2)


def _control(name: str, centring: str, tar, r: Report, diagonal=False) -> list[Cell]:
    means = mean_of(np.asarray(tar.tar), diagonal)
    rest = [known(x) for x in means[1:]]
    return [name, centring, known(means[0]), *[None] * 7, *rest]


def _ranks_chosen(r: Report, kind: str) -> str:
    """What a row of low rank is to be read with."""
    if kind != "low rank":
        return ""
    ranks = ranks_of(r)
    told = f"{ranks[0]}" if ranks[0] == ranks[1] else f"{ranks[0]} to {ranks[1]}"
    return f" ({told}, chosen pair by pair by error, not by TAR: tiny ranks verify badly)"
