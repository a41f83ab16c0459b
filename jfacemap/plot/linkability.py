"""Mated and non-mated scores, and what each gives away (Gomez-Barrero et al., 2018)."""

import numpy as np
from matplotlib.figure import Figure

from ..evaluate.linkability import Linkability


def plot_linkability(linked: Linkability, *, title: str = "") -> Figure:
    """Densities of both kinds of score, and D(s) over them; returns the figure."""
    figure = Figure(figsize=(6.2, 3.8), layout="constrained")
    ax = figure.subplots()
    edges = np.asarray(linked.edges)
    width = edges[1] - edges[0]
    for counts, colour, name in (
        (linked.mated, "#009E73", "one person (mated)"),
        (linked.non_mated, "#D55E00", "two people (non-mated)"),
    ):
        counts = np.asarray(counts, np.float64)
        ax.stairs(counts / (counts.sum() * width), edges, fill=True, alpha=0.4,
                  color=colour, label=name)  # fmt: skip
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])  # room for the legend
    ax.set_xlabel("score s")
    ax.set_ylabel("density")
    local = ax.twinx()
    local.stairs(np.asarray(linked.local), edges, color="#0072B2", linewidth=1.5)
    local.plot([], [], color="#0072B2", label="linkability D(s)")
    local.set_ylim(0, 1.25)
    local.set_yticks([0, 0.25, 0.5, 0.75, 1])
    local.set_ylabel("D(s)")
    handles = [*ax.get_legend_handles_labels()[0], *local.get_legend_handles_labels()[0]]
    labels = [*ax.get_legend_handles_labels()[1], *local.get_legend_handles_labels()[1]]
    ax.legend(handles, labels, fontsize=8, loc="upper left")
    figure.suptitle(f"{title}\nD_sys = {float(linked.d_sys):.2f}".strip(), fontsize=10)
    return figure
