"""Tables of `classifier_swap`, in the thesis's form."""

from typing import Any

import numpy as np
import rich.box
from rich.table import Table

from jfacemap.study import published_swap as published
from jfacemap.study.published_swap import percent_changes, summarise_changes

from .harness import console


style: dict[str, Any] = {"title_justify": "left", "box": rich.box.SIMPLE_HEAD}
titles = {
    "affine": "Table 5.2: affine maps, least squares",
    "affine, ridge": "Table 5.2: affine maps, with a ridge",
    "linear": "The same without a bias: linear maps",
    "logits": "Table 5.3: maps by way of the logits, nothing fitted",
    "naive": "Section 5.6: features cut or padded",
}
parts = "seen", "unseen", "all"


def report_swaps(networks, swaps, spread, folds) -> None:
    _print_networks(networks, swaps, spread, folds)
    for kind, title in titles.items():
        _print_swaps(networks, title, swaps[kind], spread[kind])
    picked = ", ".join(f"{fold.ridge:g}" for fold in folds)
    console.print(
        "In each cell: percent named right and the change from the source's own; the "
        "change's 95 % interval over images; percent of images on which the swapped "
        "classifier gives the source's own answer, and that have the label in the best 5. "
        f"Ridges, picked on half of a fold's fit images: {picked} of a feature's mean "
        "variance times the rows.\n"
    )
    _print_published()
    _print_summary(networks, swaps)


def _print_networks(networks, swaps, spread, folds) -> None:
    table = Table(title="Table 5.1: the networks", **style)
    for name in ("network", "dims", "right, %", "in the best 5, %", "rank", "condition"):
        table.add_column(name, justify="left" if name == "network" else "right")
    for a in networks.names:
        own, ends = swaps["logits"][a, a], spread["logits"][a, a]
        low, high = 100 * ends.accuracy
        info = folds[0].info[a]
        table.add_row(
            a,
            str(networks.heads[a].dim),
            f"{100 * own.source_accuracy:.2f} [{low:.1f} {high:.1f}]",
            f"{100 * np.mean(own.source_in_top):.2f}",
            f"{float(info.rank):.0f}",
            f"{float(info.condition):.2g}",
        )
    table.add_section()
    for network in published.table51:
        table.add_row(f"[dim]{network.name}", str(network.dim), f"{network.local:.1f}")
    console.print(table)
    console.print(
        f"Above, measured here: 95 % intervals over images; rank and condition number of "
        f"the {folds[0].rows:,} centred rows a fold fits on. Dim, as published (thesis "
        "002; 50,000 validation images of ILSVRC2012, other networks).\n"
    )


def _print_swaps(networks, title, swaps, spread) -> None:
    names = networks.names
    accuracy = np.array([[100 * swaps[a, b].accuracy for b in names] for a in names])
    changes = percent_changes(accuracy)
    table = Table(title=title, **style)
    table.add_column("source \\ target")
    for name in names:
        table.add_column(name, justify="right")
    for i, a in enumerate(names):
        cells = []
        for j, b in enumerate(names):
            shade = _shade(changes[i, j])
            low, high = spread[a, b].change
            text = f"{accuracy[i, j]:.2f} {changes[i, j]:+.2f} %"
            if i == j:
                cells.append(f"[bold]{text}[/bold]")
                continue
            agree = 100 * swaps[a, b].agreement
            top = 100 * swaps[a, b].top_accuracy
            cells.append(
                f"[{shade}]{text}[/{shade}]\n[dim][{low:+.1f} {high:+.1f}][/dim]\n"
                f"agree {agree:.1f}, top 5 {top:.1f}"
            )
        table.add_row(a, *cells)
    console.print(table)


def _shade(change: float) -> str:
    """As the thesis shades: the darker, the more is lost."""
    levels = ((-1, "default"), (-3, "on grey23"), (-6, "on grey35"), (-12, "on grey46"))
    return next((style for least, style in levels if change >= least), "on grey58")


def _print_published() -> None:
    short = [n.name.replace("Inception", "Inc").replace("-Large", "")
             .replace("ResNet", "Res").replace("MobileNet", "Mob").replace("-1.4-224", "")
             for n in published.table51]  # fmt: skip
    changes = percent_changes(published.table52)
    table = Table(title="As published: thesis 002, Table 5.2 (other networks)", **style)
    table.add_column("source \\ target", no_wrap=True)
    for name in short:
        table.add_column(name, justify="right", overflow="fold", width=6)
    for i, name in enumerate(short):
        cells = (f"{published.table52[i, j]:.2f} {changes[i, j]:+.2f}" for j in range(10))
        table.add_row(name, *cells)
    console.print(table)
    wrong = [
        f"{short[i]} → {short[j]} {published.printed_changes[i, j]:+g} for "
        f"{changes[i, j]:+.2f}"
        for i, j in published.misprints(published.table52, published.printed_changes)
    ]
    console.print(
        "Accuracies as printed, percents recomputed from them. Printed otherwise: "
        f"{'; '.join(wrong)} (the last digit rounded off but for the sign). Table 5.3 "
        "prints each row's own accuracy in all of it, as the logits' maps must; the best "
        f"of section 5.6 is {published.naive_best} %.\n"
    )


def _print_summary(networks, swaps) -> None:
    table = Table(title="All pairs", **style)
    names = ("median, mapped pairs", "median, all cells", "worst", "beat target")
    table.add_column("maps")
    for name in (*names, "beat source", "agree"):
        table.add_column(name, justify="right")
    every = networks.names
    for kind, cells in swaps.items():
        accuracy = np.array([[100 * cells[a, b].accuracy for b in every] for a in every])
        agree = 100 * np.mean([cells[pair].agreement for pair in networks.pairs])
        _add(table, kind, summarise_changes(accuracy), f"{agree:.1f}")
    table.add_section()
    _add(table, "[dim]published, affine", summarise_changes(published.table52), "")
    console.print(table)
    console.print(
        "Percent of change from the source's own accuracy; how many mapped pairs beat the "
        "target's own accuracy, or the source's; percent of images on which the swapped "
        "classifier gives the source's own answer. The thesis states a median of "
        f"{published.stated_median:.2f} over all mappings.\n"
    )


def _add(table, name, s, agree) -> None:
    keys = "median, mapped pairs", "median, all cells", "worst"
    pairs = s["mapped pairs"]
    table.add_row(name, *(f"{s[key]:+.2f}" for key in keys),
                  *(f"{s[key]} of {pairs}" for key in ("beat target", "beat source")),
                  agree)  # fmt: skip


def report_rows(networks, curve) -> None:
    """What swaps keep, by rows fitted on."""
    table = Table(title="Swaps by the number of rows fitted on", **style)
    for name in ("rows", "affine: change", "agree", "with a ridge: change", "agree",
                 "ridge"):  # fmt: skip
        table.add_column(name, justify="right")
    change = 100 * (curve.accuracy / np.where(curve.own, curve.own, np.nan) - 1)
    for i, size in enumerate(curve.sizes):
        cells = []
        for k in range(2):
            cells += [
                f"{change[k, i].mean():+.1f} %",
                f"{curve.agreement[k, i].mean():.1f}",
            ]
        table.add_row(f"{size:,}", *cells, f"{curve.ridges[i]:.3g}")
    console.print(table)
    widths = sorted({head.dim for head in networks.heads.values()})
    console.print(
        f"Means over {curve.own.size} ordered pairs, on the images of the first fold. "
        f"Features are {', '.join(map(str, widths))} wide: of fewer rows the affine map is "
        "that of least norm among those that fit exactly, of as many it is at its worst. "
        "Rows are of whole images, each set within the next; ridges picked within each.\n"
    )


def report_parts(networks, true, null, chosen, widths, random) -> None:
    table = Table(title="Do networks share more than their logits force?", **style)
    table.add_column("from the source's")
    for wanted in parts[:2]:
        table.add_column(f"to the target's {wanted}", justify="right")
        table.add_column("least and most", justify="right")
        table.add_column("at random", justify="right")
    for i, given in enumerate(parts):
        cells = []
        for j in range(2):
            values = true[:, i, j]
            cells += [f"{values.mean():.3f}", f"{values.min():.3f} {values.max():.3f}"]
            cells += [f"{null[:, i, j].mean():+.3f}"]
        table.add_row(given, *cells)
    console.print(table)
    hidden = ", ".join(f"{w} of {networks.heads[a].dim} ({a})" for a, w in widths.items())
    gain = (true[:, 2, 1] - true[:, 0, 1]).mean()
    console.print(
        "Held-out R² of affine maps, ridges chosen within the fit images "
        f"({min(chosen):g} to {max(chosen):g}, as above), mean over "
        f"{len(true)} ordered pairs. Seen: what moves the head's logits, up to a shift of "
        f"all of them; unseen: the directions that do not, {hidden}. To predict unseen "
        f"features the source's unseen ones add {gain:+.3f} to its seen ones. At random: "
        f"fitted on {random:,} rows of images paired at random, drawn from all "
        f"{len(networks.folds[0].fit_image):,}.\n"
    )
