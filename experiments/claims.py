"""The ledger of claims: every published sentence, table and number, and whether it holds.

Reads runs of the experiments, recomputes what published tables alone decide, and writes a
line a claim: what a paper says, the function that tests it, on which data, our value with
its interval, and the verdict. A claim whose test finds no such array, or whose function
is gone, is an error.

Run the experiments first; `--runs` takes the folder their run folders are in.
"""

import dataclasses
import pathlib
from collections import Counter
from typing import Annotated, Any

import numpy as np
import rich.box
import tyro
from rich.table import Table

from .harness import console, launch, Results
from .ledger import ledger
from .ledger.entry import Claim, read_runs, Run


verdicts = "holds", "fails", "untestable here", "no run"


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    runs: tuple[pathlib.Path, ...] = (pathlib.Path("runs"),)
    """Folders of runs, looked through whole; of each experiment the last run counts."""
    whole: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Fail if a run is missing that a claim needs."""
    page: pathlib.Path | None = None
    """Write the ledger as a markdown page, too."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/claims-<date>."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A claim, and what was found."""

    claim: Claim
    verdict: str
    value: str = ""
    interval: str = ""
    data: str = ""


def judge(claim: Claim, runs: dict[str, Run]) -> Line:
    """Test one claim. `KeyError` if its run lacks what the test reads.

    A simulation shows that the test runs, and decides nothing.
    """
    if claim.test is None:
        return Line(claim, "untestable here", claim.why)
    if claim.experiment is None:
        outcome = claim.test()
        data = outcome.data
    elif claim.experiment not in runs:
        return Line(claim, "no run", f"python -m experiments.{claim.experiment}")
    else:
        run = runs[claim.experiment]
        outcome, data = claim.test(run), run.data
        if run.is_simulated:
            return Line(claim, "untestable here", outcome.value, outcome.interval, data)
    verdict = {True: "holds", False: "fails", None: "untestable here"}[outcome.holds]
    return Line(claim, verdict, outcome.value, outcome.interval, data)


def run(config: Config) -> Results:
    runs = read_runs(config.runs)
    lines, lost = [], []
    for claim in ledger:
        try:
            lines.append(judge(claim, runs))
        except KeyError as error:
            lost.append(f"{claim.name}: {claim.experiment} has no array {error}")
    missing = sorted({x.claim.experiment or "" for x in lines if x.verdict == "no run"})
    if config.whole and missing:
        lost.append(f"no run of {', '.join(missing)} in {', '.join(map(str, config.runs))}")
    if lost:
        for fault in lost:
            console.print(f"[red]{fault}", soft_wrap=True)
        raise SystemExit(2)
    report(lines)
    if config.page is not None:
        config.page.write_text(page(lines))
        console.print(f"wrote {config.page}")
    rows = [row(line) for line in lines]
    count = Counter(line.verdict for line in lines)
    arrays = {name: np.array(count[name]) for name in verdicts}
    arrays["names"] = np.array([line.claim.name for line in lines])
    data = {"source": "runs of the experiments", "claims": rows}
    return Results(arrays, rows, {}, data, config)


def row(line: Line) -> dict[str, Any]:
    claim = line.claim
    return {
        "name": claim.name,
        "source": claim.source,
        "says": claim.says,
        "published": claim.published,
        "verdict": line.verdict,
        "value": line.value,
        "interval": line.interval,
        "data": line.data,
        "test": claim.function,
    }


def report(lines: list[Line]) -> None:
    table = Table(title=f"{len(lines)} claims", title_justify="left",
                  box=rich.box.SIMPLE_HEAD)  # fmt: skip
    for name in ("claim", "published", "here", "verdict"):
        table.add_column(name)
    for line in lines:
        here = f"{line.value} ({line.interval})" if line.interval else line.value
        claim = f"[bold]{line.claim.source}[/bold]\n{line.claim.says}"
        table.add_row(claim, line.claim.published, here, line.verdict)
    console.print(table)
    count = Counter(line.verdict for line in lines)
    console.print(", ".join(f"{count[v]} {v}" for v in verdicts if count[v]) + ".")
    for kind, told in by_kind(lines).items():
        console.print(f"- resting on {kind}: {told}", soft_wrap=True)
    for name in sorted({line.data for line in lines if line.data}):
        console.print(f"- {name}")


def page(lines: list[Line]) -> str:
    """The ledger in markdown."""
    count = Counter(line.verdict for line in lines)
    summary = ", ".join(f"{count[v]} {v}" for v in verdicts if count[v])
    clean = lambda text: text.replace("|", "\\|").replace("\n", " ")
    out = [
        "# Ledger of claims",
        "",
        "Written by `python -m experiments.claims --page docs/verdicts.md`: what the "
        "papers say, in our words, and what was found here. A verdict is about the data "
        "named, not about the paper's own.",
        "",
        f"{len(lines)} claims: {summary}.",
        "",
        *(f"- {kind}: {told}" for kind, told in by_kind(lines).items()),
        "",
        "| source | claim | published | here | interval | verdict | data | test |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        r = row(line)
        cells = ("source", "says", "published", "value", "interval", "verdict", "data")
        test = f"`{r['test'].removeprefix('experiments.ledger.')}`" if r["test"] else ""
        out.append(f"| {' | '.join(clean(r[c]) for c in cells)} | {test} |")
    return "\n".join([*out, ""])


def by_kind(lines: list[Line]) -> dict[str, str]:
    """What verdicts rest on, and how many of each there are."""
    kinds = list(dict.fromkeys(line.claim.kind for line in lines))
    count = Counter((line.claim.kind, line.verdict) for line in lines)
    return {
        kind: ", ".join(f"{count[kind, v]} {v}" for v in verdicts if count[kind, v])
        for kind in kinds
    }


if __name__ == "__main__":
    launch("claims", Config, run, __doc__)
