"""Where models sit in the space they share, what they share, and whether maps compose."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..evaluate.compare.layout import Layout
from ..study.composition import CompositionErrors


def plot_canonical(
    layout: Layout,
    names: Sequence[str],
    spectra: Mapping[str, np.ndarray],
    composed: CompositionErrors,
    *,
    title: str = "",
) -> Figure:
    """Three panels; returns the figure.

    - Models as points of `layout`, the nearer the more alike.
    - `spectra` of canonical spaces of kind "correlation": how many models see each axis.
    - Of every A -> B -> C, `composed.through` against `composed.direct`: on the diagonal
      the detour costs nothing. Cycles A -> B -> A apart.
    """
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    map_, axes, detours = figure.subplots(1, 3)
    points = np.asarray(layout.points)
    map_.plot(*points.T, "o", color="#0072B2")
    order = np.argsort(np.argsort(points[:, 1]))
    for place, point, name in zip(order, points, names, strict=True):
        # Names point inwards, and of neighbours one goes above and one below.
        side, shift = ("right", -5) if point[0] > 0 else ("left", 5)
        rise = (5, "bottom") if place % 2 else (-5, "top")
        map_.annotate(name, point, (shift, rise[0]), textcoords="offset points",
                      fontsize=8, ha=side, va=rise[1])  # fmt: skip
    map_.set_aspect("equal", adjustable="datalim")
    map_.margins(0.2)
    map_.set_title(
        f"distances, {float(layout.share):.0%} of them in the plane", fontsize=10
    )

    for (name, spectrum), colour in zip(
        spectra.items(), itertools.cycle(["#0072B2", "#999999"]), strict=False
    ):
        spectrum = np.asarray(spectrum)
        axes.plot(np.arange(1, len(spectrum) + 1), spectrum, color=colour, label=name)
    axes.set_ylim(0, len(names) + 0.2)
    axes.set_xlabel("shared axis")
    axes.set_ylabel(f"models that see it, of {len(names)}")
    axes.legend(fontsize=8)
    axes.set_title("multiset canonical correlation", fontsize=10)

    n = len(names)
    direct, through = np.asarray(composed.direct), np.asarray(composed.through)
    triples = np.array(list(itertools.permutations(range(n), 3)))
    a, b, c = triples.T
    ends = direct[a, c], through[a, b, c]
    detours.plot(*ends, ".", color="#0072B2", alpha=0.6, label="A → B → C")
    cycles = through[np.arange(n), :, np.arange(n)][~np.eye(n, dtype=bool)]
    low = min(e.min() for e in ends)
    high = max(e.max() for e in (*ends, cycles)) if n > 1 else 1
    detours.plot(np.full(cycles.shape, low), cycles, "_", color="#D55E00",
                 label="A → B → A (at the left edge)")  # fmt: skip
    detours.plot([low, high], [low, high], color="black", linewidth=0.8)
    detours.set_xlabel("1 - R² of A → C")
    detours.set_ylabel("1 - R² of the detour")
    detours.legend(fontsize=8)
    detours.set_title("do maps compose?", fontsize=10)
    figure.suptitle(title, fontsize=11)
    return figure
