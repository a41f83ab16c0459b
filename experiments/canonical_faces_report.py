"""Tables and figures of `canonical_faces`: its results in words."""

import itertools
from typing import Any

import numpy as np
import rich.box
from rich.table import Table

from jfacemap.plot.grid import plot_tar_grid

from .harness import console


style: dict[str, Any] = {"title_justify": "left", "box": rich.box.SIMPLE_HEAD}
published = {"native": ".9652", "identity": "= FAR", "linear": ".95", "rotation": ".91"}
"""Paper 000, means on IJB-C at FAR 1e-2: native from Table 2, maps from the abstract."""


def short(rate: float) -> str:
    return f"{rate:.3f}".replace("0.", ".", 1)


def mean_of(tar, diagonal: bool = False) -> Any:
    """Mean over the diagonal, or off it, of `(..., source, target, far)`."""
    tar = np.asarray(tar)
    n = tar.shape[-2]
    return tar[..., np.eye(n, dtype=bool) == diagonal, :].mean(axis=-2)


def report(results, kinds, names, fars, order) -> None:
    """TAR tables, best native model first: in each cell of the plain and centred spaces."""
    for kind, (k, far) in itertools.product(kinds, enumerate(fars)):
        plain, centred = results[kind], results[f"{kind}, centred"]
        title = f"{kind}: TAR at FAR {far:g}, plain and centred"
        if plain.band is not None:
            width = plain.band.upper[:, :, k] - plain.band.lower[:, :, k]
            title += f", ± {np.nanmedian(width) / 2:.3f}"
        table = Table(title=title, **style)
        table.add_column("source \\ target", no_wrap=True)
        for j in order:
            table.add_column(names[j], justify="right", overflow="fold", width=11)
        for i in order:
            cells = []
            for j in order:
                pair = (short(verdict.tar.tar[i, j, k]) for verdict in (plain, centred))
                cells.append(" ".join(pair) if i != j else f"[bold]{' '.join(pair)}[/bold]")
            table.add_row(names[i], *cells)
        console.print(table)
    wilson, spread = results["linear"].wilson, results["linear"].spread
    half = lambda interval: np.nanmedian(interval.upper - interval.lower) / 2
    console.print(
        "Rows source, columns target, [bold]diagonal[/bold] native. In each cell: rows "
        "as they are, then about the mean of the fit rows. ±: median half-width of the "
        "95 % band that holds for all plain cells of a kind at once. With "
        f"{spread.n_identities} people a single cell's dependence-adjusted Wilson interval "
        f"(linear maps, threshold as given) reaches ± {half(wilson):.3f} in the median, "
        f"the bootstrap's ± {half(spread):.3f}.\n"
    )


def summarise(results, halves, fars, config) -> None:
    """Mean TAR per kind with its interval; less native TAR; over refits; as published."""
    table = Table(title="Mean TAR on people the maps never saw", **style)
    table.add_column("map", no_wrap=True)
    for far in fars:
        table.add_column(f"FAR {far:g}", no_wrap=True)
    table.add_column("published")
    for name, value, draws in mean_rows(results):
        cells = with_ends(value, draws)
        table.add_row(name, *cells, published.get(name, ""))
    console.print(table)
    less = Table(
        title="Mapped less native of the same spaces, and the spread over refits", **style
    )
    less.add_column("map", no_wrap=True)
    for far in fars:
        less.add_column(f"FAR {far:g}", no_wrap=True)
    less.add_column("refits, FAR 0.01", no_wrap=True)
    known = {name: (value, draws) for name, value, draws in mean_rows(results)}
    for name, (value, draws) in known.items():
        refits = halves.get(name)
        spread = ""
        if refits is not None:
            spread = f"{short(refits.mean())} ± {short(refits.std(ddof=1))}"
        native = "native, centred" if name.endswith("centred") else "native"
        cells = [""] * len(fars)
        if name != native and draws is not None:
            base, base_draws = known[native]
            cells = with_ends(value - base, draws - base_draws)
        if spread or any(cells):
            less.add_row(name, *cells, spread)
    console.print(less)
    console.print(
        "Maps: mean over ordered pairs of models; native: over the models.\n"
        f"\\[95 % interval]: {config.replicates} bootstrap draws of the people verified, "
        "maps as given; differences within each draw.\n"
        f"Refits: mean TAR ± sd over {config.halves} random halves of the people.\n"
        "Controls: random pairing (rows shuffled), self-map (each model mapped to itself), "
        "identity (no map).\n"
        "Published: paper 000 at FAR 0.01, ten other models, IJB-C images: not the same "
        "data.\n"
    )


def with_ends(values, draws) -> list[str]:
    """Each value with the 95 % percentile interval of its draws `(draw, far)`, if any."""
    if draws is None:
        return [short(v) for v in values]
    ends = np.nanquantile(draws, [0.025, 0.975], axis=0).T
    both = zip(values, ends, strict=True)
    return [f"{short(v)} \\[{short(a)} {short(b)}]" for v, (a, b) in both]


def mean_rows(results):
    """Name, mean TAR `(far,)` and its draws `(draw, far)`, of each row of the summary."""
    native = {"native": "linear", "native, centred": "linear, centred"}
    for name in (*native, *results):
        verdict = results[native.get(name, name)]
        diagonal = name in native or name == "self-map"
        draws = verdict.spread and mean_of(verdict.spread.replicates, diagonal)
        yield name, mean_of(verdict.tar.tar, diagonal), draws


def teach(faces, rank, used, results, halves) -> None:
    """One line each on what the faceres row and the centring show."""
    row = faces.names.index("faceres")
    others = np.arange(len(faces.names)) != row
    linear, rotation = (
        results[k].tar.tar[row, others, 1].mean() for k in ("linear", "rotation")
    )
    at = lambda kind, diagonal=False: mean_of(results[kind].tar.tar, diagonal)[1]
    console.print(
        f"[bold]faceres.[/bold] {used.sum()} rows, rank {rank}, for {faces.dims[row]} "
        "dimensions. Where dimensions are as many as rows, least squares fits the rows "
        "exactly, noise and all; a rotation has fewer freedoms. Mean TAR of its row: "
        f"linear {linear:.3f}, rotation {rotation:.3f}."
    )
    change = lambda a, b: f"{'up' if b > a else 'down'} from {a:.3f} to {b:.3f}"
    both = lambda kind, *diagonal: change(
        at(kind, *diagonal), at(f"{kind}, centred", *diagonal)
    )
    ahead = halves["rotation, centred"] > halves["rotation"]
    console.print(
        "[bold]Centring.[/bold] A turn about the origin cannot move a mean. Subtracting "
        "each model's mean over the fit rows, on both sides: rotations "
        f"{both('rotation')} (up in {ahead.sum()} of {ahead.size} refits), linear maps "
        f"{both('linear')}, native TAR, which has no map, {both('linear', True)}."
    )


def draw(results, names, fars, order, images: int) -> dict:
    """The grids of Figures 2 and 4, the latter with affine and centred maps beside."""
    names = [names[i] for i in order]
    grids = {kind: v.tar.tar[np.ix_(order, order)] for kind, v in results.items()}
    title = f"{images} held-out Extended Yale-B images; bold diagonal: native"
    pick = lambda *kinds: {kind: grids[kind] for kind in kinds}
    shown = {
        "figure2": pick("linear", "rotation"),
        "figure4": pick("linear", "affine", "rotation", "rotation, centred", "identity"),
    }
    return {k: plot_tar_grid(v, names, fars, title=title) for k, v in shown.items()}
