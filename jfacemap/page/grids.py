"""A figure of a report: its parts, and tables of pairs of models as shaded grids."""

import dataclasses
from typing import Any

import numpy as np

from ..study.report.whole import Report
from .style import layout, shades


@dataclasses.dataclass(frozen=True)
class PageFigure:
    """What plotly draws, under `caption`; both are plain lists and dictionaries."""

    name: str
    caption: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]


def draw_grids(
    name, caption, tables, titles, r: Report, sides, *, bold=False, top=(1, 1)
) -> PageFigure:
    """Tables `(source, target)` side by side, every cell with its number in it."""
    names, n = [r.names[i] for i in r.order], len(r.names)
    data, axes, notes = [], {}, []
    for k, (table, title) in enumerate(zip(tables, titles, strict=True)):
        end, cells = "" if not k else str(k + 1), table[np.ix_(r.order, r.order)]
        text = [[_number(v, bold and i == j) for j, v in enumerate(row)]
                for i, row in enumerate(cells)]  # fmt: skip
        data.append(
            {"type": "heatmap", "z": [plain(row) for row in cells], "x": names, "y": names}
            | {"text": text, "texttemplate": "%{text}", "textfont": {"color": "#000"}}
            | {"colorscale": shades}
            | {"zmin": 0, "showscale": False, "xgap": 1, "ygap": 1}
            | {"hovertemplate": "%{y} → %{x}: %{z:.4f}<extra></extra>"}
            | {"xaxis": f"x{end}", "yaxis": f"y{end}"}
            | ({} if top[k] is None else {"zmax": top[k]})
        )
        left = 0.54 * k
        bare = {"showgrid": False, "ticks": "", "showline": False}
        axes[f"xaxis{end}"] = axis(
            bare
            | {"domain": [left, left + 0.46], "anchor": f"y{end}", "tickangle": -40}
            | {"title": {"text": sides[1], "standoff": 8}}
        )
        axes[f"yaxis{end}"] = axis(
            bare
            | {"anchor": f"x{end}", "showticklabels": not k}
            | ({} if k else {"title": {"text": sides[0], "standoff": 8}})
        )
        notes.append(note(title) | {"x": left + 0.23, "y": 1.0, "yanchor": "bottom"})
    size = 40 * n + 180
    return PageFigure(name, caption, data, layout(size, annotations=notes, **axes))


def plain(values) -> list:
    """Numbers as a list, NaN as None: JSON has none."""
    return [None if np.isnan(v) else float(v) for v in np.asarray(values, float)]


def note(text: str) -> dict[str, Any]:
    """A text of a figure, to be put at a place."""
    place = {"xref": "paper", "yref": "paper", "xanchor": "center"}
    return {"text": text, "showarrow": False} | place


def axis(given: dict[str, Any]) -> dict[str, Any]:
    """An axis in the style of the page, but for what is given."""
    return layout(0)["xaxis"] | given


def _number(value: float, bold: bool) -> str:
    text = "-" if np.isnan(value) else f"{value:.2f}"
    text = text.removeprefix("0") if text.startswith("0.") else text
    return f"<b>{text}</b>" if bold else text
