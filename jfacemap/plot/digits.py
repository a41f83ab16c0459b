"""Figures 3, 4, 6, 7 and 8 of paper 001, and those of its open questions."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure


colours = {
    "LeNet": "tab:red",
    "mu-LeNet": "tab:blue",
    "PAIR-LeNet": "tab:green",
    "class-wise LeNet": "tab:purple",
}
"""Figure 3's, and one for the network that the chapter only wished for."""


def plot_angles(reads: Mapping[str, np.ndarray], degrees: Sequence[float]) -> Figure:
    """Angle read against angle turned (Figure 3); returns the figure.

    `reads[net] (seeds, 2, angles)`: mean and standard deviation, by seed: the line is the
    mean over seeds, the bars its deviation.
    """
    figure = Figure(figsize=(6.2, 5), layout="constrained")
    ax = figure.subplots()
    ends = min(degrees) - 5, max(degrees) + 5
    ax.plot(ends, ends, color="0.7", linewidth=1, label="the angle itself")
    for i, (net, values) in enumerate(reads.items()):
        mean, deviation = values.mean(axis=0)
        at = np.asarray(degrees) + 1.5 * (i - (len(reads) - 1) / 2)
        ax.errorbar(at, mean, deviation, color=colours.get(net, f"C{i}"), marker="o",
                    capsize=3, label=net)  # fmt: skip
    ax.set_xticks(list(degrees))
    ax.set_yticks(list(degrees))
    ax.set_xlabel("degrees the images are turned by")
    ax.set_ylabel("degrees read off ip1: mean and deviation")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return figure


def plot_digit_errors(errors: Mapping[str, np.ndarray]) -> Figure:
    """Errors in % by digit and on average (Figure 4); returns the figure.

    `errors["net, way"] (seeds, 10)`: bars are means over seeds, whiskers their extremes.
    Ways by softmax are black and grey, for comparison only.
    """
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    ax = figure.subplots()
    tints = {"LeNet, MAV": "tab:red", "LeNet, per-angle MAV": "tab:orange",
             "mu-LeNet, MAV": "tab:blue", "PAIR-LeNet, MAV": "tab:green",
             "LeNet, softmax": "black", "PAIR-LeNet, softmax": "0.55"}  # fmt: skip
    width = 0.84 / len(errors)
    for i, (name, values) in enumerate(errors.items()):
        values = np.concatenate([values, values.mean(axis=1, keepdims=True)], axis=1)
        mean = values.mean(axis=0)
        at = np.arange(11) + (i - (len(errors) - 1) / 2) * width
        ends = mean - values.min(axis=0), values.max(axis=0) - mean
        ax.bar(at, mean, width, color=tints.get(name, f"C{i}"), label=name, yerr=ends,
               error_kw={"linewidth": 0.7})  # fmt: skip
    ax.axvline(9.5, color="0.7", linewidth=1)
    ax.set_xticks(range(11), [*map(str, range(10)), "average"])
    ax.set_xlabel("original digit")
    ax.set_ylabel("classification error, %")
    ax.grid(axis="y", alpha=0.3)
    ax.set_ylim(top=1.15 * ax.get_ylim()[1])  # room for the legend
    ax.legend(fontsize=8, ncols=3)
    return figure


def plot_scree(values: Mapping[str, np.ndarray], shown: int = 40) -> Figure:
    """The first singular values of each network's features (Figure 6).

    `values[net] (seeds, k)`: a line a seed. Lines mark 10 values (published) and 9, the
    most that ten means about their mean can span. Returns the figure.
    """
    figure = Figure(figsize=(3.6 * len(values), 3.2), layout="constrained")
    axes = figure.subplots(1, len(values), squeeze=False)[0]
    for ax, (net, each) in zip(axes, values.items(), strict=True):
        for one in each:
            ax.plot(np.arange(1, shown + 1), one[:shown], color=colours.get(net, "C0"),
                    marker=".", markersize=4, linewidth=1)  # fmt: skip
        ax.axvline(10, color="red", linewidth=1, label="10, as published")
        ax.axvline(9, color="red", linewidth=1, linestyle=":", label="9 centred means")
        ax.set_title(net, fontsize=10)
        ax.set_xlabel("singular vector")
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("singular value, features in [-1, 1]")
    axes[-1].legend(fontsize=8)
    return figure


def plot_heat(panels: Mapping[str, tuple]) -> Figure:
    """Features (rows) of samples sorted by digit, then angle (Figures 7 and 8).

    `panels[net]` is `(values (features, samples), label (samples,))`, and for a block
    diagonal also `cluster (features,)`, ascending: lines part the clusters. Each panel has
    colours of its own. Returns the figure.
    """
    figure = Figure(figsize=(4.6 * len(panels), 4.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (net, (values, label, *cluster)) in zip(axes, panels.items(), strict=True):
        image = ax.imshow(values, aspect="auto", cmap="viridis", interpolation="nearest",
                          vmin=0)  # fmt: skip
        starts = np.searchsorted(label, np.arange(11))
        middle = (starts[:-1] + starts[1:]) / 2
        ax.set_xticks(middle - 0.5, [str(c) for c in range(10)])
        ax.tick_params(length=0)
        for at in starts[1:-1]:
            ax.axvline(at - 0.5, color="white", linewidth=0.4)
        if cluster:
            ends = np.searchsorted(cluster[0], np.arange(12))
            for at in ends[1:-1]:
                ax.axhline(at - 0.5, color="white", linewidth=0.6)
            middle = (ends[:-1] + ends[1:]) / 2
            names = [*map(str, range(10)), "dead"]
            some = [i for i in range(11) if ends[i + 1] - ends[i] > 4]
            ax.set_yticks(middle[some] - 0.5, [names[i] for i in some])
        ax.set_title(net, fontsize=10)
        ax.set_xlabel("digit; within it from -45 to 45 degrees")
        figure.colorbar(image, ax=ax, shrink=0.8)
    sorted_rows = any(len(panel) > 2 for panel in panels.values())
    axes[0].set_ylabel("feature, by the digit it answers to" if sorted_rows else "feature")
    return figure


def plot_class_wise(values: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Bars of a few quantities for each network: means over seeds, and every seed a dot.

    `values[net][quantity] (seeds,)`. Returns the figure.
    """
    quantities = list(next(iter(values.values())))
    figure = Figure(figsize=(2.9 * len(quantities) + 0.4, 3.4), layout="constrained")
    axes = figure.subplots(1, len(quantities), squeeze=False)[0]
    for ax, what in zip(axes, quantities, strict=True):
        for i, (net, each) in enumerate(values.items()):
            seeds = np.asarray(each[what])
            ax.bar(i, seeds.mean(), 0.7, color=colours.get(net, f"C{i}"), alpha=0.6)
            ax.plot(np.full(len(seeds), i), seeds, "k.", markersize=5)
        ax.set_xticks(range(len(values)), list(values), rotation=20, ha="right", fontsize=8)
        ax.set_title(what, fontsize=10)
        ax.grid(axis="y", alpha=0.3)
    return figure


titles = {
    "angle_r2": "R2 of the angle, read linearly",
    "by_angle": "share of variance: angles of a digit",
    "digit_error": "digits missed, read linearly",
}


def plot_depth(
    values: Mapping[str, Mapping[str, np.ndarray]], layers: Sequence[str]
) -> Figure:
    """What each layer says of angle and digit, shallow to deep; returns the figure.

    `values[net][quantity] (seeds, layers)`: lines are means over seeds, bars the extremes;
    NaN where there is nothing to show.
    """
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    axes = figure.subplots(1, len(titles))
    for ax, (what, title) in zip(axes, titles.items(), strict=True):
        for i, (net, each) in enumerate(values.items()):
            mean = each[what].mean(axis=0)
            ends = mean - each[what].min(axis=0), each[what].max(axis=0) - mean
            ax.errorbar(np.arange(len(layers)) + 0.06 * (i - 1.5), mean, ends, marker="o",
                        color=colours.get(net, f"C{i}"), capsize=2, label=net)  # fmt: skip
        ax.set_xticks(range(len(layers)), list(layers))
        ax.set_title(title, fontsize=10)
        ax.set_ylim(bottom=min(0, ax.get_ylim()[0]) if what == "angle_r2" else 0)
        ax.grid(alpha=0.3)
    axes[-1].legend(fontsize=8)
    return figure
