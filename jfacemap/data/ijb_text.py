"""Columns of numbers in text files of millions of lines: pyarrow, and errors with lines.

Arrow parses a well-formed file at hundreds of megabytes a second, but does not say which
line is wrong. So a file it refuses is read again line by line, which names the first
wrong line, or tidies what only differs in blanks (two spaces, one at the end of a line,
empty lines at the end of the file) and gives it to Arrow once more.
"""

import codecs
import gzip
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .arrays import InputError, new_file
from .protocol import as_id_array


block_bytes = 2**24
"""Text parsed in one go."""

rows_at_once = 2**20
"""Rows written in one go."""


class Layout(NamedTuple):
    """What the lines of a file hold.

    - `columns`: {name: kind}, in order; kinds are "id", "flag" (0 or 1), "float", "text"
    - `header`: of a file separated by commas, which may have further columns; None for
      one without header, separated by spaces
    """

    columns: dict[str, str]
    header: str | None = None

    @property
    def delimiter(self) -> str:
        """What stands between two columns."""
        return "," if self.header else " "


def read_table(path: Path, layout: Layout) -> dict[str, np.ndarray]:
    """The columns of a text file, or of its `.gz`; `InputError` names a wrong line."""
    arrow, _ = _pyarrow()
    try:
        try:
            with arrow.input_stream(str(path)) as file:
                return _parse(file, layout, _width(path, layout))
        except arrow.ArrowInvalid:
            text = io.BytesIO()
            for line in _tidy(path, layout):
                text.write(line + b"\n")
            source = arrow.BufferReader(text.getbuffer())
            return _parse(source, layout, len(layout.columns))
    except arrow.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read ({reason}): copy it again.") from error
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read ({error}): copy it again.") from error


def write_table(path: Path, layout: Layout, columns: Mapping[str, np.ndarray]) -> None:
    """Write columns as `read_table` reads them; the file appears whole or not at all."""
    arrow, csv = _pyarrow()
    options = csv.WriteOptions(
        include_header=False,
        delimiter=layout.delimiter,
        quoting_style="none",
        batch_size=2**14,
    )
    rows = len(next(iter(columns.values())))
    with new_file(path) as temporary, arrow.OSFile(str(temporary), "wb") as file:
        if layout.header:
            file.write(layout.header.encode() + b"\n")
        for start in range(0, rows, rows_at_once):
            part = slice(start, start + rows_at_once)
            arrays = {
                name: _plain(columns[name][part], kind)
                for name, kind in layout.columns.items()
            }
            csv.write_csv(arrow.table(arrays), file, options)


def find_table(path: Path) -> Path | None:
    """`path`, else `path` with `.gz`, else None: whichever is there."""
    packed = path.with_name(path.name + ".gz")
    return next((p for p in (path, packed) if p.is_file()), None)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.csv
    except ModuleNotFoundError as error:
        raise InputError(
            "Protocol files are read and written with pyarrow, which is not installed: "
            "pip install 'jfacemap[protocol]'"
        ) from error
    return pyarrow, pyarrow.csv


def _parse(file, layout: Layout, width: int) -> dict[str, np.ndarray]:
    """Batch by batch, each narrowed at once: the text is never whole in memory."""
    arrow, csv = _pyarrow()
    names = [*layout.columns, *(f"column {i}" for i in range(width - len(layout.columns)))]
    types = {
        "id": arrow.int64(),
        "flag": arrow.bool_(),
        "float": arrow.float32(),
        "text": arrow.string(),
    }
    reader = csv.open_csv(
        file,
        csv.ReadOptions(
            column_names=names,
            skip_rows=1 if layout.header else 0,
            block_size=block_bytes,
        ),
        csv.ParseOptions(
            delimiter=layout.delimiter,
            quote_char='"' if layout.header else False,
            ignore_empty_lines=False,
        ),
        csv.ConvertOptions(
            column_types={name: types[kind] for name, kind in layout.columns.items()},
            include_columns=list(layout.columns),
            null_values=[],
            true_values=["1"],
            false_values=["0"],
        ),
    )
    parts: dict[str, list[np.ndarray]] = {name: [] for name in layout.columns}
    for batch in reader:
        for name, kind in layout.columns.items():
            values = batch.column(name).to_numpy(zero_copy_only=False)
            parts[name].append(_narrow(values, kind))
    if not all(parts.values()):
        raise arrow.ArrowInvalid("no lines after the header")
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _narrow(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "id":
        return as_id_array(values)
    # A view would keep the whole block of text alive.
    return values.astype(str) if kind == "text" else values.copy()


def _plain(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "text":
        return values.astype(object)
    if kind == "flag":
        return values.astype(np.int8)
    return np.ascontiguousarray(values)


def _width(path: Path, layout: Layout) -> int:
    """Columns of a file: with a header as many as that has."""
    if layout.header is None:
        return len(layout.columns)
    with _open(path) as file:
        line = file.readline()
    tokens = _split(line.removeprefix(codecs.BOM_UTF8), layout)
    if all(map(_integer.fullmatch, tokens)):
        raise InputError(
            f"{path}, line 1 is no header such as '{layout.header}', but {_shown(line)}: "
            "add one."
        )
    return max(len(tokens), len(layout.columns))


def _open(path: Path):
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")


_integer = re.compile(rb"-?[0-9]+")


def _is_id(token: bytes) -> bool:
    return bool(_integer.fullmatch(token)) and -(2**63) <= int(token) < 2**63


def _is_float(token: bytes) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


_kinds = {
    "id": ("no integer of 64 bits", _is_id),
    "flag": ("neither 0 nor 1", lambda token: token in (b"0", b"1")),
    "float": ("no number", _is_float),
    "text": ("no text", bool),
}


def _tidy(path: Path, layout: Layout) -> Iterator[bytes]:
    """The lines of a file, each checked, with single delimiters and without extras."""
    blank, width, empty = 0, len(layout.columns), True
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            where = f"{path}, line {number}"
            if number == 1 and layout.header:
                yield layout.header.encode()
                continue
            tokens = _split(line, layout)
            if not any(tokens):
                blank = blank or number
                continue
            if blank:
                raise InputError(f"{path}, line {blank} is empty: remove it.")
            if len(tokens) != width and not (layout.header and len(tokens) > width):
                wanted = " ".join(layout.columns)
                raise InputError(
                    f"{where} has {len(tokens)} entries where {width} are wanted "
                    f"({wanted}): {_shown(line)}"
                )
            for (name, kind), token in zip(layout.columns.items(), tokens, strict=False):
                what, fits = _kinds[kind]
                if not fits(token):
                    raise InputError(f"{where}: {name} {_shown(token)} is {what}.")
            empty = False
            yield layout.delimiter.encode().join(tokens[:width])
    if empty:
        raise InputError(f"{path} has no lines: copy it again.")


def _split(line: bytes, layout: Layout) -> list[bytes]:
    if layout.header is None:
        return line.split()
    return [token.strip() for token in line.split(b",")]


def _shown(text: bytes) -> str:
    text = text.strip()
    return repr((text[:60] + b"..." if len(text) > 60 else text).decode(errors="replace"))
