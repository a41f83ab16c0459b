"""Which images of a lattice make which curve: the published `df_param_step.csv`.

A row of an identity's array is one image of it. A curve is three consecutive steps of
one attribute with all else fixed (Leroy et al., ICML 2025, paper 003).
"""

import csv
import os
from pathlib import Path

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Int, Shaped

from .arrays import InputError, near, new_file


columns = "moving_dimension", "id_curve", "param_step", "index"
steps = 3


class Lattice(eqx.Module):
    """Curves of each attribute as rows of an embedding array; host arrays.

    - `names`: of the attributes, in order: numbers by value, then words
    - `curves`: of each attribute `(C, 3)`: the rows of steps 0, 1 and 2
    - `ids`: of each attribute `(C,)`: the curves' ids, sorted
    """

    names: tuple[str, ...] = eqx.field(static=True)
    curves: tuple[Int[np.ndarray, "_ 3"], ...]
    ids: tuple[Shaped[np.ndarray, " _"], ...]

    @property
    def size(self) -> int:
        """The fewest rows an embedding array must have."""
        return 1 + max(int(c.max()) for c in self.curves)

    def field(self, name: str, embeddings) -> tuple[np.ndarray, np.ndarray]:
        """Base points `e(step 1)` and vectors `e(step 2) - e(step 0)`, both `(C, d)`.

        Raises `ValueError` for an attribute there is not, or too few rows.
        """
        self._check(embeddings)
        if name not in self.names:
            raise ValueError(f"There is no attribute {name!r}; there are {self.names}.")
        start, base, end = self.curves[self.names.index(name)].T
        return np.asarray(embeddings[base]), embeddings[end] - embeddings[start]

    def joined(self, embeddings) -> "JoinedFields":
        """All attributes' fields on one list of base points, joined by row."""
        self._check(embeddings)
        rows = np.unique(np.concatenate([c[:, 1] for c in self.curves]))
        shape = len(self.names), len(rows)
        vectors = np.zeros((*shape, embeddings.shape[1]), embeddings.dtype)
        present = np.zeros(shape, bool)
        for a, (start, base, end) in enumerate(c.T for c in self.curves):
            at = np.searchsorted(rows, base)
            if len(np.unique(at)) < len(at):
                raise ValueError(
                    f"Attribute {self.names[a]!r} has several curves through one image: "
                    "take its field alone, field(name, embeddings)."
                )
            vectors[a, at], present[a, at] = embeddings[end] - embeddings[start], True
        return JoinedFields(rows, np.asarray(embeddings[rows]), vectors, present)

    def _check(self, embeddings) -> None:
        if embeddings.ndim != 2:
            raise ValueError(f"Embeddings are (N, d); got {embeddings.shape}.")
        for name, ids, rows in zip(self.names, self.ids, self.curves, strict=True):
            outside = (rows < 0) | (rows >= len(embeddings))
            if outside.any():
                first, step = np.argwhere(outside)[0]
                raise ValueError(
                    f"Curve {str(ids[first])!r} of attribute {name!r} has row "
                    f"{rows[first, step]} at step {step}, and the lattice rows up to "
                    f"{self.size - 1}; the embeddings are {embeddings.shape}: are they of "
                    "this lattice?"
                )


class JoinedFields(eqx.Module):
    """Fields of A attributes on the base points of any: zero where not `present`."""

    rows: Int[np.ndarray, " C"]
    points: Shaped[np.ndarray, "C d"]
    vectors: Shaped[np.ndarray, "A C d"]
    present: Bool[np.ndarray, "A C"]


def read_lattice(path: str | os.PathLike[str]) -> Lattice:
    """Read `df_param_step.csv`: moving_dimension, id_curve, param_step, index.

    The attribute may be a number or a word: '0', 0 and 0.0 are one. Further columns are
    not read. Raises `InputError` naming the line and the curve unless each curve of an
    attribute has exactly one row of each step 0, 1 and 2, and each index is a whole
    number from 0.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist, or is no file.{near(path)}")
    table: dict[tuple[str, str], dict[int, int]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [c for c in columns if c not in (reader.fieldnames or ())]
        if missing:
            raise InputError(
                f"{path} has no column {', '.join(missing)}; it has "
                f"{', '.join(reader.fieldnames or ['none'])}."
            )
        for row in reader:
            name, curve = (_key(row[c] or "") for c in columns[:2])
            where = f"{path}, line {reader.line_num}: curve {curve!r} of attribute {name!r}"
            step, index = (_whole(row[c], f"{where}: {c}") for c in columns[2:])
            if step not in range(steps):
                raise InputError(f"{where} has param_step {step}; steps are 0, 1 and 2.")
            there = table.setdefault((name, curve), {})
            if step in there:
                raise InputError(f"{where} has step {step} twice.")
            there[step] = index
    return _gather(table, path)


def write_lattice(lattice: Lattice, path: str | os.PathLike[str]) -> None:
    """Write a lattice as `read_lattice` reads it; the file appears whole or not at all."""
    with new_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for name, ids, curves in zip(
            lattice.names, lattice.ids, lattice.curves, strict=True
        ):
            for i, rows in zip(ids.tolist(), curves.tolist(), strict=True):
                writer.writerows([name, i, step, row] for step, row in enumerate(rows))


def _gather(table: dict[tuple[str, str], dict[int, int]], path: Path) -> Lattice:
    if not table:
        raise InputError(f"{path} holds no curves.")
    for (name, curve), there in table.items():
        lacking = [step for step in range(steps) if step not in there]
        if lacking:
            raise InputError(
                f"{path}: curve {curve!r} of attribute {name!r} has no step "
                f"{lacking[0]}; a curve has the steps 0, 1 and 2."
            )
    names = tuple(sorted({name for name, _ in table}, key=_order))
    ids, curves = [], []
    for name in names:
        own = sorted((curve for n, curve in table if n == name), key=_order)
        ids.append(np.array(own))
        rows = [[table[name, c][step] for step in range(steps)] for c in own]
        curves.append(np.array(rows, np.int64))
    return Lattice(names, tuple(curves), tuple(ids))


def _key(text: str) -> str:
    """A number in one spelling; any other word as it is."""
    try:
        number = float(text)
    except ValueError:
        return text.strip()
    return str(int(number)) if number.is_integer() else str(number)


def _order(name: str) -> tuple[bool, float, str]:
    try:
        return False, float(name), ""
    except ValueError:
        return True, 0.0, name


def _whole(text: str | None, where: str) -> int:
    try:
        number = float(text or "")
    except ValueError:
        number = -1.0
    if not number.is_integer() or number < 0:
        raise InputError(f"{where} is {text!r}, not a whole number from 0.")
    return int(number)
