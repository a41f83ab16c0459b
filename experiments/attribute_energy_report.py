"""Tables of `attribute_energy`."""

import itertools
from typing import Any

import numpy as np
import rich.box
from rich.table import Table
from scipy.stats import spearmanr

import jfacemap as jfm

from .harness import console


def report(found, balls, pairs, damage, exact, names, at, scales, eps, config) -> None:
    place = [next(iter(found.values())).names.index(n) for n in names]
    with np.errstate(all="ignore"):
        for model in found:
            _model(model, found, balls, pairs, damage, names, place, at, scales, eps)
    if exact:
        _exact(exact, names, config)
    for a, b in itertools.combinations(found, 2):
        test = jfm.compare_energies(*(found[m].energy[:, place, at] for m in (a, b)))
        told = ", ".join(
            f"{n} {d:+.3f} (p {p:.3f})"
            for n, d, p in zip(names, test.difference, test.p_holm, strict=True)
        )
        console.print(
            f"{a} less {b}, median over {test.n.max()} people, Wilcoxon, Holm: {told}.\n",
            soft_wrap=True,
        )


def _model(model, found, balls, pairs, damage, names, place, at, scales, eps) -> None:
    each = found[model]
    table = Table(
        title=f"{model}: energies, medians over {len(each.identities)} people",
        title_justify="left", box=rich.box.SIMPLE_HEAD,
    )  # fmt: skip
    table.add_column("edit", no_wrap=True)
    middle = len(eps) // 2
    ball = f"ball {eps[middle]:.1f}"
    heads = f"{scales[at]}-NN", "dealt anew", "below, of people", "|v| / d", ball, "covers"
    for name in (*heads, "all pairs", "gravity", "TAR", "lost"):
        table.add_column(name, justify="right")
    median = lambda x: np.nanmedian(x, axis=0)
    energy, null = each.energy[:, place, at], each.null_mean[:, place, at]
    below = (each.p[:, place, at] <= 0.05).sum(axis=0)
    columns = (
        median(energy), median(null), below, median(each.displacement[:, place]),
        median(balls[model].energy[:, place, middle]),
        median(balls[model].coverage[:, place, middle]),
        median(pairs[model].energy[:, place]), median(each.gravity[:, place]),
        damage[model][1:], damage[model][0] - damage[model][1:],
    )  # fmt: skip
    for a, name in enumerate(names):
        cells = [f"{c[a]:.3f}" if i != 2 else f"{c[a]}" for i, c in enumerate(columns)]
        table.add_row(name, *cells)
    console.print(table)
    ranks: Any = spearmanr(columns[0], columns[-1])
    order = lambda x: " < ".join(np.array(names)[np.argsort(x)])
    console.print(
        f"TAR without an edit {damage[model][0]:.3f}. Energy with TAR lost: Spearman "
        f"{ranks.statistic:.2f} over {len(names)} edits. By {scales[at]}-NN: "
        f"{order(columns[0])}; by all pairs: {order(columns[6])}.\n",
        soft_wrap=True,
    )


def _exact(exact, names, config) -> None:
    table = Table(
        title=f"Exact derivatives beside the 3-point stencil, {config.exact} people",
        title_justify="left", box=rich.box.SIMPLE_HEAD,
    )  # fmt: skip
    table.add_column("edit", no_wrap=True)
    for name in ("cosine of both", "energy, exact", "energy, stencil"):
        table.add_column(name, justify="right")
    for a, name in enumerate(names):
        values = exact["cosine"][a], exact["energy"][0, a], exact["energy"][1, a]
        table.add_row(name, *(f"{v:.3f}" for v in values))
    console.print(table)
