"""Families of maps from the stiffest to the freest, and what they are worth held out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


def plot_ladder(
    values: Mapping[str, np.ndarray],
    families: Sequence[str],
    *,
    ylabel: str = "held-out error, share of the target's spread",
    title: str = "",
    highest: float | None = None,
) -> Figure:
    """One line per name: its mean over folds at each family, bars of one standard error.

    `values[name]` is `(families, folds)`, as `Ladder.error` is. The axis ends at `highest`,
    as errors of the identity can be far away. Many names are drawn thin and without bars,
    with their median in black. Returns the figure.
    """
    figure = Figure(figsize=(1.1 * len(families) + 1.5, 4), layout="constrained")
    ax = figure.subplots()
    many, at = len(values) > 6, np.arange(len(families))
    for name, each in values.items():
        mean, folds = each.mean(axis=1), each.shape[1]
        if many:
            ax.plot(at, mean, ".-", color="0.7", linewidth=0.8)
            continue
        bars = each.std(axis=1, ddof=1) / np.sqrt(folds) if folds > 1 else None
        ax.errorbar(at, mean, bars, marker="o", capsize=3, label=name)
    if many:
        middle = np.median([each.mean(axis=1) for each in values.values()], axis=0)
        ax.plot(at, middle, "k-o", linewidth=2, label=f"median of {len(values)}")
    ax.set_xticks(at, families, rotation=30, ha="right")
    ax.set_ylabel(ylabel)
    ax.set_ylim(0, highest)
    ax.grid(axis="y", alpha=0.3)
    ax.legend(fontsize=8)
    figure.suptitle(title, fontsize=11)
    return figure
