"""The page of claims: what the papers say, and the function here that tests it."""

from experiments.ledger import ledger
from experiments.ledger.entry import Claim


opening = """\
# What the papers say, and the test of it

Written from `experiments/ledger`, where the functions are. `python -m experiments.claims`
reads runs of the experiments and says which of these hold, on which data, and with what
value: [of full runs](verdicts.md).
"""


def page() -> str:
    """A table a paper."""
    parts = [opening]
    for paper in dict.fromkeys(map(_paper, ledger)):
        rows = "\n".join(_row(claim) for claim in ledger if _paper(claim) == paper)
        parts.append(
            f"## {paper.capitalize()}\n\n| where | what it says | published | experiment "
            f"| tested by |\n|---|---|---|---|---|\n{rows}"
        )
    return "\n\n".join(parts)


def _paper(claim: Claim) -> str:
    return claim.source.split(",")[0]


def _row(claim: Claim) -> str:
    where = claim.source.partition(", ")[2]
    test = claim.function.removeprefix("experiments.ledger.").replace(":", ".")
    how = f"`{test}`" if test else f"untestable here: {claim.why}"
    experiment = f"`{claim.experiment}`" if claim.experiment else "published tables"
    cells = where, claim.says, claim.published, experiment if test else "", how
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
