"""Where weighted false accepts exceed a limit: all weighted ranks from one sort.

Impostor pairs of the same two identities weigh the same. So the counts of each such
class, at edges between blocks of falling scores, times the weights of the classes are
the weighted counts of every draw at those edges: one product of matrices. The place
inside its block is then found pair by pair.
"""

import functools as ft
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from ..core.fan_out import fan_out
from ..core.linalg import matmul
from ..core.types import Numeric
from .identities import IdentityPairs


block = 128
"""Scores between two edges."""

most_classes = 8192
"""With more classes than this the product costs more than weighing every pair."""

most_counts = 2**25
"""Most counts kept at edges: what fits in memory comfortably."""


class Draws(eqx.Module):
    """Weights of identities in each draw, and what they make of the pairs.

    - `weights (B, I)`: how often each identity is drawn
    - `genuine`, `impostor (B,)`: weighted counts of all pairs of either kind
    - `limits (B, q)`: weighted false accepts within each target
    """

    weights: Int[np.ndarray, "B I"]
    genuine: Int[np.ndarray, " B"]
    impostor: Int[np.ndarray, " B"]
    limits: Int[np.ndarray, "B q"]

    @property
    def used(self) -> Bool[np.ndarray, " B"]:
        """Draws with pairs of both kinds."""
        return (self.genuine > 0) & (self.impostor > 0)


def first_excess(
    scores: Float[np.ndarray, " n"],
    pairs: IdentityPairs,
    draws: Draws,
    mesh: Mesh | None = None,
) -> Float[np.ndarray, "B q"]:
    """The score of the first impostor pair that is in excess, from above; NaN if none.

    Accepting all pairs that score more, and none that ties with it, is the strict rule.
    Devices of a `mesh` share the draws.
    """
    falling = -scores[pairs.impostor]
    n = falling.size
    # Only the best scores matter; how many is sure only once every draw has its place.
    share = np.max(draws.limits / np.maximum(draws.impostor, 1)[:, None])
    # A power of two, so that targets share programs.
    some = 2 ** math.ceil(math.log2(2 * share * n + 4 * block))
    for size in (min(n, some), n):
        order = np.argpartition(falling, size - 1)[:size]
        order = order[np.argsort(falling[order])]
        classes = cut_classes(pairs.impostor_class[order], pairs.classes, draws.impostor)
        place = np.asarray(_place(classes, draws.weights, draws.limits, mesh))
        if size == n or np.all(place[draws.used] < size):
            break
    return -np.append(falling[order], np.nan)[np.minimum(place, size)]


class Classes(eqx.Module):
    """Classes of impostor pairs in order of falling score.

    - `ordered (blocks, block)`: a row of `pairs` each; past the last row, as padding
    - `edges (blocks + 1, classes)`: how many of each lie before each block; None where
      that table would be too large
    - `pairs (classes, 2)`: the identities of each class
    """

    ordered: Int[Numeric, "blocks block"]
    edges: Float[Numeric, "edges classes"] | None
    pairs: Int[Numeric, "classes 2"]


def cut_classes(ordered: np.ndarray, pairs: np.ndarray, mass: np.ndarray) -> Classes:
    """Cut classes in order of falling score into blocks; `mass` bounds their weight."""
    n, blocks = len(pairs), -(-ordered.size // block)
    fill = blocks * block - ordered.size
    ordered = np.pad(ordered, (0, fill), constant_values=n).reshape(blocks, block)
    # Float32 sums of counts are exact up to 2^24.
    if n > most_classes or blocks * n > most_counts or mass.max() >= 2**24:
        return Classes(ordered, None, pairs)
    code = np.arange(blocks)[:, None] * (n + 1) + ordered
    counts = np.bincount(code.ravel(), minlength=blocks * (n + 1))
    counts = counts.reshape(blocks, n + 1)[:, :n].cumsum(axis=0)
    edges = np.pad(counts, ((1, 0), (0, 0))).astype(np.float32)
    return Classes(ordered, edges, pairs)


@ft.partial(jax.jit, static_argnums=3)
def _place(classes, weights, limits, mesh):
    """Place of the first pair in excess, as many draws at once as fit in cache."""
    search = lambda draw, classes: place_of_excess(classes, *draw)
    batch = 8 if classes.edges is None else 256
    return fan_out(search, (weights, limits), classes, mesh=mesh, at_once=batch)


def place_of_excess(
    classes: Classes, weights: Int[Array, " I"], limits: Int[Array, " q"]
) -> Int[Array, " q"]:
    """Place of the pair with which one draw's weighted count exceeds each limit.

    At least the number of pairs if none does.
    """
    weight = weights[classes.pairs[:, 0]] * weights[classes.pairs[:, 1]]
    padded = jnp.append(weight, 0)
    if classes.edges is None:
        sums = jnp.sum(padded[classes.ordered], axis=1, dtype=jnp.int32)
        edges = jnp.pad(jnp.cumsum(sums, dtype=jnp.int32), (1, 0))
    else:
        edges = matmul(classes.edges, weight.astype(jnp.float32)).astype(jnp.int32)

    def place(limit):
        whole = jnp.searchsorted(edges[1:], limit, side="right")
        # Past the last block, where nothing exceeds, count the last one again.
        row = jnp.minimum(whole, classes.ordered.shape[0] - 1)
        counts = edges[row] + jnp.cumsum(padded[classes.ordered[row]], dtype=jnp.int32)
        return row * classes.ordered.shape[1] + jnp.sum(counts <= limit, dtype=jnp.int32)

    return jax.vmap(place)(limits)
