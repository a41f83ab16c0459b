"""Re-identification: what leaked pairs buy an attacker, and what defences cost."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .boxes import colours


markers = "osD^vP*X"


def plot_rank_curves(
    curves: Mapping[str, np.ndarray],
    sizes: Sequence[int],
    levels: Mapping[str, float],
    *,
    title: str = "",
) -> Figure:
    """Rank-1 against leaked pairs: a line a kind of map. Returns the figure.

    `curves[kind]` is `(size, repeat)`: the line is the mean over repeats, the band reaches
    the extremes. `levels`: rates to compare with, as horizontal lines.
    """
    figure = Figure(figsize=(6.2, 4.2), layout="constrained")
    ax = figure.subplots()
    for i, (kind, values) in enumerate(curves.items()):
        colour = colours.get(kind, f"C{i + 3}")
        ax.plot(sizes, values.mean(axis=1), color=colour, marker=markers[i % 8], label=kind)
        ends = values.min(axis=1), values.max(axis=1)
        ax.fill_between(sizes, *ends, color=colour, alpha=0.2, linewidth=0)
    for style, (name, level) in zip(("--", ":", "-."), levels.items(), strict=False):
        ax.axhline(level, color="0.4", linestyle=style, linewidth=1, label=name)
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(sizes), [str(size) for size in sizes])
    ax.set_ylim(0, 1)
    ax.set_xlabel("leaked pairs")
    ax.set_ylabel("rank-1 of the attack")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def plot_defences(
    curves: Mapping[str, np.ndarray],
    *,
    chance: float,
    title: str = "",
) -> Figure:
    """Rank-1 of the attack against TAR of legitimate use; returns the figure.

    `curves[defence]` is `(strength, 2)`: TAR, rank-1. Down and right is good; what stays on
    the way from "none" to the corner of chance at TAR 0 defends nothing but by harm.
    """
    figure = Figure(figsize=(6.2, 4.6), layout="constrained")
    ax = figure.subplots()
    for i, (name, values) in enumerate(curves.items()):
        tar, rank = np.asarray(values).T
        line = "-" if len(tar) > 1 else "none"
        ax.plot(
            tar,
            rank,
            color=f"C{i}",
            marker=markers[i % 8],
            linestyle=line,
            label=name,
            markersize=9 if len(tar) == 1 else 6,
            alpha=0.85,
        )
    ax.axhline(chance, color="0.4", linestyle=":", linewidth=1, label="chance")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_xlabel("TAR of legitimate use")
    ax.set_ylabel("rank-1 of the attack, refitted on defended pairs")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, loc="upper left")
    figure.suptitle(title, fontsize=10)
    return figure
