"""Do two spaces name the same nearest neighbours?"""

import functools as ft
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core.linalg import matmul, single, unit
from ...core.moments import as_rows
from ...core.types import Numeric


tile_numbers = 2**24
"""Similarities of one model held at a time: 64 MiB of float32."""


def mutual_neighbours(
    embeddings: Sequence[Float[Numeric, "n _"]] | Mapping[str, Float[Numeric, "n _"]],
    k: int = 10,
    *,
    metric: str = "cosine",
) -> Float[Array, "N N"]:
    r"""Mean share of the k nearest neighbours of a row that two models agree on.

    $\frac{1}{n k} \sum_i |\mathcal N_a(i) \cap \mathcal N_b(i)|$ (mutual k-nearest
    neighbours; Huh, Cheung, Wang & Isola, 2024), by `metric` "cosine" or "euclidean", a row
    never being its own neighbour. Spaces that share nothing agree on k / (n - 1). Among
    neighbours equally near the row that comes first is taken. Memory is that of the rows
    and of a tile of similarities. A model that has a NaN has NaN in its row and column.
    Raises `ValueError` if rows do not pair up, or are no more than k.
    """
    rows = paired_rows(embeddings)
    n = rows[0].shape[0]
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"metric is 'cosine' or 'euclidean'; got {metric!r}.")
    if not 0 < k < n:
        raise ValueError(f"Of {n} rows each has {n - 1} neighbours; got k={k}.")
    return _mutual(rows, k, metric)


def paired_rows(embeddings: Sequence | Mapping) -> tuple:
    """Rows of each model; `ValueError` unless they pair up, of one model or more."""
    if isinstance(embeddings, Mapping):
        embeddings = tuple(embeddings.values())
    if not len(embeddings):
        raise ValueError("Give the rows of at least one model; got none.")
    labels = [f"model {i}" for i in range(len(embeddings))]
    return as_rows(embeddings, labels, None)[0]


@ft.partial(jax.jit, static_argnums=(1, 2))
def _mutual(embeddings, k, metric):
    n, models = embeddings[0].shape[0], range(len(embeddings))
    embeddings = [single(x) for x in embeddings]
    if metric == "cosine":
        embeddings = [unit(x) for x in embeddings]
    size = max(1, min(n, tile_numbers // n))
    tiles = -(-n // size)

    def near(x, start):
        """Ids `(size, k)` of the neighbours of the rows from `start` on."""
        some = jax.lax.dynamic_slice_in_dim(x, start, size)
        alike = matmul(some, x.T)
        if metric == "euclidean":
            alike = alike - jnp.sum(x**2, axis=1)[None] / 2
        own = start + jnp.arange(size, dtype=jnp.int32)
        itself = own[:, None] == jnp.arange(n, dtype=jnp.int32)[None]
        return jax.lax.top_k(jnp.where(itself, -jnp.inf, alike), k)[1]

    def add(shared, tile):
        # The last tile goes back to be whole; rows it has in common are counted once.
        start = jnp.minimum(tile * size, n - size)
        fresh = start + jnp.arange(size, dtype=jnp.int32) >= tile * size
        found = [near(x, start) for x in embeddings]

        def count(a, b):
            same = jnp.any(found[a][:, :, None] == found[b][:, None, :], axis=2)
            return jnp.sum(same & fresh[:, None], dtype=jnp.int32)

        table = jnp.stack([jnp.stack([count(a, b) for b in models]) for a in models])
        return shared + table, None

    zero = jnp.zeros((len(embeddings),) * 2, jnp.int32)
    shared, _ = jax.lax.scan(add, zero, jnp.arange(tiles, dtype=jnp.int32))
    broken = jnp.stack([jnp.any(jnp.isnan(x)) for x in embeddings])
    share = shared.astype(jnp.float32) / jnp.float32(n * k)
    return jnp.where(broken[:, None] | broken[None], jnp.nan, share)
