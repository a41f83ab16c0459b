"""Attributes between identities: statistics, distributions and p-values (paper 003)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from ..attribute.histogram import PairHistogram


def plot_entropy_scatter(
    ks: Mapping[str, np.ndarray],
    entropies: Mapping[str, np.ndarray],
    names: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """A panel per model (rows) and entropy (columns): a dot an attribute, named.

    `ks[model] (A,)` is an aggregate of the two statistics, `entropies[name] (A,)` what it
    is drawn against. Spearman's rho is in each panel.
    """
    figure = Figure(
        figsize=(4.6 * len(entropies), 2.7 * len(ks) + 0.6), layout="constrained"
    )
    axes = figure.subplots(len(ks), len(entropies), sharex="col", squeeze=False)
    for row, (model, values) in zip(axes, ks.items(), strict=True):
        for ax, x in zip(row, entropies.values(), strict=True):
            known = np.isfinite(values) & np.isfinite(x)
            ax.plot(x[known], values[known], "o", color="#0072B2", markersize=4)
            for i in np.flatnonzero(known):
                ax.annotate(names[i], (x[i], values[i]), fontsize=6, color="0.3",
                            xytext=(3, 2), textcoords="offset points")  # fmt: skip
            rho = spearmanr(x[known], values[known]).statistic
            ax.set_title(f"{model}: rho {rho:.2f}", fontsize=9)
            ax.margins(x=0.2, y=0.15)
            ax.grid(alpha=0.3)
        row[0].set_ylabel("KS, mean of two values", fontsize=8)
    for ax, entropy in zip(axes[-1], entropies, strict=True):
        ax.set_xlabel(f"{entropy} (nats)")
    figure.suptitle(title, fontsize=10)
    return figure


def plot_cloud_distances(
    clouds: Mapping[str, tuple[Sequence[np.ndarray], np.ndarray]],
    *,
    label: str = "cosine distance",
    title: str = "",
) -> Figure:
    """A panel per attribute: distributions within either cloud and across the two.

    `clouds[name]` holds the distances within the cloud that has the attribute, within the
    other, and across. The gap that a KS statistic is lies where a line marks it.
    """
    n = len(clouds)
    columns = min(n, 3)
    rows = -(-n // columns)
    figure = Figure(figsize=(3.4 * columns, 2.7 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (name, (within, across)) in zip(axes, clouds.items(), strict=False):
        far = np.sort(across)
        ax.plot(far, np.arange(1, far.size + 1) / far.size, color="0.4", label="across")
        pairs = zip(within, ("#D55E00", "#0072B2"), ("has it", "has it not"), strict=True)
        for d, colour, what in pairs:
            d = np.sort(d)
            cdf = np.arange(1, d.size + 1) / d.size
            ax.plot(d, cdf, color=colour, label=what)
            other = np.searchsorted(far, d, side="right") / far.size
            at = np.argmax(np.abs(cdf - other))
            ax.plot([d[at]] * 2, [cdf[at], other[at]], ":", color=colour, linewidth=1.5)
        ax.set_title(name, fontsize=9)
        ax.grid(alpha=0.3)
    for ax in axes[n:]:
        ax.axis("off")
    axes[0].legend(fontsize=7)
    figure.supxlabel(label, fontsize=9)
    figure.supylabel("part of the pairs", fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure


def plot_p_values(
    log_p: Mapping[str, np.ndarray],
    models: Sequence[str],
    names: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """A panel per kind of p, `log_p[kind] (model, A)`; stars below .05, .01 and .001."""
    height = 1.2 + 0.3 * len(models)
    figure = Figure(figsize=(2.4 + 0.45 * len(names), height * len(log_p) + 1.4),
                    layout="constrained")  # fmt: skip
    axes = figure.subplots(len(log_p), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (kind, values) in zip(axes, log_p.items(), strict=True):
        tens = values / np.log(10)
        tens_shown = np.clip(tens, -20, 0)
        least = min(-4.0, float(np.nanmin(tens_shown)))
        image = ax.imshow(tens_shown, cmap="cividis_r", vmin=least, vmax=0, aspect="auto")
        for i, j in np.ndindex(tens.shape):
            stars = int(np.sum(tens[i, j] <= np.log10([0.05, 0.01, 0.001])))
            text = "?" if np.isnan(tens[i, j]) else "*" * stars
            colour = "black" if tens[i, j] < least / 2 else "white"
            ax.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
        ax.set_yticks(range(len(models)), models, fontsize=8)
        ax.set_title(f"{kind}: log10 p", fontsize=9)
        figure.colorbar(image, ax=ax)
    axes[-1].set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def plot_pair_histograms(
    found: Mapping[str, PairHistogram], *, label: str = "angle (degrees)", title: str = ""
) -> Figure:
    """A panel per model: densities of matched and unmatched pairs, over angles."""
    columns = min(len(found), 3)
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(3.3 * columns, 2.4 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for ax, (model, each) in zip(axes, found.items(), strict=False):
        group = max(1, (len(each.edges) - 1) // 90)  # fine bins are for counting
        edges = each.edges[::group]
        kinds = (
            (each.matched, "#009E73", "one person"),
            (each.unmatched, "#D55E00", "two people"),
        )
        for counts, colour, name in kinds:
            sums = np.add.reduceat(counts, np.arange(0, len(counts), group))
            sums = sums[: len(edges) - 1]
            density = sums / (counts.sum() * (edges[1] - edges[0]))
            ax.stairs(density, edges, fill=True, alpha=0.5, color=colour, label=name)
        ax.set_title(model, fontsize=9)
        ax.set_yticks([])
    for ax in axes[len(found) :]:
        ax.axis("off")
    axes[0].legend(fontsize=7)
    figure.supxlabel(label, fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure
