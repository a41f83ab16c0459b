"""Source x target grids of TAR, as in paper 000, Figures 2 and 4."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure


def plot_tar_grid(
    tables: Mapping[str, np.ndarray],
    names: Sequence[str],
    fars: Sequence[float],
    *,
    title: str = "",
) -> Figure:
    """One grid per kind of map (rows) and FAR (columns); returns the figure.

    `tables[kind]` is TAR `(source, target, far)`. Source models are rows and target
    models columns; the native accuracies, in bold, run from bottom left to top right.
    """
    n, kinds = len(names), list(tables)
    size = 1.1 + 0.42 * n
    figure = Figure(
        figsize=(size * len(fars) + 1.2, size * len(kinds) + 0.5), layout="constrained"
    )
    axes = figure.subplots(len(kinds), len(fars), sharex=True, sharey=True, squeeze=False)
    colours = ScalarMappable(Normalize(0, 1), "cividis")
    for row, kind in zip(axes, kinds, strict=True):
        for k, (ax, far) in enumerate(zip(row, fars, strict=True)):
            ax.imshow(
                tables[kind][:, :, k], origin="lower", norm=colours.norm, cmap=colours.cmap
            )
            _write_cells(ax, tables[kind][:, :, k])
            ax.set_title(f"{kind}, FAR {far:g}", fontsize=10)
            ax.set_xticks(range(n), names, rotation=45, ha="right", fontsize=8)
            ax.set_yticks(range(n), names, fontsize=8)
    figure.supxlabel("target model")
    figure.supylabel("source model")
    figure.suptitle(title, fontsize=11)
    figure.colorbar(colours, ax=axes, label="TAR", shrink=0.6)
    return figure


def _write_cells(ax, values: np.ndarray) -> None:
    for i, j in np.ndindex(values.shape):
        text = "-" if np.isnan(values[i, j]) else f"{values[i, j]:.2f}".lstrip("0")
        ax.text(
            j,
            i,
            text,
            ha="center",
            va="center",
            fontsize=8,
            color="black" if values[i, j] > 0.55 else "white",
            weight="bold" if i == j else "normal",
        )
