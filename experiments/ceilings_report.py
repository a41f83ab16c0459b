"""Tables of `ceilings`: what changed images keep, and which change a map is like."""

from collections.abc import Mapping

import numpy as np
from rich.table import Table

from .canonical_faces_report import short, style
from .harness import console


beyond = "beyond all"


def like(share: float, scale: Mapping[str, float]) -> str:
    """The mildest change of images that leaves as little as `share`, or less."""
    enough = {change: kept for change, kept in scale.items() if kept <= share}
    return max(enough, key=lambda change: enough[change]) if enough else beyond


def reach(shares: np.ndarray, ceiling: float) -> int:
    """Of how many pairs of models maps keep at least `ceiling`."""
    return int(np.sum(shares >= ceiling))


def report(within, between, names, kinds, replicates: int) -> None:
    kinds = list(kinds)
    for space in within:
        changed(within[space], space, kinds)
    console.print(
        f"Share of the native TAR of images as they are, \\[95 %] by {replicates:,} draws "
        "of the people verified, maps as given. Native, changed: changed images with one "
        "another, no map. No change: what maps of so few rows lose by themselves.\n"
    )
    for space in within:
        reached(within[space], between[space], space, kinds)
    for space in within:
        pairs(within[space], between[space], space, names, kinds)


def changed(found, space: str, kinds) -> None:
    """Of each change: native TAR of the changed images, and shares through maps."""
    first = next(iter(next(iter(found.values())).values()))
    native, (low, high) = first.tar[0, 0], first.spread[:, 0, 0]
    title = (
        f"{space} spaces, one network: share of its native TAR at FAR 0.01 "
        f"({short(native)} [{short(low)} {short(high)}]) kept from changed images"
    )
    table = Table(title=title.replace("[", "\\["), **style)
    table.add_column("images", no_wrap=True)
    for column in ("native, changed", *kinds):
        table.add_column(column, justify="right")
    for change, by_kind in found.items():
        cells = [short(by_kind[kinds[0]].tar[1, 1])]
        for kind in kinds:
            k = by_kind[kind]
            low, high = k.ends[:, 1, 0]
            cells.append(f"{short(k.share[1, 0])} \\[{short(low)} {short(high)}]")
        table.add_row(change, *cells)
    console.print(table)


def reached(found, others, space: str, kinds) -> None:
    """Between models: shares, and how many pairs reach each change's self-map."""
    off = ~np.eye(len(others[kinds[0]].share), dtype=bool)
    title = f"{space} spaces, between models: shares of {off.sum()} ordered pairs"
    table = Table(title=title, **style)
    table.add_column("", no_wrap=True)
    for kind in kinds:
        table.add_column(kind, justify="right")
    shares = {kind: others[kind].share[off] for kind in kinds}
    for name, of in (("median", np.median), ("least", np.min), ("most", np.max)):
        table.add_row(name, *(short(of(share)) for share in shares.values()))
    for change, by_kind in found.items():
        ceilings = {kind: by_kind[kind].share[1, 0] for kind in kinds}
        counts = (str(reach(shares[kind], ceilings[kind])) for kind in kinds)
        table.add_row(f"pairs that keep as much as {change}", *counts)
    console.print(table)
    console.print(
        "As much of the target's TAR as a map of the same kind keeps from images so "
        "changed, within one network.\n"
    )


def pairs(found, others, space: str, names, kinds) -> None:
    """Share of each pair by the best kind of map, and the change that costs as much."""
    off = ~np.eye(len(names), dtype=bool)
    best = max(kinds, key=lambda kind: np.median(others[kind].share[off]))
    scale = {change: k[kinds[0]].share[1, 0] for change, k in found.items()}
    title = f"{space} spaces, {best}: share kept, and the mildest change that costs as much"
    table = Table(title=title, **style)
    table.add_column("source \\ target", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", overflow="fold", width=10)
    for i, name in enumerate(names):
        share = others[best].share[i]
        cells = [f"{short(v)}\n{like(v, scale)}" for v in share]
        cells[i] = ""
        table.add_row(name, *cells)
    console.print(table)
    console.print(
        "Changes without a map, within the one network. It is a scale, not a bound: other "
        "networks lose more or less by the same change.\n"
    )
