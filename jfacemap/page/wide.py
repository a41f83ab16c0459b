"""Models too wide for canonical correlations of the rows judged."""

from ..study.report.whole import Report
from .count import listed


def wide_models(r: Report) -> list[str]:
    """Models whose rows, judged and centred, can span all they may: for want of rows.

    n rows about their mean span n - 1 dimensions at most, and a model of that width has a
    canonical correlation of 1 with any other.
    """
    rows = r.data.parts["judged"][0]
    return [name for name, m in r.data.models.items() if m.width >= rows - 1]


def starred(r: Report, index: str) -> str:
    """The index's name, marked if such models spoil it."""
    return f"{index} *" if "CCA" in index and wide_models(r) else index


def on_wide(r: Report) -> str:
    """What the mark means; nothing if there is none."""
    wide = wide_models(r)
    if not wide:
        return ""
    return (
        f" * {listed(wide)}: as wide as there are rows judged, or wider. There canonical "
        "correlations are 1 whatever the rows hold, and say nothing."
    )
