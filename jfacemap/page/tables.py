"""The tables of a report, by name: rows of words and numbers."""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from ..study.report.likeness import fewest_pairs, pair_means
from ..study.report.map_kinds import ridges
from ..study.report.map_tables import mean_of
from ..study.report.settings import centrings, kinds
from ..study.report.whole import Report
from .count import count, images, people
from .figures import ladder_pairs, pairs_of, ranks_of
from .wide import on_wide, starred


Cell = str | float | int | None


@dataclasses.dataclass(frozen=True)
class PageTable:
    """A table: `header`, and rows of its cells; None where a number is not known.

    `words` columns come first and are read, not computed with.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: list[list[Cell]]
    words: int = 1


def count_parts(r: Report) -> PageTable:
    """Images and people of each part of the data."""
    rows: list[list[Cell]] = [
        [name, images, people] for name, (images, people) in r.data.parts.items()
    ]
    return PageTable("parts", "Images and people.", ("part", "images", "people"), rows)


def tell_models(r: Report) -> PageTable:
    """What each model's rows are like."""
    counted = "width", "length", "offset", "dimensions", "zero_rows", "repeated"
    header = "model", *(field.replace("_", " ") for field in counted)
    rows: list[list[Cell]] = [
        [name, *(getattr(m, field) for field in counted), m.digest[:12]]
        for name, m in r.data.models.items()
    ]
    caption = (
        "The models. Length: mean length of the rows as given. Offset: length of the "
        "mean of unit rows, from 0 (all around) to 1 (all alike). Dimensions: "
        "participation ratio of the variances of unit rows. Repeated: judged rows "
        "equal to a row fitted on. SHA-256: of the rows in float32, its beginning."
    )
    return PageTable("models", caption, (*header, "SHA-256"), rows)


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


def _control(name: str, centring: str, tar, r: Report, diagonal=False) -> list[Cell]:
    means = mean_of(np.asarray(tar.tar), diagonal)
    rest = [known(x) for x in means[1:]]
    return [name, centring, known(means[0]), *[None] * 7, *rest]


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


def list_likeness(r: Report) -> PageTable:
    """Each index: its mean, that of rows at random, and what it foretells."""
    like = r.likeness
    mean = lambda table: known(pair_means(table).mean())
    pairs = len(pairs_of(r))
    rows: list[list[Cell]] = [
        [starred(r, name), mean(t), mean(like.random[name]), known(like.correlation[name])]
        for name, t in like.index.items()
    ]
    caption = (
        "Similarity indices of the people judged, spaces as they are: mean over pairs of "
        "models, the same with rows at random (what few rows alone give), and Spearman's "
        f"correlation with the TAR at FAR {r.settings.fars[0]:g} of rotations of centred "
        f"spaces over {count(pairs, 'pair', 'pairs')} of models"
        + (
            f"; -: withheld, for fewer than {fewest_pairs}."
            if pairs < fewest_pairs
            else "."
        )
        + on_wide(r)
    )
    header = "index", "mean", "rows at random", "rank correlation with TAR"
    return PageTable("likeness", caption, header, rows)


def list_likeness_pairs(r: Report) -> PageTable:
    """Each index of each pair of models."""
    tables = {n: pair_means(t) for n, t in r.likeness.index.items()}
    worth = pair_means(r.maps[f"rotation, {centrings[1]}"].tar.tar[..., 0])
    rows: list[list[Cell]] = [
        [*pair, *(known(t[k]) for t in tables.values()), known(worth[k])]
        for k, pair in enumerate(pairs_of(r))
    ]
    names = [starred(r, name) for name in tables]
    header = "model", "other", *names, "TAR, rotation, centred"
    caption = "The indices, pair by pair." + on_wide(r)
    return PageTable("likeness-pairs", caption, header, rows, 2)


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


def list_agreement(r: Report) -> PageTable:
    """Errors two models share, and what fusing them gains."""
    agreement, fusion, rows = r.fusion.agreement, r.fusion, []
    accepts = agreement.false_accepts[..., 0]
    own = np.diagonal(accepts)
    for k, (i, j) in enumerate(zip(*np.triu_indices(len(r.names), 1), strict=True)):
        numbers = (
            agreement.impostor_rank[i, j],
            agreement.genuine_rank[i, j],
            accepts[i, j],
            own[i] * own[j],
            agreement.accept_lift[i, j, 0],
            agreement.reject_lift[i, j, 0],
            fusion.tar.tar[k, 0],
            fusion.gain[k, 0],
            fusion.gain_lower[k, 0],
            fusion.gain_upper[k, 0],
        )
        rows.append([r.names[i], r.names[j], *map(known, numbers)])
    few = f"withheld (fewer than {fewest_pairs} pairs)"
    missing = few if len(rows) < fewest_pairs else "not defined"
    told = lambda x: missing if np.isnan(x) else f"{x:+.2f}"
    caption = (
        f"Errors at FAR {r.settings.fars[0]:g}. Ratio: joint errors over those of "
        "independent models, of pairs of images counted both ways. Fused: mean of two "
        "models' scores, z-normalised by impostors among the people fitted on; gain: less "
        "the better of the two, with its 95 % interval. Over pairs of models the gain's "
        f"rank correlation with that of impostor scores is {told(fusion.correlation)}, "
        f"with the ratio of false accepts {told(fusion.lift_correlation)}. All "
        f"{len(r.names)} models fused: TAR {fusion.all_models.tar[0, 0]:.3f}."
    )
    header = "model", "other", "impostor scores", "genuine scores", "joint FAR"
    header += ("if independent", "FA ratio", "FR ratio", "fused TAR", "gain", "from", "to")
    return PageTable("agreement", caption, header, rows, 2)


def list_attack(r: Report) -> PageTable:
    """Rank-1 by leaked pairs, with controls and the ceiling."""
    attack, rows = r.attack, []
    off = ~np.eye(len(r.names), dtype=bool)

    def row(name: str, size: int | None, cells) -> list[Cell]:
        return [name, size, *map(known, (cells.mean(), cells.min(), cells.max()))]

    for size, table in zip(attack.sizes, attack.rank1, strict=True):
        rows.append(row("rotation, centred", size, table[off]))
    last = attack.sizes[-1]
    rows.append(row("control: pairs at random", last, attack.random[off]))
    rows.append(row("control: no map", None, attack.unmapped[off]))
    rows.append(row("ceiling: own model", None, np.diagonal(attack.rank1[-1])))
    c = attack.counts
    caption = (
        f"{people(c['leaked people'])}: leaked, in {images(c['leaked images'])}. "
        f"{people(c['victims'])}: victims, searched for by {images(c['victim probes'])} "
        "known by their unknown embedding alone; other images of them are in the gallery. "
        f"{people(c['distractors'])}: distractors, in the gallery alone, which holds "
        f"{images(c['gallery images'])} of {people(c['gallery people'])}. "
        f"{people(c['strangers'])}: strangers, {images(c['stranger probes'])} of people "
        "who are not in the gallery, for false positives; rank-1 leaves them out. Rank-1: "
        f"share of the {images(c['victim probes'])} of victims whose person is found "
        f"first. Chance: {attack.chance:.3f}. Mean, least and most over ordered pairs of "
        "models (the ceiling: over models)."
    )
    header = "attack", "leaked pairs", "rank-1", "least", "most"
    return PageTable("attack", caption, header, rows)


def by_far(r: Report) -> list[tuple[int, float]]:
    """Places of the FARs in the report's tables, and FARs, the least first."""
    return sorted(enumerate(r.settings.fars), key=lambda item: item[1])


def _ranks_chosen(r: Report, kind: str) -> str:
    """What a row of low rank is to be read with."""
    if kind != "low rank":
        return ""
    ranks = ranks_of(r)
    told = f"{ranks[0]}" if ranks[0] == ranks[1] else f"{ranks[0]} to {ranks[1]}"
    return f" ({told}, chosen pair by pair by error, not by TAR: tiny ranks verify badly)"


def name_people(r: Report) -> list[tuple[str, str]]:
    """Each part's people by the labels given, in one line."""
    lines = []
    for part, labels in r.parts.people.items():
        lines.append((f"{part}: {people(len(labels))}", ", ".join(map(str, labels))))
    return lines


def list_all(r: Report) -> Iterator[PageTable]:
    """Every table of a report."""
    for make in (count_parts, tell_models, list_native, list_summary):
        yield make(r)
    for kind in kinds:
        yield list_maps(r, kind)
    for make in (list_choices, list_ladder, list_likeness, list_likeness_pairs):
        yield make(r)
    for make in (list_sweep, list_agreement, list_attack):
        yield make(r)


def known(value) -> float | None:
    """A number, None for NaN."""
    return None if np.isnan(value) else float(value)
