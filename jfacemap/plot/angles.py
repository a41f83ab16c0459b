"""Errors of angles by bins of the true angle, as Table 1 of paper 001."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


def plot_binned_errors(
    errors: Mapping[str, np.ndarray], bins: Sequence[str], *, title: str = ""
) -> Figure:
    """Mean absolute errors `(bins,)`: a line for each predictor; returns the figure.

    The one named "constant" is dashed: no features at all.
    """
    figure = Figure(figsize=(7.4, 4), layout="constrained")
    ax = figure.subplots()
    for i, (name, values) in enumerate(errors.items()):
        plain = name == "constant"
        ax.plot(np.arange(len(bins)), values, "k--" if plain else f"C{i % 10}-", label=name,
                marker="" if plain else "osD^vP*X"[i % 8])  # fmt: skip
    ax.set_xticks(range(len(bins)), list(bins))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("true angle, degrees")
    ax.set_ylabel("mean absolute error, degrees")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title, fontsize=10)
    return figure
