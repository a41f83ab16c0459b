"""TAR against the number of pairs fitted on, as in paper 000, Figures 3 and 6."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


colours = {"linear": "#0072B2", "rotation": "#E69F00", "affine": "#009E73"}
"""Of the kinds of maps; told apart by colour-blind eyes and in grey."""


def plot_subset_boxes(
    boxes: Mapping[str, np.ndarray],
    sizes: Sequence[int],
    fars: Sequence[float],
    *,
    native: Sequence[float] | np.ndarray | None = None,
    title: str = "",
    label: str = "pairs of images fitted on",
) -> Figure:
    """One panel per FAR; in it a box per size and kind. Returns the figure.

    `boxes[kind]` is `(size, pair, far)`: each point of a box is one ordered pair of two
    models, the mean over its subsets. Boxes are quartiles, whiskers reach the extremes.
    `native (far,)`: mean TAR without a map, drawn as a line. `label`: what the sizes are.
    """
    figure = Figure(figsize=(3.6 * len(fars) + 1, 3.8), layout="constrained")
    axes = figure.subplots(1, len(fars), sharey=True, squeeze=False)[0]
    width = 0.8 / len(boxes)
    for k, (ax, far) in enumerate(zip(axes, fars, strict=True)):
        for i, (kind, values) in enumerate(boxes.items()):
            place = np.arange(len(sizes)) + (i + 0.5) * width - 0.4
            drawn = ax.boxplot(
                list(values[:, :, k]),
                positions=place,
                widths=0.85 * width,
                whis=(0, 100),
                patch_artist=True,
                medianprops={"color": "black"},
                manage_ticks=False,
            )
            for patch in drawn["boxes"]:
                patch.set_facecolor(colours.get(kind, f"C{i}"))
                patch.set_hatch("//" * (i % 2))
        if native is not None:
            ax.axhline(native[k], color="0.4", linestyle=":", linewidth=1)
        ax.set_xticks(range(len(sizes)), [str(size) for size in sizes], rotation=45)
        ax.set_title(f"FAR {far:g}", fontsize=10)
        ax.set_ylim(0, 1)
        ax.grid(axis="y", alpha=0.3)
    axes[0].set_ylabel("TAR")
    figure.supxlabel(label, fontsize=10)
    handles = [
        axes[0].fill_between([], [], color=colours.get(kind, f"C{i}"), label=kind)
        for i, kind in enumerate(boxes)
    ]
    if native is not None:
        handles += axes[0].plot([], [], ":", color="0.4", label="native, mean")
    axes[-1].legend(handles=handles, loc="upper left", fontsize=8)
    figure.suptitle(textwrap.fill(title, 44 * len(axes)), fontsize=11)
    return figure
