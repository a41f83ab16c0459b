"""The tables of a report, by name."""

from collections.abc import Iterator

import numpy as np

from ..study.report.likeness import fewest_pairs, pair_means
from ..study.report.settings import centrings, kinds
from ..study.report.whole import Report
from .count import count, images, people
from .map_tables import (
    list_choices,
    list_ladder,
    list_maps,
    list_native,
    list_summary,
    list_sweep,
)
from .pairs import pairs_of
from .table import Cell, known, PageTable
from .wide import on_wide, starred


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
