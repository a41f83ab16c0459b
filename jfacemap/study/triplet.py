"""A linear projection that brings rows of one person together (paper 001, section 3).

The triplet embeddings of the chapter's features are such projections, trained so that the
dot product of two rows of one person is larger than with a row of another.
"""

import functools as ft

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from ..core.linalg import matmul, unit
from ..core.maps import LinearMap
from ..core.types import as_array, Numeric


def fit_triplet(
    key: Key[Array, ""],
    x: Float[Numeric, "n d"],
    label: Shaped[Numeric, " n"],
    width: int,
    *,
    margin: float = 0.3,
    steps: int = 400,
    batch: int = 256,
    rate: float = 3e-3,
) -> LinearMap:
    r"""Minimise the mean of $\max(0, m + \hat a' \hat n - \hat a' \hat p)$ over W.

    W is (d, width). $\hat a$, $\hat p$ and $\hat n$ are unit rows of `x W` of an image, of
    another image of the same person and of one of another person, drawn at random for each
    of `batch` triplets in each of `steps` of Adam, from the principal axes on. Scale the
    rows of `x` to unit length first. Raises `ValueError` if no person has two rows or
    there is one person alone.
    """
    x, label = jnp.asarray(as_array(x)), np.asarray(as_array(label))
    if label.shape != x.shape[:1]:
        raise ValueError(f"Labels {label.shape} are not one a row of {x.shape}.")
    _, who, count = np.unique(label, return_inverse=True, return_counts=True)
    anchors = np.flatnonzero(count[who] > 1)
    if not len(anchors) or len(count) < 2:
        raise ValueError("Triplets need a person with two rows, and two people.")
    width = min(width, *x.shape)
    order = np.argsort(who, kind="stable")
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))
    start = np.cumsum(count) - count
    tables = (np.int32(a) for a in (anchors, order, place, start[who], count[who]))
    numbers = (jnp.float32(v) for v in (margin, rate))
    return LinearMap(
        _train(key, x, *tables, *numbers, width=width, steps=steps, batch=batch)
    )


@ft.partial(jax.jit, static_argnames=("width", "steps", "batch"))
def _train(
    key, x, anchors, order, place, start, count, margin, rate, *, width, steps, batch
):
    import optax

    n = x.shape[0]
    axes = jnp.linalg.svd(x - jnp.mean(x, axis=0, keepdims=True), full_matrices=False)[2]
    weight = axes[:width].T
    optimizer = optax.adam(rate)

    def triplets(key):
        """Rows of one person are a run in `order`: skip to another within or beyond it."""
        a, b, c = jr.split(key, 3)
        anchor = jr.choice(a, anchors, (batch,))
        first, size = start[anchor], count[anchor]
        uniform = lambda key, below: jnp.minimum(
            (jr.uniform(key, (batch,)) * below.astype(jnp.float32)).astype(jnp.int32),
            below - 1,
        )
        step = 1 + uniform(b, size - 1)
        positive = order[first + (place[anchor] - first + step) % size]
        negative = order[(first + size + uniform(c, n - size)) % n]
        return anchor, positive, negative

    def loss(weight, key):
        rows = (unit(matmul(x[i], weight)) for i in triplets(key))
        anchor, positive, negative = rows
        apart = jnp.sum(anchor * (negative - positive), axis=1)
        return jnp.mean(jnp.maximum(margin + apart, 0))

    def step(carry, key):
        weight, state = carry
        slope = jax.grad(loss)(weight, key)
        with jax.numpy_dtype_promotion("standard"):  # Adam has float ** int
            move, state = optimizer.update(slope, state)
        return (optax.apply_updates(weight, move), state), None

    (weight, _), _ = jax.lax.scan(
        step, (weight, optimizer.init(weight)), jr.split(key, steps)
    )
    return weight
