"""Shares of a model's own TAR that maps keep: from changed images, between models."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


looks = ("o", "#999999"), ("s", "#0072B2"), ("^", "#009E73"), ("D", "#E69F00")
"""Marker and colour of the kinds of maps; shapes tell them apart in grey."""


def plot_ceilings(
    within: Mapping[str, np.ndarray],
    changes: Sequence[str],
    between: Mapping[str, np.ndarray],
    *,
    title: str = "",
) -> Figure:
    """Two panels that share their axis; returns the figure.

    - `within[kind]` is `(change, 3)`: share, lower and upper end, of maps within one model
      from images changed in some way to images as they are.
    - `between[kind]` is `(pair,)`: shares of maps between models, a dot an ordered pair, a
      black bar at the median.
    """
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2.2, 1))
    width, at = 0.7 / len(within), np.arange(len(changes))
    for i, ((kind, values), (marker, colour)) in enumerate(
        zip(within.items(), looks, strict=False)
    ):
        value, lower, upper = np.asarray(values).T
        # A percentile interval may leave out the estimate.
        bars = np.maximum([value - lower, upper - value], 0)
        place = at + (i + 0.5) * width - 0.35
        left.errorbar(place, value, bars, fmt=marker, color=colour, markersize=6,
                      markeredgecolor="black", markeredgewidth=0.5, ecolor="0.3",
                      elinewidth=1, capsize=2, label=kind)  # fmt: skip
    left.set_xticks(at, changes, rotation=30, ha="right")
    for edge in at[1:] - 0.5:
        left.axvline(edge, color="0.9", linewidth=0.8, zorder=0)
    left.set_ylabel("TAR over the model's own")
    left.set_title("within one model: changed images to images as they are", fontsize=10)
    left.legend(fontsize=8, loc="lower left")
    spread = np.random.default_rng(0)  # sideways only, so that dots can be told apart
    known = dict(zip(within, looks, strict=False))
    for i, (kind, values) in enumerate(between.items()):
        marker, colour = known[kind]
        x = i + spread.uniform(-0.22, 0.22, len(values))
        right.plot(x, values, marker, color=colour, markersize=5, alpha=0.7,
                   markeredgecolor="black", markeredgewidth=0.4)  # fmt: skip
        right.plot([i - 0.32, i + 0.32], [np.nanmedian(values)] * 2, color="black",
                   linewidth=2)  # fmt: skip
    right.set_xticks(range(len(between)), list(between), rotation=30, ha="right")
    right.set_title("between models, same people; bar: median", fontsize=10)
    for ax in (left, right):
        ax.axhline(1, color="black", linewidth=0.8)
        ax.grid(axis="y", alpha=0.3)
    left.set_ylim(0, min(1.5, left.get_ylim()[1]))  # of few people bars go anywhere
    figure.suptitle(title, fontsize=11)
    return figure
