"""Attributes read off features by linear SVMs, people kept apart (paper 001, 3.1)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped

from ..core.types import as_array, Numeric
from ..probe.errors import error_intervals, ErrorIntervals
from ..probe.svm import choose_penalty, fit_svm, LinearSvm


class Roles(NamedTuple):
    """Masks `(n,)` of the rows to train on, to choose C on, and to test on."""

    train: Bool[np.ndarray, " n"]
    validation: Bool[np.ndarray, " n"]
    test: Bool[np.ndarray, " n"]


class AttributeProbe(eqx.Module):
    """What probes of A attributes say of the rows of all test folds.

    - `predicted (n, A)`: +1 or -1; 0 for a row that no fold tests, or an attribute that
      the fold's training rows have one class of
    - `errors`: both rates `(A,)` with intervals, people varying together
    - `penalty (folds, A)`: the C chosen on validation rows
    - `svms`: of each fold, one hyperplane an attribute
    """

    predicted: Int[np.ndarray, "n A"]
    errors: ErrorIntervals
    penalty: Float[np.ndarray, "folds A"]
    svms: list[LinearSvm]


def deal_people(
    rng: np.random.Generator, people: Shaped[np.ndarray, " n"], folds: int = 4
) -> list[Roles]:
    """Each row is tested once; nobody is in two of training, validation and test.

    People are dealt to `folds` at random; in the k-th split the k-th fold is tested and
    the next one chooses C.
    """
    who, at = np.unique(people, return_inverse=True)
    if folds < 3 or len(who) < folds:
        raise ValueError(
            f"{folds} folds: three at least are needed, and as many people; there are "
            f"{len(who)}."
        )
    fold = rng.permutation(np.arange(len(who)) % folds)[at]
    parts = [fold == k for k in range(folds)]
    return [
        Roles(~(parts[k] | parts[(k + 1) % folds]), parts[(k + 1) % folds], parts[k])
        for k in range(folds)
    ]


def probe_attributes(
    features: Float[Numeric, "n d"] | Sequence[Float[Numeric, "n d"]],
    labels: Num[np.ndarray, "n A"],
    splits: Sequence[Roles],
    C: Float[np.ndarray, " grid"],
    people: Shaped[np.ndarray, " n"] | None = None,
) -> AttributeProbe:
    """Train on some people, choose C on others, test on further ones, fold by fold.

    `features`: the same rows for every fold, or rows for each, such as those of a
    projection trained on its training rows. `labels`: +1, -1, or 0 for not known.
    """
    a = labels.shape[1]
    only = lambda mask: np.where(mask[:, None], labels, 0).astype(np.int8)
    shared: Any = features
    if isinstance(features, list | tuple):
        rows: list[Any] = list(features)
        fitted = [fit_svm(x, only(s.train), C) for x, s in zip(rows, splits, strict=True)]
    else:  # the same rows: all folds are columns of one problem
        rows = [shared] * len(splits)
        columns = np.concatenate([only(s.train) for s in splits], axis=1)
        together = fit_svm(shared, columns, C)
        fitted = [_part(together, slice(k * a, (k + 1) * a)) for k in range(len(splits))]
    chosen, penalties = [], []
    for x, svm, split in zip(rows, fitted, splits, strict=True):
        best = np.asarray(choose_penalty(svm, x, only(split.validation)))
        chosen.append(svm.choose(best))
        penalties.append(np.asarray(C)[best])
    predicted = apply_probes(chosen, rows, splits)
    return AttributeProbe(
        predicted, judge(predicted, labels, people), np.stack(penalties), chosen
    )


def apply_probes(
    svms: Sequence[LinearSvm],
    features: Sequence[Float[Numeric, "n d"]],
    splits: Sequence[Roles],
) -> Int[np.ndarray, "n A"]:
    """Each fold's probes on the rows it tests: +1, -1, and 0 where there is none."""
    predicted = None
    for svm, x, split in zip(svms, features, splits, strict=True):
        score = np.asarray(svm.decision(as_array(x)))[..., 0]
        said = np.where(np.isnan(score), 0, np.where(score > 0, 1, -1))
        predicted = np.zeros(said.shape, int) if predicted is None else predicted
        predicted[split.test] = said[split.test]
    if predicted is None:
        raise ValueError("There is no fold.")
    return predicted


def judge(predicted, labels, people=None) -> ErrorIntervals:
    """Both rates of the rows that were tested and whose label is known."""
    return error_intervals(predicted, np.where(predicted != 0, labels, 0), people)


def _part(svm: LinearSvm, columns) -> LinearSvm:
    return LinearSvm(
        svm.weight[columns],
        svm.bias[columns],
        svm.objective[columns],
        svm.gap[columns],
        svm.steps,
    )
