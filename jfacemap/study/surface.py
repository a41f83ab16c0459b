"""Many people or many images of each? TAR by both (paper 000, section 6)."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Int, Key, Shaped

from ..core.types import Numeric
from ..fit.all_pairs import PairMaps
from .sweep import check_kinds, fit_subset, same_rows


class IdentitySurface(eqx.Module):
    """What maps fitted on some images of some people are worth.

    - `values[kind] (people, images, repeats, *v)`: what `evaluate` returned
    - `people`, `images`: how many, of each of them how many; `repeats`: draws
    """

    values: dict[str, np.ndarray]
    people: tuple[int, ...] = eqx.field(static=True)
    images: tuple[int, ...] = eqx.field(static=True)
    repeats: int = eqx.field(static=True)

    def of_total(self, kind: str, total: int) -> dict[tuple[int, int], np.ndarray]:
        """`{(people, images): (repeats, *v)}` where they make a total number of pairs."""
        return {
            (p, m): self.values[kind][i, j]
            for i, p in enumerate(self.people)
            for j, m in enumerate(self.images)
            if p * m == total
        }


def draw_people(
    key: Key[Array, ""], label: Shaped[Numeric, " n"], images: int
) -> Int[np.ndarray, "people images"]:
    """Rows of `images` images of each person who has so many, both in random order."""
    label, (who, which) = np.asarray(label), jax.random.split(key)
    order = np.asarray(jax.random.permutation(which, len(label)))
    rows = [order[label[order] == each][:images] for each in np.unique(label)]
    rows = np.array([r for r in rows if len(r) == images], int).reshape(-1, images)
    return rows[np.asarray(jax.random.permutation(who, len(rows)))]


def sweep_identities(
    key: Key[Array, ""],
    embeddings: Sequence[Shaped[Numeric, "n _"]],
    label: Shaped[Numeric, " n"],
    people: Sequence[int],
    images: Sequence[int],
    repeats: int,
    kinds: Sequence[str] = ("linear", "rotation"),
    *,
    evaluate: Callable[[PairMaps], Numeric],
    names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> IdentitySurface:
    """Fit all pairs of models on `images` images of `people` people, for all of both.

    **Arguments:**

    - `key`: of the draws. In one repeat fewer people, and fewer images of them, are the
      first of more, so that cells differ by what was added.
    - `embeddings`, `label (n,)`: of each model the same rows, and who they show. People
      with fewer than the most `images` are not drawn, in any cell.
    - `kinds`, `evaluate`, `progress`: as in `sweep_subsets`.

    One program is compiled for each total. Raises `ValueError` if there are too few people
    with so many images, or rows and labels do not pair up.
    """
    check_kinds(kinds)
    embeddings, names = same_rows(embeddings, names)
    if len(label) != len(embeddings[0]):
        raise ValueError(
            f"One label a row: embeddings are {embeddings[0].shape}, labels {len(label)}."
        )
    if not len(people) or not len(images) or repeats < 1:
        raise ValueError(
            "A surface has numbers of people and images, and repeats; got "
            f"{people}, {images} and {repeats}."
        )
    draws = [draw_people(k, label, max(images)) for k in jax.random.split(key, repeats)]
    if min(*people, *images) < 1 or len(draws[0]) < max(people):
        raise ValueError(
            f"{max(people)} people with {max(images)} images each are asked for; there are "
            f"{len(draws[0])}."
        )
    found = {kind: {} for kind in kinds}
    cells = list(np.ndindex(len(people), len(images), repeats))
    for done, (i, j, r) in enumerate(cells):
        rows = draws[r][: people[i], : images[j]].ravel()
        subset = [x[rows] for x in embeddings]
        for kind, maps in fit_subset(subset, kinds, names).items():
            found[kind][i, j, r] = np.asarray(evaluate(maps))
        progress(done + 1, len(cells))
    shape = len(people), len(images), repeats
    values = {
        kind: np.stack([each[cell] for cell in cells]).reshape(*shape, *each[0, 0, 0].shape)
        for kind, each in found.items()
    }
    return IdentitySurface(values, tuple(people), tuple(images), repeats)
