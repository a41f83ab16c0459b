"""Tables to paste into a paper (booktabs)."""

from collections.abc import Iterator

import numpy as np

from ..study.report.settings import centrings, kinds
from ..study.report.whole import Report
from .count import people


_special = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\to$",
}


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_special.get(c, c) for c in text)


def write_summary(r: Report) -> str:
    """Mean TAR of all kinds of maps at the leading FAR."""
    rows = []
    for name, m in r.ranking:
        kind, centring = name.split(", ")
        value = f"{rate(m.value[0])} [{rate(m.lower[0])}, {rate(m.upper[0])}]"
        less = ""
        if not np.isnan(m.less[0]) and kind != "native":
            ends = f"{rate(m.less_lower[0])}, {rate(m.less_upper[0])}"
            less = f"{rate(m.less[0])} [{ends}]"
        rows.append([kind, centring, value, less])
    far = r.settings.fars[0]
    caption = (
        f"Mean TAR at FAR {far:g} over ordered pairs of {len(r.names)} models, with 95 % "
        f"intervals over {people(r.data.parts['judged'][1])} the maps were not fitted on. "
        "Less native: of the same spaces."
    )
    return _table("llrr", ["map", "spaces", "TAR", "less native"], rows, caption)


def write_maps(r: Report, kind: str, centring: str) -> str:
    """TAR of every source in every target's space at the leading FAR."""
    table = r.maps[f"{kind}, {centring}"]
    tar, n = np.asarray(table.tar.tar)[..., 0], len(r.names)
    number = lambda i, j: rate(float(tar[i, j]))
    cell = lambda i, j: rf"\textbf{{{number(i, j)}}}" if i == j else number(i, j)
    rows = [[escape(r.names[i]), *(cell(i, j) for j in r.order)] for i in r.order]
    band = table.band
    assert band is not None
    half = np.nanmedian(band.upper[..., 0] - band.lower[..., 0]) / 2
    caption = (
        f"TAR at FAR {r.settings.fars[0]:g} of {kind} maps, spaces {centring}. Rows are "
        "sources, columns targets, the diagonal native. Median half-width of the 95 % band "
        f"over all cells: {half:.3f}."
    )
    header = ["", *(escape(r.names[j]) for j in r.order)]
    return _table("l" + "r" * n, header, rows, caption)


def write_all(r: Report) -> Iterator[tuple[str, str]]:
    """Titles and tables."""
    yield "Summary", write_summary(r)
    for kind in kinds:
        for centring in centrings:
            yield f"{kind}, spaces {centring}", write_maps(r, kind, centring)


def rate(value: float) -> str:
    """Three decimals, without the zero before them; a dash for NaN."""
    if np.isnan(value):
        return "--"
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def _table(columns: str, header: list[str], rows: list[list[str]], caption: str) -> str:
    line = lambda cells: " & ".join(cells) + r" \\"
    body = "\n".join(map(line, rows))
    caption = escape(caption)
    return (
        "\\begin{table}\n\\centering\n\\caption{" + caption + "}\n"
        "\\begin{tabular}{" + columns + "}\n\\toprule\n" + line(header) + "\n\\midrule\n"
        f"{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )
