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
    # A group begins with a line's room for its name.
    begins = [i == 0 or groups[rows[i]] != groups[rows[i - 1]] for i in range(len(rows))]
    at = -(np.arange(len(rows)) + 0.8 * np.cumsum(begins))
    height = 0.16 * len(series) + 0.06
    size = 9, 1.4 + (1 - at[-1]) * height * 1.25
    figure = Figure(figsize=size, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    bar = 0.8 / len(series)
    limit = 75.0
    for k, (name, rates) in enumerate(series.items()):
        place = at + 0.4 - bar * (k + 0.5)
        for side, (ax, rate) in enumerate(zip((left, right), rates, strict=True)):
            rate = 100 * np.asarray(rate)[rows]
            ax.barh(place, rate, bar, color=f"C{k}", label=name)
            limit = max(limit, float(np.nanmax(rate, initial=0)) + 3)
            if intervals and name in intervals:
                lower, upper = 100 * np.asarray(intervals[name][side])[:, rows]
                reach = np.stack([rate - lower, upper - rate])
                style = {"color": "0.2", "linewidth": 0.7, "linestyle": "none"}
                ax.errorbar(rate, place, xerr=np.maximum(reach, 0), **style)
    for ax, what in ((left, "false negatives, %"), (right, "false positives, %")):
        ax.axvline(50, color="0.3", linestyle="--", linewidth=1)
        ax.set_xlim(0, limit)
        ax.set_xlabel(what)
        ax.grid(axis="x", alpha=0.3)
        for i in np.flatnonzero(begins)[1:]:
            ax.axhline(at[i] + 1.3, color="0.3", linewidth=1)
    left.set_ylim(at[-1] - 0.7, 0.5)
    left.invert_xaxis()
    left.set_yticks(at, [names[i] for i in rows], fontsize=8)
    left.tick_params(axis="y", length=0)
    for i in np.flatnonzero(begins):
        style = {"ha": "right", "va": "center", "fontsize": 8, "weight": "bold"}
        right.text(limit - 1, at[i] + 0.85, groups[rows[i]], **style)
    handles = right.get_legend_handles_labels()
    figure.legend(*handles, fontsize=8, loc="outside lower center", ncols=len(series))
    figure.suptitle(title, fontsize=10)
    return figure
