"""Tables and figures of `attribute_probes`."""

import numpy as np
import rich.box
from rich.table import Table

from jfacemap.plot.attributes import plot_attribute_errors
from jfacemap.study.face_signs import groups

from .harness import console


def balanced(probe) -> np.ndarray:
    """Mean of both error rates, by attribute."""
    e = probe.errors
    return (np.asarray(e.false_positive.rate) + np.asarray(e.false_negative.rate)) / 2


def short(what: str) -> str:
    """What was done to rows, without which model they were mapped to."""
    return what.partition(" to ")[0].partition(" of ")[0]


def report(outcome) -> None:
    collection = outcome.collection
    ways = list(dict.fromkeys(short(w) for each in outcome.probes.values() for w in each))
    for group in groups:
        mine = [i for i, g in enumerate(collection.groups) if g == group]
        if not mine:
            continue
        table = _table(
            f"{collection.name}: mean of both error rates, %, of {len(mine)} {group} "
            "attributes (blind: 50)",
            "model",
            *ways,
        )
        for model, each in outcome.probes.items():
            cells = {short(w): f"{100 * np.nanmean(balanced(p)[mine]):.1f}"
                     for w, p in each.items()}  # fmt: skip
            table.add_row(model, *(cells.get(w, "") for w in ways))
        console.print(table)
    first = next(iter(outcome.probes))
    table = _table(
        f"{collection.name}, {first}: features, %",
        "attribute",
        "group",
        "false negatives",
        "false positives",
        "after triplets",
        "",
        "rows +/-",
    )
    each = outcome.probes[first]
    for i, name in enumerate(collection.names):
        cells = []
        for way in ("features", "after triplets"):
            if way not in each:
                cells += ["", ""]
                continue
            e = each[way].errors
            cells += [_rate(e.false_negative, i), _rate(e.false_positive, i)]
        known = collection.labels[:, i]
        counts = f"{np.sum(known > 0)} / {np.sum(known < 0)}"
        table.add_row(name, collection.groups[i].removeprefix("identity-"), *cells, counts)
    console.print(table)
    if outcome.tar:
        table = _table("The projection at its own work: TAR at FAR 1e-2, test people",
                       "model", "features", "after triplets")  # fmt: skip
        for model, both in outcome.tar.items():
            table.add_row(model, *(f"{t:.3f}" for t in both))
        console.print(table)


def _table(title, *columns) -> Table:
    table = Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table


def _rate(interval, i) -> str:
    low, high = (100 * float(np.asarray(x)[i]) for x in (interval.lower, interval.upper))
    return f"{100 * float(np.asarray(interval.rate)[i]):.0f} [{low:.0f} {high:.0f}]"


def gather_rows(outcomes):
    for o in outcomes:
        series = [(m, w, p) for m, each in o.probes.items() for w, p in each.items()]
        series += [("reference", "", o.reference)] if o.reference is not None else []
        for model, what, probe in series:
            for i, name in enumerate(o.collection.names):
                row = {"collection": o.collection.name, "model": model, "rows": what,
                       "attribute": name, "group": o.collection.groups[i]}  # fmt: skip
                for kind in ("false_negative", "false_positive"):
                    interval = getattr(probe.errors, kind)
                    for part in ("rate", "lower", "upper"):
                        row[f"{kind}_{part}"] = float(
                            np.asarray(getattr(interval, part))[i]
                        )
                yield row


def sides(probe, part: str) -> tuple[np.ndarray, np.ndarray]:
    """False negatives and false positives: their rate, or an end of their interval."""
    e = probe.errors
    found = (getattr(kind, part) for kind in (e.false_negative, e.false_positive))
    left, right = map(np.asarray, found)
    return left, right


def draw(outcomes) -> dict:
    """Figure 2 of each collection, for its first model; and what a map keeps."""
    figures = {}
    for o in outcomes:
        model, each = next(iter(o.probes.items()))
        both = {w: each[w] for w in ("features", "after triplets") if w in each}
        if o.reference is not None:
            both["reference"] = o.reference
        mapped = {w: p for w, p in each.items() if w == "features" or "mapped" in w}
        tag = o.collection.name.lower().replace(" ", "_")
        for name, chosen in ((f"figure2_{tag}", both), (f"mapped_{tag}", mapped)):
            figures[name] = plot_attribute_errors(
                {w: sides(p, "rate") for w, p in chosen.items()},
                o.collection.names,
                o.collection.groups,
                intervals={
                    w: (np.stack(ends[0]), np.stack(ends[1]))
                    for w, p in chosen.items()
                    for ends in [[*zip(sides(p, "lower"), sides(p, "upper"), strict=True)]]
                },
                title=f"{o.collection.name}, {model}",
            )
    return figures
