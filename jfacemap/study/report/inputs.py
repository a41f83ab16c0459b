"""Embeddings and labels checked, and people dealt in two halves, before any work."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...core.linalg import unit
from ...data.split import split_identities
from ...fit.standardize import fit_standardize
from .settings import ReportSettings


fewest_people = 8
"""With two images or more: less cannot be cut in halves, and these in folds."""


class ReportRows(eqx.Module):
    """The same images under N models, and who fits and who judges; host arrays.

    - `embeddings`: {model: (n, d) float32}, as given
    - `label (n,)`: identities, numbered from 0; `who (people,)`: their labels as given
    - `dataset (n,)`: names, or None
    - `fit`, `judged (n,)`: masks of rows; no person is in both
    """

    embeddings: dict[str, np.ndarray]
    label: np.ndarray
    who: np.ndarray
    dataset: np.ndarray | None
    fit: np.ndarray
    judged: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The models."""
        return tuple(self.embeddings)

    def spaces(self, centred: bool, fit: np.ndarray | None = None) -> list[np.ndarray]:
        """Unit rows of each model; `centred`: about the mean of the rows fitted on."""
        used = self.fit if fit is None else fit
        rows = [unit(jnp.asarray(x)) for x in self.embeddings.values()]
        if centred:
            weights = jnp.asarray(used, jnp.float32)
            rows = [unit(fit_standardize(x, weights=weights)(x)) for x in rows]
        return [np.asarray(x) for x in rows]

    def people(self, rows: np.ndarray) -> int:
        """How many people some rows show."""
        return len(np.unique(self.label[rows]))


def read_input(
    embeddings: Mapping[str, Any], labels, datasets, seed: int, settings: ReportSettings
) -> ReportRows:
    """Check what is given and deal the people; `ValueError` says what is wrong."""
    rows = check_embeddings(embeddings)
    n = len(next(iter(rows.values())))
    (who, label), dataset = _check_labels(labels, n), None
    if datasets is not None:
        dataset = np.asarray(datasets)
        if dataset.shape != (n,):
            raise ValueError(
                f"datasets names the collection of each of {n} rows; got {dataset.shape}."
            )
    key = jax.random.fold_in(jax.random.key(seed), 1)
    fit, judged = split_identities(key, label, (0.5, 0.5), strata=dataset)
    judged = _at_most(judged, label, settings.most_judged, seed)
    found = ReportRows(rows, label, who, dataset, fit, judged)
    _check_halves(found, settings)
    return found


def check_embeddings(embeddings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Rows of each model in float32; `ValueError` unless they pair up and are finite."""
    if not isinstance(embeddings, Mapping) or len(embeddings) < 2:
        raise ValueError(
            "A report is of two models or more, as {name: rows (n, d)}; got "
            f"{list(embeddings) if isinstance(embeddings, Mapping) else type(embeddings)}."
        )
    rows = {str(name): np.asarray(x) for name, x in embeddings.items()}
    sizes = {name: x.shape for name, x in rows.items()}
    if any(len(s) != 2 or 0 in s for s in sizes.values()):
        raise ValueError(f"Embeddings are (n, d), a row an image; got {sizes}.")
    if len({s[0] for s in sizes.values()}) > 1:
        raise ValueError(f"Row i is the same image in every model; got {sizes}.")
    for name, x in rows.items():
        if x.dtype.kind != "f":
            raise ValueError(f"Embeddings are floating point; {name} is {x.dtype}.")
        broken = np.flatnonzero(~np.isfinite(x).all(axis=1))
        if len(broken):
            raise ValueError(
                f"{name}: {len(broken):,} of {len(x):,} rows hold NaN or infinity, the "
                f"first is row {broken[0]}. Leave them out of every model and the labels."
            )
        if not x.any():
            raise ValueError(f"{name}: all rows are zero.")
    return {name: np.asarray(x, np.float32) for name, x in rows.items()}


def _check_labels(labels, n: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"labels name the person of each of {n} rows; got {labels.shape}.")
    if labels.dtype.kind not in "iubUS":
        raise ValueError(f"labels are integers or strings; got {labels.dtype}.")
    people, code, count = np.unique(labels, return_inverse=True, return_counts=True)
    several = int(np.sum(count > 1))
    if several < fewest_people:
        raise ValueError(
            f"A report needs {fewest_people} people with two images or more, to fit on "
            f"some and judge on others; labels name {len(people)} people, {several} of "
            "them with two images."
        )
    return people, code


def _at_most(rows: np.ndarray, label: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Of some rows those of whole people, drawn at random, up to a number of rows."""
    people, count = np.unique(label[rows], return_counts=True)
    order = np.random.default_rng([seed, 2]).permutation(len(people))
    kept = people[order[np.cumsum(count[order]) <= most]]
    return rows & np.isin(label, kept)


def _check_halves(found: ReportRows, settings: ReportSettings) -> None:
    count = np.bincount(found.label[found.judged], minlength=1)
    pairs = count.sum() ** 2 - np.sum(count**2)
    if np.sum(count > 1) < 2:
        raise ValueError(
            f"Fewer than two of the people judged have two images: raise most_judged, "
            f"{settings.most_judged}, give more people, or another seed."
        )
    if settings.fars[0] * pairs < 1:
        raise ValueError(
            f"FAR {settings.fars[0]:g} is less than one of the {pairs:,} impostor pairs "
            "judged: lead with a larger one in fars, or give more images."
        )
    if found.people(found.fit) < max(settings.folds, 3):
        raise ValueError(
            f"{found.people(found.fit)} people to fit on are too few for "
            f"{max(settings.folds, 3)} folds: give more people."
        )
