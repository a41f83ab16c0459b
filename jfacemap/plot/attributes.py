"""False negatives and false positives of attributes, as Figure 2 of paper 001."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


def plot_attribute_errors(
    series: Mapping[str, tuple[np.ndarray, np.ndarray]],
    names: Sequence[str],
    groups: Sequence[str],
    *,
    intervals: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    order: Sequence[str] = (
        "identity-dependent",
        "identity-correlated",
        "identity-independent",
    ),
    title: str = "",
) -> Figure:
    """False negatives to the left, false positives to the right; returns the figure.

    `series[name]` is the rates `(A,)` of both, in that order; `groups (A,)` says under
    which heading of `order` an attribute stands. `intervals[name]` is `(2, A)`, lower and
    upper, of both. The lines at 50 % are what a blind guess gives.
    """
    rows = [i for g in order for i in range(len(names)) if groups[i] == g]
    height = 0.16 * len(series) + 0.06
    figure = Figure(figsize=(9, 1.2 + len(rows) * height * 1.25), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    at = np.arange(len(rows))[::-1].astype(float)
    bar = 0.8 / len(series)
    for k, (name, rates) in enumerate(series.items()):
        place = at + 0.4 - bar * (k + 0.5)
        for side, (ax, rate) in enumerate(zip((left, right), rates, strict=True)):
            rate = 100 * np.asarray(rate)[rows]
            ax.barh(place, rate, bar, color=f"C{k}", label=name)
            if intervals and name in intervals:
                lower, upper = 100 * np.asarray(intervals[name][side])[:, rows]
                reach = np.stack([rate - lower, upper - rate])
                style = {"color": "0.2", "linewidth": 0.7, "linestyle": "none"}
                ax.errorbar(rate, place, xerr=np.maximum(reach, 0), **style)
    for ax, what in ((left, "false negatives, %"), (right, "false positives, %")):
        ax.axvline(50, color="0.3", linestyle="--", linewidth=1)
        ax.set_xlim(0, 75)
        ax.set_xlabel(what)
        ax.grid(axis="x", alpha=0.3)
        for i in range(1, len(rows)):
            if groups[rows[i]] != groups[rows[i - 1]]:
                ax.axhline(at[i] + 0.5, color="0.3", linewidth=1)
    left.invert_xaxis()
    left.set_yticks(at, [names[i] for i in rows], fontsize=8)
    left.tick_params(axis="y", length=0)
    for group in order:
        mine = [at[i] for i in range(len(rows)) if groups[rows[i]] == group]
        if mine:
            right.text(74, max(mine) + 0.45, group, ha="right", va="top", fontsize=8)
    right.legend(fontsize=8, loc="lower right")
    figure.suptitle(title, fontsize=10)
    return figure
