"""Linking unknown people across sources with unlike models (paper 000, section 5)."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ..core.types import Numeric
from ..evaluate.linkability import linkability
from ..evaluate.scoring import label_pairs, score_all
from ..evaluate.tar import tar_at_far
from ..fit.all_pairs import PairMaps


class Linkage(eqx.Module):
    """How well records of one source find those of the same people in another.

    All are `(N, N, ...)` by source and target; the diagonal is within a source, unmapped.

    - `tar (N, N, q)`: TAR at each FAR; NaN where a FAR is less than one impostor pair
    - `d_sys (N, N)`: linkability, from 0 (none) to 1
    - `n_genuine`, `n_impostor (N, N)`: pairs of rows
    """

    tar: Float[np.ndarray, "N N q"]
    d_sys: Float[np.ndarray, "N N"]
    n_genuine: Int[np.ndarray, "N N"]
    n_impostor: Int[np.ndarray, "N N"]
    names: tuple[str, ...] = eqx.field(static=True)

    @property
    def across(self) -> Float[np.ndarray, " q"]:
        """Mean TAR over ordered pairs of two sources."""
        return self.tar[~np.eye(len(self.names), dtype=bool)].mean(axis=0)

    @property
    def d_sys_across(self) -> float:
        """Mean linkability over ordered pairs of two sources."""
        return float(self.d_sys[~np.eye(len(self.names), dtype=bool)].mean())


def link_sources(
    maps: PairMaps,
    embeddings: Sequence[Float[Numeric, "_ _"]],
    labels: Sequence,
    fars: Sequence[float],
    *,
    rule: str = "strict",
    bins: int | None = None,
) -> Linkage:
    """Compare the rows of each source, mapped, with the rows of every other.

    **Arguments:**

    - `maps`: between the sources, such as of `fit_by_identity`, fitted on other people.
    - `embeddings`: of each source its rows `(n_i, d_i)`, scaled as they were for the fit.
      Sources share no image: a row has no pair that is itself but on the diagonal.
    - `labels`: of each source who its rows show; the truth, for scoring alone.
    - `fars`, `rule`: as in `tar_at_far`. `bins`: as in `linkability`.

    Score is the cosine. Raises `ValueError` if numbers of sources, or of a source's rows
    and labels, differ.
    """
    n = len(maps)
    if len(embeddings) != n or len(labels) != n:
        raise ValueError(
            f"Maps of {n} sources, but {len(embeddings)} embeddings and labels of "
            f"{len(labels)}."
        )
    for name, x, who in zip(maps.names, embeddings, labels, strict=True):
        if len(x) != len(who):
            raise ValueError(
                f"One label a row: the embeddings of {name} are {np.shape(x)}, its labels "
                f"{len(who)}."
            )

    def cell(i, j):
        own = i == j
        genuine, valid = label_pairs(labels[i], None if own else labels[j])
        mapped = embeddings[i] if own else maps[i, j](embeddings[i])
        scores = score_all(mapped, embeddings[j])
        tar = tar_at_far(scores, genuine, fars, rule=rule, valid=valid)
        linked = linkability(scores, genuine, valid=valid, bins=bins)
        return tar.tar, linked.d_sys, tar.n_genuine, tar.n_impostor

    cells = [cell(i, j) for i in range(n) for j in range(n)]
    stack = lambda values: np.stack([np.asarray(x) for x in values]).reshape(
        n, n, *np.shape(values[0])
    )
    return Linkage(*map(stack, zip(*cells, strict=True)), names=maps.names)
