"""One pass over rows: all that moments are made of."""

import jax.numpy as jnp

from .gram import mirror, sum_over_chunks, upper_products
from .linalg import matmul, root
from .precision import widen
from .rough_mean import rough_mean
from .wide_sums import summarise_wide


def summarise(dtype, blocks, weights, edges, narrow=False):
    """Sums of `z = [blocks]` in one pass: count, mass, mean, scatter rows up to `edges`.

    Last come the diagonal entries of the scatter past the edges. Rows are taken about a
    rough mean of a few of them, so that nothing cancels when the true mean is known.
    Without float64 all are `Wide`.
    """
    work = jnp.dtype(jnp.float32) if narrow else dtype
    rough = rough_mean(blocks, weights, work)
    if dtype == jnp.float32:
        return summarise_wide(blocks, weights, rough, edges, narrow)

    def sums(rows, rough):
        blocks, w = rows
        z = jnp.concatenate([widen(b, work) for b in blocks], axis=1) - rough[None]
        if w is None:
            count = mass = jnp.full((), z.shape[0], dtype)
            first = jnp.sum(z, axis=0)
        else:
            w = widen(w, work)
            w = jnp.where(w != 0, w, 0)  # a constant: a row left out has no derivative
            z = jnp.where(w[:, None] != 0, z, 0)
            count, mass = jnp.sum(w != 0, dtype=dtype), jnp.sum(w)
            first = matmul(w, z)
            z = root(w)[:, None] * z
        squares = jnp.sum(z[:, edges[-1] :] ** 2, axis=0)
        return widen((count, mass, first, squares, upper_products(z, edges)), dtype)

    count, mass, first, squares, upper = sum_over_chunks(sums, (blocks, weights), rough)
    step = first / jnp.where(mass > 0, mass, 1)
    rows = edges[-1]
    scatter = mirror(upper, edges) - mass * jnp.outer(step[:rows], step)
    squares = squares - mass * step[rows:] ** 2
    mean = jnp.where(mass > 0, widen(rough, dtype) + step, 0)
    return count, mass, mean, scatter, squares
