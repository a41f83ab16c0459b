"""Results written down: everything as JSON, the table as CSV."""

import csv
import json
import math
from pathlib import Path

from ..data.arrays import new_file


def write_results(json_path: Path | None, csv_path: Path | None, found: dict) -> None:
    """`found` to the files that were asked for; its "table" is a list of rows."""
    if json_path is not None:
        _write_json(json_path, found)
    if csv_path is not None:
        _write_csv(csv_path, found["table"])


def _write_json(path: Path, found: dict) -> None:
    """Everything found; NaN and infinity, which JSON does not know, as null."""
    with new_file(path) as temporary:
        temporary.write_text(json.dumps(_plain(found), indent=2) + "\n")


def _write_csv(path: Path, rows: list[dict]) -> None:
    with new_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _plain(value):
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
