"""Which pairs of rows are compared: all that labels make, or those of a list."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..core.linalg import matmul
from ..data.arrays import InputError, read_array, split_spec
from .console import progress
from .files import array_ends, check_file


block_rows = 1024
"""Rows scored in one product."""

listed_pairs = 2**16
"""Listed pairs scored in one go."""


bytes_per_pair, bytes_with_intervals = 90, 200
"""Peak memory for each pair, as measured."""


def memory_of(pairs: int, intervals: bool) -> int:
    """Bytes that judging so many pairs takes at its peak."""
    return pairs * (bytes_with_intervals if intervals else bytes_per_pair)


class Scored(NamedTuple):
    """Inner products of pairs (P,), and whether each pair is one identity (P,)."""

    scores: np.ndarray
    genuine: np.ndarray


def score_all(a: np.ndarray, b: np.ndarray | None, labels: np.ndarray) -> Scored:
    """All pairs of rows: unordered within `a`, or all (i of a, j of b) with i != j."""
    scores = np.empty(count_all(len(a), b is not None), a.dtype)
    genuine = np.empty(len(scores), bool)
    columns, targets = np.arange(len(a)), jnp.asarray(a if b is None else b).T
    done = 0
    for start in progress(range(0, len(a), block_rows), "scoring"):
        rows = columns[start : start + block_rows, None]
        keep = columns > rows if b is None else columns != rows
        block = matmul(jnp.asarray(a[start : start + block_rows]), targets)
        part = slice(done, done + np.count_nonzero(keep))
        scores[part] = np.asarray(block)[keep]
        genuine[part] = (labels[rows] == labels)[keep]
        done = part.stop
    return Scored(scores, genuine)


def count_all(n: int, two_models: bool) -> int:
    """How many pairs `score_all` makes of `n` rows."""
    return n * (n - 1) // (1 if two_models else 2)


def ends_of_all(n: int, two_models: bool) -> tuple[np.ndarray, np.ndarray]:
    """The rows that the pairs of `score_all` join, in its order."""
    left, right = (
        np.nonzero(~np.eye(n, dtype=bool)) if two_models else np.triu_indices(n, 1)
    )
    return left, right


def score_listed(a: np.ndarray, b: np.ndarray, pairs: np.ndarray) -> Scored:
    """The pairs (row of a, row of b, genuine) of a list (P, 3)."""
    scores = np.empty(len(pairs), a.dtype)
    for start in progress(range(0, len(pairs), listed_pairs), "scoring"):
        part = slice(start, start + listed_pairs)
        np.einsum("ij,ij->i", a[pairs[part, 0]], b[pairs[part, 1]], out=scores[part])
    return Scored(scores, pairs[:, 2] == 1)


def read_pairs(spec: str, rows_a: int, rows_b: int) -> np.ndarray:
    """A list of pairs (P, 3) from a .csv (header or not) or an array file, checked."""
    is_csv = spec.lower().endswith(".csv")
    check_file(Path(spec) if is_csv else split_spec(spec)[0], (".csv", *array_ends))
    pairs = _read_csv(Path(spec)) if is_csv else read_array(spec)
    if pairs.dtype.kind not in "iub" or pairs.ndim != 2 or pairs.shape[1] != 3:
        raise InputError(
            f"{spec} has shape {pairs.shape} of {pairs.dtype}; pairs are whole numbers "
            "(P, 3): row_a, row_b, genuine."
        )
    if not len(pairs):
        raise InputError(f"{spec} lists no pairs.")
    limits = {"row_a": rows_a, "row_b": rows_b, "genuine": 2}
    for (name, limit), column in zip(limits.items(), pairs.T, strict=True):
        wrong = np.flatnonzero((column < 0) | (column >= limit))
        if len(wrong):
            i = int(wrong[0])
            place = f"line {_line_number(Path(spec), i)}" if is_csv else f"row {i}"
            raise InputError(
                f"{spec}: {name} is {column[i]} in {place}; it is outside "
                f"0..{limit - 1} in {len(wrong):,} of {len(pairs):,} pairs."
            )
    return pairs


def _read_csv(path: Path) -> np.ndarray:
    try:
        first, _ = next(_lines(path), (0, ""))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8: {error.reason}.") from error
    if not first:
        raise InputError(f"{path} lists no pairs.")
    read = {"delimiter": ",", "comments": None, "skiprows": first - 1, "ndmin": 2}
    try:
        return np.loadtxt(path, np.int64, **read)
    except (ValueError, OverflowError) as error:
        number, text = next((x for x in _lines(path) if not _is_pair(x[1])), (0, ""))
        where = f"{path}, line {number}: {text!r}" if number else f"{path}: some line"
        raise InputError(
            f"{where} is not 'row_a,row_b,genuine', three whole numbers and commas."
        ) from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, without a header: a first line of three names."""
    with path.open() as file:
        lines = ((n, text.strip()) for n, text in enumerate(file, 1))
        filled = (line for line in lines if line[1])
        for number, text in itertools.islice(filled, 1):
            if not _is_header(text):
                yield number, text
        yield from filled


def _line_number(path: Path, i: int) -> int:
    number, _ = next(itertools.islice(_lines(path), i, None))
    return number


def _is_header(text: str) -> bool:
    fields = text.split(",")
    return len(fields) == 3 and all(f.strip(" #\"'")[:1].isalpha() for f in fields)


def _is_pair(text: str) -> bool:
    fields = text.split(",")
    return len(fields) == 3 and all(map(_is_number, fields))


def _is_number(field: str) -> bool:
    digits = field.strip()
    digits = digits[1:] if digits[:1] in ("+", "-") else digits
    return digits.isascii() and digits.isdecimal() and len(digits) < 19
