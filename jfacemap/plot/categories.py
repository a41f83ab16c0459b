"""TAR of maps by what their two models share, as in paper 000, Figure 5."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


def plot_categories(
    tar: Mapping[str, np.ndarray],
    categories: Mapping[str, np.ndarray],
    fars: Sequence[float],
    *,
    title: str = "",
) -> Figure:
    """One panel per kind of map (rows) and FAR (columns): a box a category, and its points.

    `tar[kind]` is `(source, target, far)` and `categories[name] (source, target)` says
    which pairs are in one, as `trait_categories` does. Boxes are quartiles, whiskers
    reach the extremes, each dot is an ordered pair of models. Returns the figure.
    """
    names, kinds = list(categories), list(tar)
    figure = Figure(
        figsize=(max((1 + 0.55 * len(names)) * len(fars), 6) + 0.6, 2.9 * len(kinds) + 1),
        layout="constrained",
    )
    axes = figure.subplots(len(kinds), len(fars), sharex=True, sharey=True, squeeze=False)
    spread = np.random.default_rng(0)  # sideways only, so that dots can be told apart
    for row, kind in zip(axes, kinds, strict=True):
        for k, (ax, far) in enumerate(zip(row, fars, strict=True)):
            groups = [tar[kind][which][:, k] for which in categories.values()]
            groups = [g[~np.isnan(g)] for g in groups]
            ax.boxplot(
                groups,
                positions=range(len(names)),
                widths=0.6,
                whis=(0, 100),
                medianprops={"color": "black"},
            )
            for i, g in enumerate(groups):
                x = i + spread.uniform(-0.2, 0.2, g.size)
                ax.plot(x, g, ".", color="#0072B2", markersize=4, alpha=0.7)
            ax.set_title(f"{kind}, FAR {far:g}", fontsize=10)
            ax.set_ylim(0, 1)
            ax.grid(axis="y", alpha=0.3)
            sizes = [f"{name} ({w.sum()})" for name, w in categories.items()]
            ax.set_xticks(range(len(names)), sizes, rotation=45, ha="right", fontsize=8)
        row[0].set_ylabel("TAR")
    figure.supxlabel("what source and target share (ordered pairs)", fontsize=10)
    figure.suptitle(title, fontsize=11)
    return figure
