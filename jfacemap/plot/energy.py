"""Energies of attributes within identities: violins, scales, and the damage they do."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


palette = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000"
"""Of models, or of attributes; told apart by colour-blind eyes."""

markers = "osD^vP*Xh<>"


def plot_energy_violins(
    energies: Mapping[str, np.ndarray],
    names: Sequence[str],
    *,
    null: Mapping[str, np.ndarray] | None = None,
    title: str = "",
) -> Figure:
    """A violin of identities for each attribute and model, its median marked.

    `energies[model]` is `(identity, attribute)`; `null[model]` alike, the mean of random
    fields, whose median is a dashed line. NaN is left out.
    """
    figure = Figure(figsize=(3.6 + 1.15 * len(names), 4), layout="constrained")
    ax = figure.subplots()
    width = 0.8 / len(energies)
    for i, (model, values) in enumerate(energies.items()):
        place = np.arange(len(names)) + (i + 0.5) * width - 0.4
        colour = palette[i % len(palette)]
        for a, x in enumerate(place):
            known = values[:, a][np.isfinite(values[:, a])]
            if known.size > 1 and np.ptp(known) > 0:
                drawn = ax.violinplot([known], [x], widths=0.9 * width, showextrema=False)
                drawn["bodies"][0].set_facecolor(colour)  # type: ignore
                drawn["bodies"][0].set_alpha(0.5)  # type: ignore
            ax.plot([x] * known.size, known, ".", color=colour, markersize=3, alpha=0.5)
            if known.size:
                ax.plot(x, np.median(known), "_", color="black", markersize=14 * width + 4)
            if null is not None and np.isfinite(null[model][:, a]).any():
                level = np.nanmedian(null[model][:, a])
                ends = [x - width / 2, x + width / 2]
                ax.plot(ends, [level] * 2, "--", color=colour, linewidth=1)
        ax.plot([], [], "s", color=colour, label=model)
    if null is not None:
        ax.plot([], [], "--", color="0.4", label="vectors dealt anew, median")
    ax.axhline(1, color="0.7", linewidth=0.8)
    ax.set_ylim(0, max(1.15, 1.05 * np.nanmax([np.nanmax(v) for v in energies.values()])))
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=9)
    ax.set_ylabel("energy (0 aligned, 1 random)")
    ax.grid(axis="y", alpha=0.3)
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title, fontsize=10)
    return figure


def plot_scale_curves(
    curves: Mapping[str, np.ndarray],
    scales: Sequence[float],
    names: Sequence[str],
    *,
    coverage: Mapping[str, np.ndarray] | None = None,
    label: str = "nearest neighbours k",
    title: str = "",
) -> Figure:
    """A panel per model: the energy of each attribute against the neighbourhood's size.

    `curves[model]` is `(attribute, scale)`; points whose `coverage[model]`, alike, is
    below one half are hollow.
    """
    figure = Figure(figsize=(3.9 * len(curves) + 1.4, 3.6), layout="constrained")
    axes = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for ax, (model, values) in zip(axes, curves.items(), strict=True):
        for a, name in enumerate(names):
            colour, marker = palette[a % len(palette)], markers[a % len(markers)]
            ax.plot(scales, values[a], color=colour, linewidth=1)
            whole = np.ones(len(scales), bool)
            if coverage is not None:
                whole = coverage[model][a] >= 0.5
            for which, face in ((whole, colour), (~whole, "white")):
                ax.plot(np.asarray(scales)[which], values[a][which], marker, color=colour,
                        markerfacecolor=face, markersize=5)  # fmt: skip
            ax.plot([], [], marker + "-", color=colour, label=name, markersize=5)
        ax.set_title(model, fontsize=9)
        ax.set_xlabel(label, fontsize=9)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("energy, median over identities")
    axes[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title, fontsize=10)
    return figure


def plot_energy_damage(
    energy: Mapping[str, np.ndarray],
    damage: Mapping[str, np.ndarray],
    names: Sequence[str],
    *,
    label: str = "TAR lost",
    title: str = "",
) -> Figure:
    """A panel per model: what an attribute's edit costs against its energy, both `(A,)`."""
    figure = Figure(figsize=(3.8 * len(energy) + 0.6, 3.4), layout="constrained")
    axes = figure.subplots(1, len(energy), squeeze=False)[0]
    for i, (ax, model) in enumerate(zip(axes, energy, strict=True)):
        ax.plot(energy[model], damage[model], "o", color=palette[i % len(palette)])
        for a, name in enumerate(names):
            ax.annotate(name, (energy[model][a], damage[model][a]), fontsize=7,
                        xytext=(4, 3), textcoords="offset points")  # fmt: skip
        ax.set_title(model, fontsize=9)
        ax.set_xlabel("energy, median over identities", fontsize=9)
        ax.margins(x=0.25, y=0.15)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel(label, fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure
