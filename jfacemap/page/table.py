"""A table of a report: rows of words and numbers."""

import dataclasses

import numpy as np

from ..study.report.whole import Report


Cell = str | float | int | None


@dataclasses.dataclass(frozen=True)
class PageTable:
    """A table: `header`, and rows of its cells; None where a number is not known.

    `words` columns come first and are read, not computed with.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: list[list[Cell]]
    words: int = 1


def by_far(r: Report) -> list[tuple[int, float]]:
    """Places of the FARs in the report's tables, and FARs, the least first."""
    return sorted(enumerate(r.settings.fars), key=lambda item: item[1])


def known(value) -> float | None:
    """A number, None for NaN."""
    return None if np.isnan(value) else float(value)
