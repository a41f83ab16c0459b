r"""Which pairs of images constrain a map best (paper 000, section 5): D-optimal choice.

The variance of a least squares map fitted on rows S is that of the noise times
$(\lambda I + \sum_S x x')^{-1}$; its volume is least where the determinant is greatest.
Greedy choice adds the row of the greatest gain $\log(1 + h)$, $h = x' A^{-1} x$, and comes
within a factor 1 - 1/e of the best set (Nemhauser, Wolsey & Fisher, 1978). After each
choice A grows by one rank, and $A^{-1}$ and all h follow without a factorisation.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..core.linalg import matmul
from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric
from ..fit.closed_form import as_ridge


class Choice(eqx.Module):
    r"""Rows in the order they were chosen, and what each added.

    - `rows (size,)`: the first m are the choice of m
    - `gains (size,)`: of $\log\det(\lambda I + \sum x x')$, falling
    """

    rows: Int[Array, " size"]
    gains: Float[Array, " size"]


def choose_pairs(
    x: Float[Numeric, "n d"], size: int, *, ridge: float | Float[Numeric, ""] = 1e-3
) -> Choice:
    r"""Greedily choose rows of greatest $\log\det(\lambda I + \sum_S x x')$.

    **Arguments:**

    - `x`: what is known of each image before it is paired: the source's embeddings, or
      those of several models side by side.
    - `size`: rows to choose, each at most once.
    - `ridge`: $\lambda > 0$, in units of squared rows; what makes fewer rows than
      dimensions comparable. Against rows of unit length it is small.

    Computes in float64 where the platform has it, in `size (n d + d^2)` steps. A row with
    NaN or infinity is not chosen while there is another. Raises `ValueError` if `size` is
    not from 1 to n, or for a ridge known not to be above 0.
    """
    x = as_array(x)
    if x.ndim != 2 or not 0 < size <= x.shape[0]:
        raise ValueError(
            f"Choose 1 to n rows of (n, d); got {size} of an array of shape {x.shape}."
        )
    ridge = as_ridge(ridge)
    if not isinstance(ridge, Tracer) and not np.asarray(ridge) > 0:
        raise ValueError(f"Fewer rows than dimensions need a ridge above 0; got {ridge}.")
    return _choose(x, jnp.asarray(ridge), size=size)


def _choose_kernel(dtype, x, ridge, *, size) -> Choice:
    x, ridge = widen((x, ridge), dtype)
    sound = jnp.all(jnp.isfinite(x), axis=1)
    x = jnp.where(sound[:, None], x, 0)
    inverse = jnp.eye(x.shape[1], dtype=dtype) / ridge
    leverage = jnp.sum(x**2, axis=1) / ridge
    places = jnp.arange(x.shape[0], dtype=jnp.int32)
    # Those left: 2 a sound row, 1 another, 0 none, as it has been chosen.
    left = 1 + sound.astype(jnp.int32)

    def step(state, _):
        inverse, leverage, left = state
        value = jnp.where(left == jnp.max(left), leverage, -1)
        # Not argmax, which is lowered outside the scope of float64.
        h = jnp.max(value)
        row = jnp.min(jnp.where(value == h, places, x.shape[0] - 1))
        u = matmul(inverse, x[row])
        scale = 1 / (1 + h)
        inverse = inverse - scale * jnp.outer(u, u)
        # By rounding a leverage may end below zero.
        leverage = jnp.maximum(leverage - scale * matmul(x, u) ** 2, 0)
        return (inverse, leverage, left.at[row].set(0)), (row, jnp.log1p(h))

    start = inverse, leverage, left
    return Choice(*jax.lax.scan(step, start, length=size)[1])


_choose = in_float64(_choose_kernel, static=("size",))
