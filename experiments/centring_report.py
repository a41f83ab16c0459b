"""Tables of `centring`, and what they do not show."""

import numpy as np
from rich.table import Table

from .canonical_faces_report import short, style
from .harness import console
from .tables import off_diagonal, own


overlap = (
    "LFW is left out, which may overlap the networks' training sets; for ORL and Yale-B no "
    "overlap is known, nor excluded by their makers."
)
names_of = {
    "plain": "plain",
    "both sides": "both sides centred",
    "source only": "source centred",
    "target only": "target centred",
    "mean restored": "mean restored",
    "random point": "random point",
}
"""The ways, in words."""


def report(arrays, lifts, against, names, ridges) -> None:
    levels(arrays)
    differences(lifts)
    by_model(arrays, against, names)
    chosen = {}
    for way in names_of:
        if f"ridge/{way}" in arrays:
            values, counts = np.unique(arrays[f"ridge/{way}"], return_counts=True)
            both = zip(values, counts, strict=True)
            chosen[way] = ", ".join(f"{v:g} ({c})" for v, c in both)
    told = "; ".join(f"{way} {text}" for way, text in chosen.items())
    console.print(f"Ridges a row (in how many halves), of {', '.join(map(str, ridges))}: "
                  f"{told}.\n")  # fmt: skip


def levels(arrays) -> None:
    """Mean TAR over ordered pairs, or over models, ± its deviation over halves."""
    kinds = "linear", "ridge", "rotation"
    table = Table(title="Mean TAR at FAR 0.01 on people the maps never saw", **style)
    table.add_column("spaces", no_wrap=True)
    for kind in (*kinds, "native"):
        table.add_column(kind, justify="right", no_wrap=True)
    mean = lambda cells, name: np.array([cells(t).mean() for t in arrays[name]])
    tell = lambda x: short(x.mean()) + (f" ± {short(x.std(ddof=1))}" if x.size > 1 else "")
    for way, name in names_of.items():
        cells = [tell(mean(off_diagonal, f"{way}/{kind}")) for kind in kinds]
        native = way in ("plain", "both sides", "random point")
        cells.append(tell(mean(own, f"{way}/linear")) if native else "")
        table.add_row(name, *cells)
    console.print(table)
    extra = "identity", "linear, random pairing", "rotation, random pairing"
    both = lambda kind: " and ".join(
        short(mean(off_diagonal, f"{way}/{kind}").mean()) for way in ("plain", "both sides")
    )
    told = "; ".join(f"{kind} {both(kind)}" for kind in extra)
    console.print(
        "± standard deviation over halves. Native: the same model, no map. Mean restored: "
        "fitted on centred rows, but scored about the origin. Random point: rows about a "
        f"point as far off as the mean, in a random direction.\nControls, plain and both "
        f"sides centred: {told}.\n"
    )


def differences(lifts) -> None:
    """Each way less plain, paired by half."""
    table = Table(title="Less plain spaces, on the same half", **style)
    for column in ("maps", "spaces"):
        table.add_column(column, no_wrap=True)
    for column in ("mean", "least", "most", "halves above 0"):
        table.add_column(column, justify="right")
    for kind, by_way in lifts.items():
        for i, (way, x) in enumerate(by_way.items()):
            ends = (f"{v:+.3f}" for v in (x.mean(), x.min(), x.max()))
            count = f"{(x > 0).sum()} of {x.size}"
            table.add_row(kind if i == 0 else "", names_of[way], *ends, count)
    console.print(table)
    console.print(
        "Halves overlap: any two share about half of the people fitted on, all share ORL, "
        "and together they are of 38 people verified. So they show how far a result hangs "
        "on the choice of people; 20 of 20 is not a test of 20 samples.\n"
    )


def by_model(arrays, against, names) -> None:
    """|mean| of each model, and what centring gives it as target and as source."""
    length = arrays["mean length"].mean(axis=0)
    title = "By model: |mean| of unit rows, and the lift by centring both sides"
    table = Table(title=title, **style)
    table.add_column("as target / source", no_wrap=True)
    table.add_column("|mean|", justify="right")
    for kind in against:
        table.add_column(kind, justify="right", no_wrap=True)
    for i in np.argsort(-length):
        cells = (f"{e['target'][i]:+.3f} / {e['source'][i]:+.3f}" for e in against.values())
        table.add_row(names[i], f"{length[i]:.2f}", *cells)
    cells = []
    for each in against.values():
        sides = (each["told"][side] for side in ("target", "source"))
        cells.append(" / ".join(f"{r:.2f} p {p:.2f}" for r, p in sides))
    table.add_row("Spearman", "", *cells)
    console.print(table)
    console.print(
        f"p: both sides, over all orders of {len(names)} models, which are few. Networks "
        "with other means, faces or rows can differ.\n"
    )
