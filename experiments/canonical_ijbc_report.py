"""Tables and figures of `canonical_ijbc`: its results in words."""

import numpy as np
from rich.table import Table

from jfacemap.plot.boxes import plot_subset_boxes
from jfacemap.plot.categories import plot_categories
from jfacemap.plot.grid import plot_tar_grid
from jfacemap.study import published
from jfacemap.study.pedigree import trait_categories

from . import canonical_faces_report
from .canonical_faces_report import style
from .harness import console


def short(rate: float) -> str:
    """A rate; a dash where the data do not support its target."""
    return "-" if np.isnan(rate) else canonical_faces_report.short(rate)


def order_of(rates) -> np.ndarray:
    """The models, the best first: by mean native TAR over the FARs the data support."""
    return np.argsort(-np.nanmean(np.diagonal(rates["linear"]), axis=0), kind="stable")


def report(data, fars, rates, means, subsets, ranks, ledger, tests) -> None:
    source = data.about["source"]
    native_table(data, fars, rates)
    mean_table(source, fars, means)
    how = "templates mapped, plain spaces"
    sweep_table(f"pairs fitted on, {how}: {source}", subsets, fars)
    sweep_table(f"rank of linear maps, {how}: {source}", ranks, fars)
    ledger_table(source, ledger)
    pedigree_table(data, tests)


def native_table(data, fars, rates) -> None:
    """Table 2 of these models, and under it as published."""
    table = Table(title=f"Native TAR: {data.about['source']}", **style)
    table.add_column("model", no_wrap=True)
    for far in fars:
        table.add_column(f"FAR {far:g}", justify="right", no_wrap=True)
    for i in order_of(rates):
        table.add_row(data.names[i], *map(short, rates["linear"][i, i]))
    table.add_section()
    table.add_row("[bold]published, IJB-C")
    for model in published.table2:
        table.add_row(model.name, *map(short, model.tar[::-1]))
    console.print(table)
    console.print("Published: paper 000, Table 2. -: the data have too few impostors.\n")


def mean_table(source, fars, means) -> None:
    table = Table(title=f"Mean TAR: {source}", **style)
    at = fars.index(1e-2)
    table.add_column("map", no_wrap=True)
    for far in fars:
        table.add_column(f"{far:g}", justify="right", no_wrap=True)
    table.add_column("95 % at 0.01", no_wrap=True)
    table.add_column("less native", no_wrap=True)
    ends = lambda x: "" if x is None else f"\\[{short(x[0, at])} {short(x[1, at])}]"
    for name, mean in means.items():
        table.add_row(name, *map(short, mean.tar), ends(mean.ends), ends(mean.cost))
    console.print(table)
    told = ", ".join(f"{kind} {short(tar)}" for kind, tar in published.mean_tar.items())
    console.print(
        "Columns: FAR. Maps: mean over ordered pairs of models; native and self-map: over "
        "the models. Interval: subjects of the probes drawn, maps as given; less native: "
        "of mapped minus the target's own, both of the same draws. Published (paper 000 on "
        f"IJB-C, ten other models, FAR 0.01): {told}; without a map TAR is nearly FAR.\n"
    )


def sweep_table(what: str, swept, fars) -> None:
    console.print(f"[italic]Median TAR at FAR 0.01 by {what}")  # wider than the table
    table = Table(**style)
    table.add_column("", no_wrap=True)
    for size in swept.sizes:
        table.add_column(f"{size:,}", justify="right", no_wrap=True)
    for kind, boxes in swept.boxes.items():
        table.add_row(kind, *map(short, np.median(boxes[..., fars.index(1e-2)], axis=1)))
    console.print(table)


def ledger_table(source, ledger) -> None:
    table = Table(title=f"Sentences of paper 000, plain spaces: {source}", **style)
    for name in ("sentence", "", "held in", "note"):
        table.add_column(name)
    for claim in ledger:
        verdict = "held" if claim.holds else "[bold]not held[/bold]"
        verdict = verdict if claim.cases else "not tested"
        table.add_row(claim.sentence, verdict, f"{claim.held} of {claim.cases}", claim.note)
    console.print(table)


def pedigree_table(data, tests) -> None:
    if not tests:
        return
    console.print("[italic]Does TAR at FAR 0.01 go with what two models share? "
                  f"{data.about['source']}")  # fmt: skip
    table = Table(**style)
    for name in ("trait", "map", "correlation", "p, models permuted"):
        table.add_column(name, no_wrap=True)
    for test in tests:
        numbers = (f"{test[key]:.3f}" for key in ("correlation", "p"))
        table.add_row(test["trait"], test["kind"], *numbers)
    console.print(table)
    if "pedigree labels" in data.about:
        console.print(f"Pedigrees: {data.about['pedigree labels']}.\n")


def draw(data, fars, rates, subsets, ranks, few: bool) -> dict:
    """Figures 2 to 6 of the paper, Figure 2 also in centred spaces, and TAR by rank.

    With `few` one of each sort: Figures 2, 3 and 5.
    """
    order, source = order_of(rates), data.about["source"]
    names = [data.names[i] for i in order]
    native = np.diagonal(rates["linear"])
    known = [far for far, row in zip(fars, native, strict=True) if not np.isnan(row).all()]

    def grid(kinds, some):
        some = [far for far in some if far in known]
        at = [fars.index(far) for far in some]
        tables = {k: rates[k][np.ix_(order, order, at)] for k in kinds}
        return plot_tar_grid(tables, names, some, title=f"{source}; diagonal: native")

    def boxes(swept, some, **words):
        some = [far for far in some if far in known]
        at = [fars.index(far) for far in some]
        values = {kind: x[..., at] for kind, x in swept.boxes.items()}
        title = f"{source}; templates mapped, plain spaces"
        return plot_subset_boxes(values, swept.sizes, some, title=title, **words)

    three = 1e-1, 1e-3, 1e-5
    figures = {
        "figure2": grid(("linear", "rotation"), three),
        "figure3": boxes(subsets, (1e-2,)),
    }
    if not few:
        figures |= {
            "figure2_centred": grid(("linear, centred", "rotation, centred"), three),
            "figure4": grid(("linear", "rotation", "identity"), fars),
            "figure6": boxes(subsets, fars),
            "rank": boxes(ranks, fars, label="rank of the map"),
        }
    if data.pedigrees is not None:
        groups, some = trait_categories(data.pedigrees), (1e-1, 1e-2)
        at = [fars.index(far) for far in some]
        values = {kind: rates[kind][..., at] for kind in ("linear", "rotation")}
        note = "\nlabels of the paper's models" if "pedigree labels" in data.about else ""
        figures["figure5"] = plot_categories(values, groups, some, title=source + note)
    return figures
