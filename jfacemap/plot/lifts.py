"""What a change of the spaces gives each kind of map, split by split and model by model."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


looks = (
    ("o", "#0072B2"), ("s", "#E69F00"), ("^", "#009E73"), ("D", "#CC79A7"), ("x", "black"),
)  # fmt: skip
"""Marker and colour of the ways, then of the kinds: shapes tell them apart in grey."""


def plot_lifts(
    lifts: Mapping[str, Mapping[str, np.ndarray]],
    lengths: np.ndarray,
    by_model: Mapping[str, np.ndarray],
    names: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """Two panels; returns the figure.

    - `lifts[kind][way]` is `(split,)`: a dot a split, a black bar at their mean.
    - `by_model[kind]` is `(model,)`, against `lengths (model,)`, the models' |mean|.
    """
    rows = sum(map(len, lifts.values()))
    figure = Figure(figsize=(12, max(3.6, 0.2 * rows + 1.6)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_splits(left, lifts)
    _draw_models(right, lengths, by_model, names)
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_splits(ax: Axes, lifts) -> None:
    ways = list(dict.fromkeys(way for by_way in lifts.values() for way in by_way))
    look = dict(zip(ways, looks, strict=False))
    place, middles, seen = 0.0, [], set()
    for by_way in lifts.values():
        first = place
        for way, values in by_way.items():
            marker, colour = look[way]
            label = None if way in seen else way
            seen.add(way)
            ax.plot(values, np.full(len(values), place), marker, color=colour, alpha=0.5,
                    markersize=5, markeredgewidth=0.8, label=label)  # fmt: skip
            ax.plot(np.mean(values), place, "|", color="black", markersize=11,
                    markeredgewidth=2)  # fmt: skip
            place += 1
        middles.append((first + place - 1) / 2)
        ax.axhline(place - 0.2, color="0.85", linewidth=0.8)
        place += 0.6
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(middles, [kind.replace(", ", ",\n") for kind in lifts], fontsize=9)
    ax.invert_yaxis()
    ax.set_xlabel("mean TAR less that of plain spaces, a dot a split; bar: mean")
    ax.grid(axis="x", alpha=0.3)
    ax.legend(fontsize=8, loc="best")


def _draw_models(ax: Axes, lengths, by_model, names) -> None:
    order = np.argsort(lengths)
    for (kind, values), (marker, colour) in zip(by_model.items(), looks, strict=False):
        ax.plot(lengths[order], values[order], marker + "-", color=colour, linewidth=0.8,
                markersize=6, label=kind)  # fmt: skip
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.45 * (high - low))  # room for the names
    for length, name in zip(lengths, names, strict=True):
        ax.axvline(length, color="0.85", linewidth=0.8, zorder=0)
        ax.annotate(name, (length, 1), (-2, -3), xycoords=("data", "axes fraction"),
                    textcoords="offset points", rotation=90, ha="right", va="top",
                    fontsize=8)  # fmt: skip
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xlabel("|mean| of the target's unit rows")
    ax.set_ylabel("lift by centring, mean over sources")
    ax.grid(axis="y", alpha=0.3)
    ax.legend(fontsize=8, loc="lower right")
