"""Which rows maps are fitted on and which are judged: never the same people."""

import numpy as np

from ..data.arrays import InputError, read_array, split_spec
from .files import at, check_file
from .sources import read_people


def split_rows(
    labels: np.ndarray,
    spec: str,
    fit_rows: str | None,
    test_labels: str | None,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit on and rows to verify.

    By default of two random halves of the people; else of those `test_labels` lists and
    all others; or the rows `fit_rows` names and all rows of people in none of them.
    """
    people, code = np.unique(labels, return_inverse=True)
    if fit_rows is not None:
        fit = np.zeros(len(labels), bool)
        fit[_read_rows(fit_rows, len(labels))] = True
        test = ~np.isin(code, code[fit])
    else:
        if test_labels is None:
            order = np.random.default_rng(seed).permutation(len(people))
            judged = np.isin(code, order[len(people) // 2 :])
        else:
            judged = np.isin(labels, _read_test(test_labels, people, spec))
        fit, test = ~judged, judged
    how = fit_rows or test_labels or spec
    if not fit.any():
        raise InputError(f"{how} leaves no row to fit on: all people are verified.")
    if len(np.unique(code[test])) < 2:
        raise InputError(
            f"{how} leaves fewer than two people to verify, and FAR is measured on pairs "
            f"of two: {len(people):,} people are in {spec}."
        )
    if np.bincount(code[test]).max() < 2:
        raise InputError(
            f"{spec}: no one to verify has two rows, so there are no genuine pairs."
        )
    return np.flatnonzero(fit), np.flatnonzero(test)


def _read_rows(spec: str, n: int) -> np.ndarray:
    check_file(split_spec(spec)[0])
    rows = read_array(spec)
    if rows.dtype == bool and rows.shape == (n,):
        return rows
    if rows.dtype.kind not in "iu" or rows.ndim != 1:
        raise InputError(
            f"{spec} has shape {rows.shape} of {rows.dtype}; rows are whole numbers (k,) "
            f"or a mask ({n},)."
        )
    wrong = np.flatnonzero((rows < 0) | (rows >= n))
    if len(wrong):
        raise InputError(
            f"{spec}: {len(wrong):,} of {len(rows):,} numbers ({at(wrong)}) are no rows: "
            f"these are 0 to {n - 1:,}."
        )
    return rows


def _read_test(spec: str, people: np.ndarray, labels: str) -> np.ndarray:
    named = np.unique(read_people(spec))
    if (named.dtype.kind in "US") != (people.dtype.kind in "US"):
        raise InputError(
            f"{spec} holds {named.dtype} and {labels} {people.dtype}: give integers in "
            "both or strings in both."
        )
    unknown = named[~np.isin(named, people)]
    if len(unknown):
        raise InputError(
            f"{spec}: {len(unknown):,} labels are not in {labels}, as {unknown[0]!s}."
        )
    return named
