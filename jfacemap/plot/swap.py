"""Swapped classifiers (thesis 002, Tables 5.2 and 5.3), and what heads do not see."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..study.published_swap import percent_changes


def plot_swaps(
    tables: Mapping[str, np.ndarray], names: Sequence[Sequence[str]], *, title: str = ""
) -> Figure:
    """A panel for each table of accuracies in percent, source by target, side by side.

    `names[i]` are the networks of the i-th table. As in the thesis: in large figures the
    accuracy, in small the percent of change from the row's diagonal; the darker, the more
    is lost. Changes up to 12 % are told apart.
    """
    sizes = [0.9 + 0.75 * len(n) for n in names]
    figure = Figure(
        figsize=(sum(sizes) + 1.2 * len(sizes) + 1, max(sizes) * 0.85 + 1.3),
        layout="constrained",
    )
    panels = figure.subplots(1, len(tables), squeeze=False, width_ratios=sizes)[0]
    shade = ScalarMappable(Normalize(-12, 0), "Blues_r")
    for ax, (name, accuracy), networks in zip(panels, tables.items(), names, strict=True):
        changes = percent_changes(accuracy)
        ax.imshow(changes, norm=shade.norm, cmap=shade.cmap)
        for i, j in np.ndindex(accuracy.shape):
            colour = "white" if changes[i, j] < -7 else "black"
            bold = "bold" if i == j else "normal"
            ax.text(j, i - 0.08, f"{accuracy[i, j]:.2f}", ha="center", va="center",
                    fontsize=8, color=colour, weight=bold)  # fmt: skip
            ax.text(j, i + 0.25, f"{changes[i, j]:+.2f} %", ha="center", va="center",
                    fontsize=6, color=colour)  # fmt: skip
        ax.set_xticks(range(len(networks)), networks, rotation=45, ha="right", fontsize=8)
        ax.set_yticks(range(len(networks)), networks, fontsize=8)
        ax.set_title(name, fontsize=10)
        ax.set_xlabel("target (classifier)")
    panels[0].set_ylabel("source (features)")
    figure.colorbar(shade, ax=list(panels), label="percent of change", shrink=0.7)
    figure.suptitle(title, fontsize=11)
    return figure


def plot_shared_parts(
    r2: np.ndarray, null: np.ndarray, names: Sequence[str], *, title: str = ""
) -> Figure:
    """Held-out R^2 between what heads see and do not see, a dot for each pair of networks.

    `r2` and `null (pairs, 3, 2)` are as in `SharedParts`: of true pairs of images and of
    images paired at random; `names` are the pairs.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    colours = [f"C{i % 10}" for i in range(len(names))]
    for ax, wanted, j in zip(panels, ("seen", "unseen"), (0, 1), strict=True):
        for i in range(3):
            place = i + np.linspace(-0.25, 0.25, len(names))
            for p, name in enumerate(names):
                ax.plot(place[p], r2[p, i, j], "o", color=colours[p],
                        label=name if i == 0 else None)  # fmt: skip
            ax.plot(place, null[:, i, j], "x", color="#777777", markersize=5,
                    label="images paired at random" if i == 0 else None)  # fmt: skip
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xticks(range(3), ["seen", "unseen", "all"])
        ax.set_xlabel("from features the source's head has")
        ax.set_title(f"to features the target's head has {wanted}", fontsize=10)
        ax.grid(axis="y", alpha=0.3)
    panels[0].set_ylabel("held-out R²")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, loc="outside right upper")
    figure.suptitle(title, fontsize=11)
    return figure


def plot_rows(
    sizes: np.ndarray,
    accuracy: np.ndarray,
    agreement: np.ndarray,
    own: np.ndarray,
    widths: Sequence[int],
    *,
    title: str = "",
) -> Figure:
    """What swaps keep by rows fitted on: a thin line a pair of networks, bold the mean.

    `accuracy`, `agreement (2, sizes, pairs)` in percent, of affine maps without and with a
    ridge; `own (pairs,)` the accuracy of the source; dotted lines at the features' widths.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    labels = "named right, %", "agreement with the source's own answer, %"
    for ax, values, label in zip(panels, (accuracy, agreement), labels, strict=True):
        for k, kind in enumerate(("affine", "affine, with a ridge")):
            ax.plot(sizes, values[k], color=f"C{k}", alpha=0.3, linewidth=0.8)
            ax.plot(sizes, values[k].mean(axis=1), "o-", color=f"C{k}", label=kind)
        for width in sorted(set(widths)):
            ax.axvline(width, color="#777777", linestyle=":", linewidth=1)
        ax.set_xscale("log")
        ax.set_xticks(sizes, [f"{n:,}" for n in sizes], fontsize=8, rotation=45)
        ax.minorticks_off()
        ax.set_xlabel("rows fitted on")
        ax.set_ylabel(label)
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    panels[0].axhline(own.mean(), color="black", linestyle="--", linewidth=0.8,
                      label="the source's own classifier")  # fmt: skip
    panels[0].plot([], [], ":", color="#777777", label="features are as wide")
    panels[0].legend(fontsize=8)
    figure.suptitle(title, fontsize=11)
    return figure
