"""From a report's numbers to one HTML file that asks the network for nothing."""

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.extras import need
from ..study.report.whole import Report
from .count import images, people
from .figures import draw_all
from .latex import write_all
from .table import Cell, PageTable
from .tables import list_all, name_people
from .words import in_brief, on_leakage, split_calls, write_methods


folder = Path(__file__).parent
extra = "report"
libraries = "jfacemap", "jax", "jaxlib", "equinox", "numpy", "scipy", "plotly", "jinja2"


def check_extra() -> None:
    """Raise `MissingExtra` unless what a page is made with is installed."""
    need("jinja2", extra)
    need("plotly.offline", extra)


def render(
    report: Report,
    *,
    title: str,
    card: str | None,
    overlap: str | None,
    run: Mapping[str, str],
) -> str:
    """The page. `run` says what made it, such as its command; `card` is plain text."""
    jinja2 = need("jinja2", extra)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"exact": exact, "people": people, "images": images}
    library = need("plotly.offline", extra).get_plotlyjs()
    return environment.get_template("page.html").render(
        title=title,
        report=report,
        figures={f.name: f for f in draw_all(report)},
        drawings={f.name: _json([f.data, f.layout]) for f in draw_all(report)},
        tables={t.name: t for t in list_all(report)},
        texts={t.name: read_cells(t) for t in list_all(report)},
        latex=list(write_all(report)),
        brief=in_brief(report),
        leakage=on_leakage(report, overlap),
        methods=write_methods(report),
        left_out=_left_out(report),
        parts=name_people(report),
        calls=split_calls(report, len(report.data.parts) > 3),
        card=card,
        versions=_versions(),
        run=run,
        # Ours or plotly's: no tag ends within.
        plotly=library.replace("</script", r"<\/script"),
        script=(folder / "page.js").read_text(),
        style=(folder / "page.css").read_text(),
    )


def read_cells(table: PageTable) -> list[list[str]]:
    """The cells of a table as they are read: the numbers of a column alike."""
    columns = [show(column) for column in zip(*table.rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def show(column: Sequence[Cell]) -> list[str]:
    """A column as it is read: three decimals, or two digits where all is less than 0.01."""
    known = [abs(cell) for cell in column if isinstance(cell, float)]
    plain = all(x in _rates for x in known)
    form = ".2g" if plain or 0 < max(known, default=1) < 1e-2 else ",.3f"
    return [_one(cell, form) for cell in column]


def _one(cell: Cell, form: str) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    # No minus before a number that reads as zero.
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:z{form}}"


def exact(cell) -> str:
    """A cell as it is sorted: all digits of a number."""
    return "" if cell is None else cell if isinstance(cell, str) else repr(cell)


def _left_out(report: Report) -> bool:
    people = {name: n for name, (_, n) in report.data.parts.items()}
    return people["fitted on"] + people["judged"] < people["all"]


_rates = {10.0**-k for k in range(1, 7)}
"""Round numbers, such as FARs are."""


def _json(value) -> str:
    """JSON that can stand within a script element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in libraries}
    return found | {"Python": platform.python_version(), "system": platform.platform()}
