"""One pass over rows without float64: sums that are `Wide`, of split products."""

import itertools

import jax
import jax.numpy as jnp

from . import split_products
from .gram import mirror, sum_over_chunks
from .precision import widen
from .wide import as_wide, outer, where, Wide, wide_root


def summarise_wide(blocks, weights, rough, edges, narrow=False):
    """As `summarise`, about a `rough` mean, by split products, of fewer slices if `narrow`.

    Roots of the weights are a first column beside the rows they weight, so that one
    product has mass, sums and squares.
    """
    number = 3 if narrow else split_products.full
    within = (0, 1, *(1 + edge for edge in edges[1:]))

    def sums(rows, rough):
        blocks, w = rows
        z = jnp.concatenate([widen(b, jnp.float32) for b in blocks], axis=1)
        z = as_wide(z) - rough[None]
        if w is None:
            count = jnp.full((), z.shape[0], jnp.float32)
            roots = as_wide(jnp.ones((z.shape[0], 1), jnp.float32))
        else:
            w = widen(w, jnp.float32)
            w = jnp.where(w != 0, w, 0)[:, None]
            count, roots = jnp.sum(w != 0, dtype=jnp.float32), wide_root(w)
            z = where(w != 0, z, 0.0) * roots
        table = jax.tree.map(lambda *x: jnp.concatenate(x, axis=1), roots, z)
        return as_wide(count), *split_products.upper_products(table, within, number)

    count, upper, squares = sum_over_chunks(sums, (blocks, weights), rough)
    mass, first = upper[0][0, 0], upper[0][0, 1:]
    step = first / where(mass.high > 0, mass, 1.0)
    ends = itertools.pairwise(edges)
    moved = zip(upper[1:], ends, strict=True)
    upper = [rows - mass * outer(step[a:b], step[a:]) for rows, (a, b) in moved]
    high, low = (
        mirror([getattr(x, part) for x in upper], edges) for part in ("high", "low")
    )
    rest = step[edges[-1] :]
    mean = where(mass.high > 0, step + rough, 0.0)
    return count, mass, mean, Wide(high, low), squares - mass * (rest * rest)
