"""Verification across models: every source mapped into every target (paper 000, 3.3)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..core.linalg import matmul, unit
from ..core.maps import AffineMap
from ..core.types import Numeric
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
    n, spaces = range(len(maps)), [_unit(jnp.asarray(x)) for x in embeddings]
    cells = [
        _score(None, spaces[i], spaces[i])
        if native and i == j
        else _score(maps[i, j].as_affine(), embeddings[i], spaces[j])
        for i in n
        for j in n
    ]
    return jnp.stack(cells).reshape(len(n), len(n), *cells[0].shape)


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
    stack = lambda *x: jnp.stack(x).reshape(*scores.shape[:2], *x[0].shape)
    return jax.tree.map(stack, *cells)


_unit = jax.jit(unit)


@jax.jit
def _score(m: AffineMap | None, x, y):
    # One type of map: a program is compiled for each pair of widths, not of kinds.
    return matmul(x if m is None else unit(m(x)), y.T)
