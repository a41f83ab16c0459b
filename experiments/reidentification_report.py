"""Tables of `reidentification`: its results in words."""

import numpy as np
from rich.table import Table

from .canonical_faces_report import mean_of as off, short, style
from .harness import console


def with_spread(values: np.ndarray) -> list[str]:
    """Mean over deals `(deal, metric)`, ± their standard deviation."""
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else [None] * values.shape[1]
    both = zip(values.mean(axis=0), spread, strict=True)
    return [short(m) + ("" if s is None else f" ± {short(s)}") for m, s in both]


def report(found, sizes, plan, guess, config, kinds, metrics, wrong_shares) -> None:
    """Rank-1 and TPIR against pairs; then all metrics with the baselines."""
    for at in (0, 3):
        table = Table(
            title=f"{metrics[at]} against leaked pairs, mean over targets and attackers",
            **style,
        )
        table.add_column("pairs", justify="right")
        for kind in kinds:
            table.add_column(kind, justify="right", no_wrap=True)
        for k, size in enumerate(sizes):
            cells = (with_spread(off(found[f"pairs/{kind}"][:, k]))[at] for kind in kinds)
            table.add_row(str(size), *cells)
        console.print(table)

    table = Table(
        title=f"At {sizes[-1]} leaked pairs, and what to hold it against", **style
    )
    table.add_column("attack", no_wrap=True)
    for metric in metrics:
        table.add_column(metric, no_wrap=True)
    rows = {kind: off(found[f"pairs/{kind}"][:, -1]) for kind in kinds}
    rows |= {f"{k}, rows as they are": off(found[f"as they are/{k}"]) for k in kinds}
    rows["rotation, all other models fused"] = found["fused"].mean(axis=1)
    for share in wrong_shares:
        rows[f"rotation, {share:.0%} of pairs wrong"] = off(found[f"wrong pairs/{share:g}"])
    for kind in kinds:
        rows[f"control: {kind}, pairs at random"] = off(found[f"random pairing/{kind}"])
    rows["control: identity map"] = off(found["identity map"])
    rows["ceiling: attacker owns the target"] = off(
        found["pairs/ridge"][:, -1], diagonal=True
    )
    for name, values in rows.items():
        table.add_row(name, *with_spread(values))
    table.add_row("chance", short(plan.chance(1)), short(plan.chance(5)), "", "")
    table.add_row("chance, knowing the data set", short(guess), "", "", "")
    console.print(table)
    console.print(
        "Rank-1 of 95 % of targets, attackers and deals: "
        + ", ".join(f"{kind} {ends(found[f'pairs/{kind}'][:, -1])}" for kind in kinds)
        + "."
    )
    console.print(
        f"Mean over targets and attackers' models, ± sd over {config.splits} deals of the "
        "people. Spaces are taken about the mean of the leaked rows unless it says as they "
        f"are; ridge: the best for leaked people left out. Chance: rank / "
        f"{plan.gallery_size} people in the gallery.\n"
    )


def ends(cells) -> str:
    """Rank-1 of 95 % of `(deal, target, attacker, metric)`, where these are two models."""
    each = cells[:, ~np.eye(cells.shape[1], dtype=bool), 0]
    return " to ".join(short(q) for q in np.quantile(each, [0.025, 0.975]))


def report_people(values, people_grid, images_grid, metrics) -> None:
    """Rank-1 and TPIR by how many people leak, and how many images of each."""
    for at in (0, 3):
        title = f"{metrics[at]} by leaked people and images of each, ridge"
        table = Table(title=title, **style)
        table.add_column("people", justify="right")
        for images in images_grid:
            table.add_column(f"{images} images each", justify="right")
        for i, people in enumerate(people_grid):
            cells = (
                f"{with_spread(off(values[:, i, j]))[at]} ({people * k} pairs)"
                for j, k in enumerate(images_grid)
            )
            table.add_row(str(people), *cells)
        console.print(table)
