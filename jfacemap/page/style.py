"""How figures look: told apart by shape and dash, colours that all eyes tell apart."""

from typing import Any


colours = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"
"""Okabe & Ito's palette, its yellow left out: too light for lines."""

dashes = "solid", "dash", "dot", "dashdot", "longdash", "longdashdot"
symbols = (
    "circle",
    "square-open",
    "diamond",
    "triangle-up-open",
    "x",
    "star-open",
    "cross",
    "triangle-down",
    "pentagon-open",
)


shades = [[0, "#eef3f8"], [1, "#6baed6"]]
"""Of cells, light enough for black numbers upon all of them."""


def mark(i: int, *, lines: bool = True) -> dict[str, Any]:
    """What tells series i from others: symbol and dash repeat later than colours do."""
    colour = colours[i % len(colours)]
    series: dict[str, Any] = {
        "mode": "lines+markers" if lines else "markers",
        "marker": {
            "symbol": symbols[i % len(symbols)],
            "size": 9,
            "color": colour,
            "line": {"width": 1.5, "color": colour},
        },
    }
    if lines:
        series["line"] = {"color": colour, "dash": dashes[i % len(dashes)], "width": 2}
    return series


def layout(height: int, **given) -> dict[str, Any]:
    """Shared settings of a figure."""
    axis = {
        "showline": True,
        "linecolor": "#444",
        "gridcolor": "#ddd",
        "ticks": "outside",
        "zeroline": False,
        "automargin": True,
    }
    base = {
        "template": "none",
        "height": height,
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#111"},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 60, "r": 20, "t": 40, "b": 70},
        "legend": {"bgcolor": "rgba(255,255,255,.8)"},
        "xaxis": axis,
        "yaxis": axis,
    }
    for name, value in given.items():
        old = base.get(name)
        base[name] = old | value if isinstance(old, dict) else value
    return base
