"""Tables and figures of `which_pairs`: its results in words."""

from typing import Any

import numpy as np
import rich.box
from matplotlib.figure import Figure
from rich.table import Table

from jfacemap.plot.boxes import colours

from .canonical_faces_report import short
from .controls import tell
from .harness import console
from .reidentification_report import with_spread


style: dict[str, Any] = {"box": rich.box.SIMPLE_HEAD}


def off_mean(tar) -> Any:
    """Mean over ordered pairs of models of `(..., source, target)`."""
    return tar[..., ~np.eye(tar.shape[-1], dtype=bool)].mean(axis=-1)


def report(surface, chosen, parts, moved, repeats: int, against) -> None:
    for kind, values in surface.values.items():
        table = new_table(f"{kind}: people by images of each", surface.images)
        for i, count in enumerate(surface.people):
            table.add_row(str(count), *with_spread(off_mean(values)[i].T))
        console.print(table)
    console.print(
        f"Means of {repeats} draws ± their sd; along a diagonal pairs are as many.\n"
    )
    table = new_table("images, chosen in three ways", chosen.sizes)
    for (way, kind), values in chosen.tar.items():
        name = f"{kind}, {way.replace('of each', 'a')}"
        table.add_row(name, *with_spread(off_mean(values).T))
    console.print(table)
    kinds = list(surface.values)
    table = new_table("rows fitted on", kinds)
    for part in dict.fromkeys(part for part, _ in parts):
        table.add_row(part, *(short(off_mean(parts[part, kind])) for kind in kinds))
    console.print(table)
    for size, found in moved.items():
        for kind, values in found.values.items():
            title = f"{kind}, {size}: fitted on, tested on other people of"
            table = new_table(title, found.test_sets)
            for name, row in zip(found.fit_sets, off_mean(values), strict=True):
                table.add_row(name, *map(short, row))
            console.print(table)
    console.print(f"Controls, fitted on all images: {tell(against)}. ± sd over draws; what "
                  "has none is one fit.\n")  # fmt: skip


def new_table(title: str, columns) -> Table:
    console.print(f"[italic]Mean TAR at FAR 0.01 by {title}")  # wider than the table
    table = Table(**style)
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(str(name), justify="right", no_wrap=True)
    return table


def draw(surface, chosen, moved) -> dict[str, Figure]:
    title = "Bundled faces, centred: mean TAR at FAR 0.01 over ordered pairs of models"
    return {
        "surface": draw_surface(surface, title),
        "choice": draw_choice(chosen, title),
        "transfer": draw_transfer(moved, title),
    }


def draw_surface(surface, title: str) -> Figure:
    """A line for each number of pairs: more people to the right, fewer images of each."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, len(surface.values), sharey=True, squeeze=False)[0]
    totals = sorted({p * m for p in surface.people for m in surface.images})
    for ax, kind in zip(axes, surface.values, strict=True):
        for n, total in enumerate(totals):
            cells = sorted(surface.of_total(kind, total).items())
            if len(cells) < 2:
                continue
            x = [p for (p, _), _ in cells]
            y = np.array([off_mean(tar) for _, tar in cells])
            shade = str(0.75 - 0.7 * n / len(totals))
            ax.errorbar(x, y.mean(1), np.ptp(y, axis=1) / 2, color=shade, marker="o",
                        capsize=2, label=f"{total} pairs")  # fmt: skip
        ax.set_xscale("log", base=2)
        ax.set_xticks(surface.people, [str(p) for p in surface.people])
        ax.set_title(kind, fontsize=10)
        ax.set_xlabel("people (pairs / people images of each)")
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("TAR")
    axes[0].legend(fontsize=8)
    figure.suptitle(f"{title}; bars: range of draws", fontsize=11)
    return figure


def draw_choice(chosen, title: str) -> Figure:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    ways = list(dict.fromkeys(way for way, _ in chosen.tar))
    for (way, kind), tar in chosen.tar.items():
        y = off_mean(tar)
        dash = ("-", ":", "--")[ways.index(way)]
        ax.plot(chosen.sizes, y.mean(axis=1), dash, color=colours[kind], marker="o",
                markersize=4, label=f"{kind}, {way}")  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_xticks(chosen.sizes, [str(size) for size in chosen.sizes])
    ax.set_xlabel("pairs of images fitted on")
    ax.set_ylabel("TAR")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    figure.suptitle(title, fontsize=11)
    return figure


def draw_transfer(moved, title: str) -> Figure:
    """Grids of fit set by test set, for each kind and number of images."""
    kinds = list(next(iter(moved.values())).values)
    figure = Figure(
        figsize=(3.2 * len(kinds) + 1, 3 * len(moved) + 0.6), layout="constrained"
    )
    axes = figure.subplots(len(moved), len(kinds), squeeze=False)
    for row, (size, found) in zip(axes, moved.items(), strict=True):
        for ax, kind in zip(row, kinds, strict=True):
            table = off_mean(found.values[kind])
            ax.imshow(table, vmin=0, vmax=1, cmap="cividis")
            for (i, j), tar in np.ndenumerate(table):
                colour = "black" if tar > 0.55 else "white"
                ax.text(j, i, f"{tar:.2f}".lstrip("0"), ha="center", va="center",
                        color=colour)  # fmt: skip
            ax.set_xticks(range(len(found.test_sets)), found.test_sets)
            ax.set_yticks(range(len(found.fit_sets)), found.fit_sets)
            ax.set_title(f"{kind}, {size}", fontsize=10)
    figure.supxlabel("tested on other people of")
    figure.supylabel("fitted on")
    figure.suptitle(title, fontsize=11)
    return figure
