"""Tutorials: scripts of prose and code, run cell by cell; what they print stands below."""

import contextlib
import io
import pathlib
import re
import tempfile

from matplotlib.figure import Figure


folder = pathlib.Path(__file__).parents[1] / "tutorials"
names = "maps", "verification", "invariance"


def paths() -> list[str]:
    """The pages, to be read in this order."""
    return [f"tutorials/{name}.md" for name in names]


def pages() -> dict[str, str | bytes]:
    """Each page's text, and the figures in it."""
    found = {}
    for name in names:
        text, figures = render(folder / f"{name}.py")
        found[f"tutorials/{name}.md"] = text
        found |= {f"tutorials/{file}": data for file, data in figures.items()}
    return found


def cells(script: str) -> list[tuple[bool, str]]:
    """Cells of a script in the percent format: whether it is code, and its text."""
    found = []
    for cell in re.split(r"^# %%", script, flags=re.MULTILINE)[1:]:
        kind, _, body = cell.partition("\n")
        is_code = "[markdown]" not in kind
        text = body if is_code else re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        found.append((is_code, text.strip("\n")))
    return found


def render(path: pathlib.Path) -> tuple[str, dict[str, bytes]]:
    """Run a tutorial in an empty folder: its page, and its figures by file name."""
    parts, figures, names = [], {}, {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty):
        for is_code, text in cells(path.read_text()):
            parts.append(f"```python\n{text}\n```" if is_code else text)
            if not is_code:
                continue
            printed, new = _run(text, path, names)
            if printed:
                parts.append(f"```text\n{printed.rstrip()}\n```")
            for figure in new:
                file = f"{path.stem}_{len(figures) + 1}.png"
                figures[file] = _png(figure)
                parts.append(f"![{figure.get_suptitle()}]({file})")
    parts.append(
        f"The script: [{path.name}]({path.name}); `python docs/tutorials/{path.name}`."
    )
    return "\n\n".join(parts), figures


def _run(code: str, path: pathlib.Path, names: dict) -> tuple[str, list[Figure]]:
    """Run a cell among `names`: what it prints, and the figures it has made."""
    before = {id(x) for x in names.values()}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, str(path), "exec"), names)
    new = [x for x in names.values() if isinstance(x, Figure) and id(x) not in before]
    return printed.getvalue(), new


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
