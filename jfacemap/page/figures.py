"""The figures of a report, by name: measured numbers in, plotly's data and layout out."""

from collections.abc import Iterator

import numpy as np

from ..study.report.likeness import fewest_pairs, pair_means
from ..study.report.map_tables import mean_of
from ..study.report.settings import centrings, kinds
from ..study.report.whole import Report
from .grids import axis, draw_grids, note, PageFigure, plain
from .pairs import ladder_pairs, pairs_of, ranks_of
from .style import layout, mark
from .wide import on_wide, starred


def draw_native(r: Report) -> PageFigure:
    """True accept rates of the models themselves over false accept rates."""
    data = [
        {"type": "scatter", "name": r.names[i], "x": [*r.curve_fars]}
        | {"y": plain(r.curve[i])}
        | mark(k)
        for k, i in enumerate(r.order)
    ]
    caption = "Native TAR: each model's own embeddings of the people judged."
    axes = {
        "xaxis": {"type": "log", "title": {"text": "false accept rate"}}
        | {"dtick": 1, "exponentformat": "power"},
        "yaxis": {"title": {"text": "true accept rate"}, "range": [0, 1.02]},
    }
    return PageFigure("native", caption, data, layout(420, **axes))


def draw_summary(r: Report) -> PageFigure:
    """Mean TAR by kind of map, plain and centred, with intervals."""
    names = ["native", *kinds]
    data = []
    for k, centring in enumerate(centrings):
        means = [r.summary[f"{kind}, {centring}"] for kind in names]
        value, lower, upper = (
            np.array([getattr(m, field)[0] for m in means])
            for field in ("value", "lower", "upper")
        )
        bars = {"type": "data", "symmetric": False, "array": plain(upper - value)}
        bars |= {"arrayminus": plain(value - lower), "thickness": 1.5}
        series = {"type": "scatter", "name": f"spaces {centring}", "y": names}
        series |= {"x": plain(value), "error_x": bars} | mark(k, lines=False)
        data.append(series)
    controls = {
        f"random pairing, {n}": mean_of(t.tar.tar)[0] for n, t in r.controls.items()
    }
    data.append(
        {"type": "scatter", "name": "control: pairs at random"}
        | {"x": plain([*controls.values()]), "y": [n.split(", ")[1] for n in controls]}
        | {"text": [*controls], "hoverinfo": "x+text"}
        | mark(4, lines=False)
    )
    caption = (
        f"Mean TAR at FAR {r.settings.fars[0]:g} over ordered pairs of models (native: "
        "over models), with 95 % intervals over people."
    )
    axes = {
        "xaxis": {"title": {"text": "mean true accept rate"}, "range": [0, 1]},
        "yaxis": {"autorange": "reversed", "categoryarray": names}
        | {"categoryorder": "array"},
        "legend": {"orientation": "h", "y": 1.12},
    }
    return PageFigure("summary", caption, data, layout(430, **axes))


def draw_maps(r: Report, kind: str) -> PageFigure:
    """TAR of every source in every target's space, plain beside centred."""
    tables = [r.maps[f"{kind}, {c}"].tar.tar[..., 0] for c in centrings]
    titles = [f"{kind}, spaces {c}" for c in centrings]
    caption = (
        f"{kind}: TAR at FAR {r.settings.fars[0]:g}. Rows are source models, columns "
        "targets, the best native model at the bottom left; bold diagonal: native."
    )
    if kind == "low rank":
        low, high = ranks_of(r)
        caption += (
            f" Ranks, {low} to {high}, were chosen pair by pair by the error on people "
            "left out, not by TAR: where rows are few a tiny rank errs least and verifies "
            "badly."
        )
    name = f"maps-{kind.replace(' ', '-')}"
    return draw_grids(name, caption, tables, titles, r, ("source", "target"), bold=True)


def draw_ladder(r: Report) -> PageFigure:
    """Held-out error of families of maps, a mark for each pair of models.

    Families have no distance from one another, so no line joins them.
    """
    data, number, inside = [], len(r.ladders), []
    families = next(iter(r.ladders.values())).families
    for k, ((source, target), ladder) in enumerate(r.ladders.items()):
        value, spread = (np.array([row[key] for row in ladder.rows()])
                         for key in ("error", "error_se"))  # fmt: skip
        below = np.minimum(spread, value / 2)  # the scale is one of ratios
        inside += [*(value - below), *(value + spread)]
        bars = {"type": "data", "symmetric": False, "thickness": 1}
        bars |= {"array": plain(spread), "arrayminus": plain(below)}
        shift = 0.6 * ((k + 0.5) / number - 0.5)
        data.append(
            {"type": "scatter", "name": f"{source} → {target}"}
            | {"x": [i + shift for i in range(len(families))], "y": plain(value)}
            | {"text": [*families], "hoverinfo": "name+text+y", "error_y": bars}
            | mark(k, lines=False)
        )
    ends = np.log10([np.nanmin([1, *inside]), np.nanmax([1, *inside])])
    caption = (
        "The family ladder: share of the target's variance that maps leave unexplained "
        "on people left out, ± a standard error over folds, on a scale of ratios. 1 is "
        f"what the target's mean would do. Pairs: {ladder_pairs(r)}."
    )
    axes = {
        "xaxis": {"tickvals": [*range(len(families))], "ticktext": [*families]}
        | {"range": [-0.5, len(families) - 0.5], "showgrid": False},
        "yaxis": {"title": {"text": "error on people left out"}, "type": "log"}
        | {"range": [float(ends[0]) - 0.05, float(ends[1]) + 0.05]}
        | {"tickvals": [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]},
    }
    return PageFigure("ladder", caption, data, layout(430, **axes))


def draw_likeness(r: Report) -> PageFigure:
    """Each similarity index against the TAR of rotations, a point a pair of models."""
    worth = pair_means(r.maps[f"rotation, {centrings[1]}"].tar.tar[..., 0])
    labels = [" and ".join(pair) for pair in pairs_of(r)]
    columns, names = 3, list(r.likeness.index)
    rows = -(-len(names) // columns)
    data, axes, notes = [], {}, []
    for k, name in enumerate(names):
        end = "" if not k else str(k + 1)
        x, y = k % columns, k // columns
        left, low = x / columns, 1 - (y + 1) / rows
        domain = [left + 0.02, left + 1 / columns - 0.03]
        axes[f"xaxis{end}"] = axis({"domain": domain, "anchor": f"y{end}"})
        height = [low + 0.06, low + 1 / rows - 0.04]
        axes[f"yaxis{end}"] = axis({"domain": height, "anchor": f"x{end}", "range": [0, 1]})
        data.append(
            {"type": "scatter", "x": plain(pair_means(r.likeness.index[name]))}
            | {"y": plain(worth), "text": labels, "showlegend": False, "name": name}
            | {"xaxis": f"x{end}", "yaxis": f"y{end}"}
            | mark(0, lines=False)
        )
        told = r.likeness.correlation[name]
        text = starred(r, name) + ("" if np.isnan(told) else f": {told:+.2f}")
        place = {"x": sum(domain) / 2, "y": height[1] + 0.005, "yanchor": "bottom"}
        notes.append(note(text) | place)
    caption = (
        f"Similarity indices (across) against TAR at FAR {r.settings.fars[0]:g} of "
        "rotations of centred spaces, mean of both ways (up); a point is a pair of "
        "models. "
    ) + (
        "The number: Spearman's rank correlation."
        if len(labels) >= fewest_pairs
        else f"No rank correlation is told of fewer than {fewest_pairs} pairs."
    )
    caption += on_wide(r)
    return PageFigure(
        "likeness", caption, data, layout(230 * rows, annotations=notes, **axes)
    )


def draw_sweep(r: Report) -> PageFigure:
    """Median TAR over pairs of models by how many rows were fitted on."""
    data = []
    for centring, swept in r.sweep.items():
        for kind in swept.values:
            boxes = swept.boxes(kind)
            low, middle, high = np.quantile(boxes, [0.25, 0.5, 0.75], axis=1)
            bars = {"type": "data", "symmetric": False, "thickness": 1}
            bars |= {"array": plain(high - middle), "arrayminus": plain(middle - low)}
            data.append(
                {"type": "scatter", "name": f"{kind}, spaces {centring}"}
                | {"x": list(swept.sizes), "y": plain(middle), "error_y": bars}
                | mark(len(data))
            )
    sizes = list(next(iter(r.sweep.values())).sizes)
    caption = (
        f"How few rows suffice: median TAR at FAR {r.settings.fars[0]:g} over ordered "
        "pairs of models, bars from the first to the third quartile."
    )
    axes = {
        "xaxis": {"type": "log", "title": {"text": "rows fitted on"}, "tickvals": sizes}
        | {"ticktext": [f"{s:,}" for s in sizes]},
        "yaxis": {"title": {"text": "true accept rate"}, "range": [0, 1]},
    }
    return PageFigure("sweep", caption, data, layout(420, **axes))


def draw_agreement(r: Report) -> PageFigure:
    """Rank correlations of impostor scores, and joint false accepts over independence."""
    agreement = r.fusion.agreement
    far = r.settings.fars[0]
    apart = np.where(np.eye(len(r.names), dtype=bool), np.nan, 1)
    tables = [agreement.impostor_rank, agreement.accept_lift[..., 0] * apart]
    titles = ["rank correlation of impostor scores", "joint false accepts / independence"]
    caption = (
        "Do the models err on the same pairs? Left: Spearman's correlation of the "
        f"scores of impostor pairs. Right: false accepts at FAR {far:g} that both "
        "models make, over those of independent models: 1 is independence."
    )
    sides = "model", "other model"
    return draw_grids("agreement", caption, tables, titles, r, sides, top=(1, None))


def draw_fusion(r: Report) -> PageFigure:
    """What fusing two models gains against how alike their impostor scores are."""
    fusion, labels = r.fusion, [" and ".join(pair) for pair in pairs_of(r)]
    gain, low, high = (x[:, 0] for x in (fusion.gain, fusion.gain_lower, fusion.gain_upper))
    bars = {"type": "data", "symmetric": False, "thickness": 1}
    bars |= {"array": plain(high - gain), "arrayminus": plain(gain - low)}
    data = [
        {"type": "scatter", "x": plain(pair_means(fusion.agreement.impostor_rank))}
        | {"y": plain(gain), "text": labels, "error_y": bars, "showlegend": False}
        | mark(0, lines=False)
    ]
    caption = (
        f"TAR at FAR {r.settings.fars[0]:g} of two models' scores fused, less that of "
        "the better one, with 95 % intervals; a point is a pair of models."
    )
    axes = {
        "xaxis": {"title": {"text": "rank correlation of impostor scores"}},
        "yaxis": {"title": {"text": "gain in true accept rate"}, "zeroline": True},
    }
    return PageFigure("fusion", caption, data, layout(400, **axes))


def draw_attack(r: Report) -> PageFigure:
    """Rank-1 of the attack by leaked pairs, between its controls and its ceiling."""
    attack = r.attack
    mean = lambda table, own=False: float(mean_of(table[..., None], own)[0])
    sizes = list(attack.sizes)
    lines = {
        "rotation fitted on leaked pairs": [mean(t) for t in attack.rank1],
        "ceiling: the attacker owns the model": [mean(attack.rank1[-1], True)] * len(sizes),
        "control: pairs at random": [mean(attack.random)] * len(sizes),
        "chance": [attack.chance] * len(sizes),
    }
    data = [
        {"type": "scatter", "name": name, "x": sizes, "y": plain(y)} | mark(k)
        for k, (name, y) in enumerate(lines.items())
    ]
    caption = (
        "Whose embedding is this? Share of the victims' probes whose person is found "
        "first, mean over "
        "ordered pairs of models, by how many (image, embedding) pairs have leaked."
    )
    axes = {
        "xaxis": {"type": "log", "title": {"text": "leaked pairs"}, "tickvals": sizes}
        | {"ticktext": [f"{s:,}" for s in sizes]},
        "yaxis": {"title": {"text": "rank-1"}, "range": [0, 1.02]},
    }
    return PageFigure("attack", caption, data, layout(400, **axes))


def draw_all(r: Report) -> Iterator[PageFigure]:
    """Every figure of a report."""
    yield draw_native(r)
    yield draw_summary(r)
    for kind in kinds:
        yield draw_maps(r, kind)
    for draw in (draw_ladder, draw_likeness, draw_sweep, draw_agreement, draw_fusion):
        yield draw(r)
    yield draw_attack(r)
