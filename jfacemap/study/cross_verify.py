"""Verification across models: every source mapped into every target (paper 000, 3.3)."""

import functools as ft
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..core.linalg import matmul, unit
from ..core.types import as_array, Numeric
from ..evaluate.floats import home
from ..evaluate.tar import tar_at_far, TarAtFar
from ..fit.all_pairs import PairMaps


def cross_scores(
    maps: PairMaps,
    embeddings: Sequence[Float[Numeric, "n _"]],
    *,
    native: bool = True,
) -> Float[Array, "N N n n"]:
    """Cosine of each source image, mapped, with each target image, for all model pairs.

    `scores[i, j, a, b]` compares image `a`, embedded by model i, mapped into the space of
    j and renormalised, with image `b` embedded by model j. The diagonal compares each
    model with itself unmapped; with `native=False`, through its self-map `maps[i, i]`.
    Scale rows as they were for the fit, to unit length as a rule; zero rows score 0.
    """
    if len(embeddings) != len(maps):
        raise ValueError(f"{len(maps)} models' maps but {len(embeddings)} embeddings.")
    return _score(maps, tuple(map(as_array, embeddings)), native=native)


def table_tar(
    scores: Float[Array, "N N n m"],
    genuine: Bool[Numeric, "n m"],
    fars: Sequence[float],
    *,
    rule: str = "strict",
    valid: Bool[Numeric, "n m"] | None = None,
) -> TarAtFar:
    """`tar_at_far` of each cell of `cross_scores`, with leading axes (source, target).

    `genuine` and `valid` hold for every cell.
    """
    one = lambda s: tar_at_far(s, genuine, fars, rule=rule, valid=valid)
    cells = [one(s) for s in scores.reshape(-1, *scores.shape[2:])]

    def stack(*x):
        xp = home(*x)  # counts of many scores are on the host, in 64 bits
        return xp.stack(x).reshape(*scores.shape[:2], *x[0].shape)

    return jax.tree.map(stack, *cells)


@ft.partial(jax.jit, static_argnames="native")
def _score(maps: PairMaps, embeddings, *, native):
    spaces, n = tuple(map(unit, embeddings)), range(len(maps))

    def cell(i, j):
        own = native and i == j
        mapped = spaces[i] if own else unit(maps[i, j](embeddings[i]))
        return matmul(mapped, spaces[j].T)

    return jnp.stack([jnp.stack([cell(i, j) for j in n]) for i in n])
