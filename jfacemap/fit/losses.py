r"""Losses between mapped rows and target rows, one number a row.

A loss is a function `(guess (n, k), target (n, k)) -> (n,)`; `fit_gradient` minimises its
weighted mean. `info_nce` and `triplet` compare rows with the other rows of their batch, and
take `labels (n,)` of who a row shows, so that images of one person are not told apart.
Numbers are traced: `lambda a, b: jfm.losses.huber(a, b, delta=d)` vmaps over d.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..core.linalg import matmul, unit
from ..core.types import Numeric


Rows = Float[Numeric, "n k"]
Each = Float[Array, " n"]
Number = float | Float[Numeric, ""]
Labels = Int[Numeric, " n"] | None


def squared(guess: Rows, target: Rows) -> Each:
    r"""$\|a_i - b_i\|^2$: least squares."""
    return jnp.sum((guess - target) ** 2, axis=-1)


def distance(guess: Rows, target: Rows) -> Each:
    r"""$\|a_i - b_i\|$, the objective of paper 000, eq. 2; its derivative at 0 is 0."""
    return _length(squared(guess, target))


def huber(guess: Rows, target: Rows, *, delta: Number = 1.0) -> Each:
    r"""Of the distance r: $r^2/2$ up to delta, $\delta (r - \delta/2)$ beyond."""
    square = squared(guess, target)
    near = square <= delta**2
    return jnp.where(near, square / 2, delta * (_length(square) - delta / 2))


def cosine(guess: Rows, target: Rows) -> Each:
    r"""$1 - \cos(a_i, b_i)$, from 0 to 2; 1 where a row is zero."""
    return 1 - jnp.sum(unit(guess) * unit(target), axis=-1)


def info_nce(
    guess: Rows, target: Rows, labels: Labels = None, *, temperature: Number = 0.07
) -> Each:
    r"""$-\log \mathrm{softmax}_j(\cos(a_i, b_j) / \tau)$ at j = i.

    Which of the batch's targets is mine? (van den Oord, Li & Vinyals, 2018.) Targets of the
    same label are left out of the sum.
    """
    logits = matmul(unit(guess), unit(target).T) / temperature
    logits = jnp.where(_others(logits, labels) | _own(logits), logits, -jnp.inf)
    return jax.nn.logsumexp(logits, axis=1) - jnp.diagonal(logits)


def triplet(
    guess: Rows, target: Rows, labels: Labels = None, *, margin: Number = 0.2
) -> Each:
    r"""$\max(0,\ \|a_i - b_i\|^2 - \min_j \|a_i - b_j\|^2 + m)$ of unit rows.

    The nearest wrong target of the batch must be farther than the right one by the margin
    (Schroff, Kalenichenko & Philbin, 2015, with the hardest negative). 0 if the batch has
    no one else.
    """
    cosines = matmul(unit(guess), unit(target).T)
    nearest = jnp.max(cosines, axis=1, initial=-jnp.inf, where=_others(cosines, labels))
    return jnp.maximum(0, 2 * (nearest - jnp.diagonal(cosines)) + margin)


def _length(square: Each) -> Each:
    safe = jnp.where(square > 0, square, 1)
    return jnp.where(square > 0, jnp.sqrt(safe), 0)


def _own(table):
    return jnp.eye(table.shape[0], dtype=bool)


def _others(table, labels):
    """Which targets are another's: of another row, and of another label."""
    if labels is None:
        return ~_own(table)
    return labels[:, None] != labels[None]
