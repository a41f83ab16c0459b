"""One network's features under another's classifier (thesis 002, chapter 5)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, Key

from ..core.head import Head
from ..core.linalg import single
from ..core.maps import AbstractMap
from ..core.types import as_array, Numeric
from .confidence import bootstrap_weights
from .draws import check_draws


tile_rows = 2048
"""Rows whose logits are held at a time."""


class SwapAccuracy(eqx.Module):
    """What became of n rows under the swapped classifier, beside the source's own.

    - `correct`, `in_top (n,)`: mapped features under the target's head name the label,
      or have it among their `top` best
    - `source_correct`, `source_in_top (n,)`: the same of the source's own head
    - `agree (n,)`: both give one answer, right or wrong

    A NaN logit makes a row wrong, and it agrees with nothing.
    """

    correct: Bool[Numeric, " n"]
    in_top: Bool[Numeric, " n"]
    source_correct: Bool[Numeric, " n"]
    source_in_top: Bool[Numeric, " n"]
    agree: Bool[Numeric, " n"]
    top: int = eqx.field(static=True)

    @property
    def accuracy(self) -> float:
        """Of the source's features under the target's classifier."""
        return float(np.mean(self.correct))

    @property
    def source_accuracy(self) -> float:
        """Of the source's features under its own."""
        return float(np.mean(self.source_correct))

    @property
    def change(self) -> float:
        """Percent by which the swap changes the source's accuracy; NaN if that is 0."""
        own = self.source_accuracy
        return 100 * (self.accuracy - own) / own if own else float("nan")

    @property
    def agreement(self) -> float:
        """Share of rows on which both classifiers give one answer."""
        return float(np.mean(self.agree))

    @property
    def top_accuracy(self) -> float:
        """Share of rows whose label is among the best `top`."""
        return float(np.mean(self.in_top))


class SwapInterval(eqx.Module):
    """Ends (lower, upper) of percentile intervals, by name as in `SwapAccuracy`."""

    accuracy: Float[np.ndarray, "2"]
    change: Float[np.ndarray, "2"]
    agreement: Float[np.ndarray, "2"]
    top_accuracy: Float[np.ndarray, "2"]
    level: float = eqx.field(static=True)


def swap_accuracy(
    m: AbstractMap,
    x: Float[Numeric, "n d"],
    labels: Integer[Numeric, " n"],
    source: Head,
    target: Head,
    *,
    top: int = 5,
) -> SwapAccuracy:
    """Classify $C_B(M(x))$ and $C_A(x)$: the map and the target's head, and the source's.

    **Arguments:**

    - `m`: from the source's features to the target's.
    - `x`, `labels`: rows of the source's features, and their classes from 0.
    - `top`: how many of the best answers count for `in_top`.

    Equal logits rank by class, the lower first. Logits are held for few rows at a time.
    Raises `ValueError` if widths, rows or classes do not match.
    """
    x, labels = as_array(x), as_array(labels)
    if (m.in_dim, m.out_dim) != (source.dim, target.dim):
        raise ValueError(
            f"The map goes from width {m.in_dim} to {m.out_dim}, the heads take "
            f"{source.dim} and {target.dim}: give the source's head, then the target's."
        )
    if source.classes != target.classes:
        raise ValueError(
            f"The heads tell apart {source.classes} and {target.classes} classes."
        )
    if x.ndim != 2 or x.shape[1] != m.in_dim or labels.shape != x.shape[:1]:
        raise ValueError(
            f"Rows (n, {m.in_dim}) with labels (n,) are needed; got {x.shape} and "
            f"{labels.shape}."
        )
    if not 1 <= top <= source.classes:
        raise ValueError(f"top is from 1 to the {source.classes} classes; got {top}.")
    inside = isinstance(labels, np.ndarray) and labels.size
    if inside and not 0 <= labels.min() <= labels.max() < source.classes:
        raise ValueError(
            f"Labels are classes from 0 to {source.classes - 1}; got {labels.min()} to "
            f"{labels.max()}."
        )
    return SwapAccuracy(*_swap(m, x, labels.astype(np.int32), source, target, top), top=top)


def swap_confidence(
    key: Key[Array, ""],
    swap: SwapAccuracy,
    groups: Integer[Numeric, " n"] | None = None,
    *,
    replicates: int = 2000,
    level: float = 0.95,
) -> SwapInterval:
    """Bootstrap intervals over images: groups of rows are drawn, whole.

    `groups (n,)`: which rows are of one image (crops of it), by default each its own.
    With one key and one set of groups all maps see the same draws. `change` pairs the
    swapped with the source's own answers on the same rows, and leaves out draws in which
    the source has none right. The interval is conditional on
    the map. Raises `ValueError` on shapes that do not match.
    """
    check_draws(key, replicates, level)
    n = len(swap.correct)
    groups = np.arange(n) if groups is None else np.asarray(as_array(groups))
    if groups.shape != (n,) or not n:
        raise ValueError(f"Groups {groups.shape} do not go with {n} rows.")
    _, group = np.unique(groups, return_inverse=True)
    size = int(group.max()) + 1
    total = lambda hits: np.bincount(group, np.asarray(hits, np.float64), size)
    hits = swap.correct, swap.source_correct, swap.agree, swap.in_top, np.ones(n)
    sums = np.stack(list(map(total, hits)), axis=1)
    drawn = np.asarray(bootstrap_weights(key, size, replicates), np.float64) @ sums
    accuracy, own, agreement, top = (drawn[:, i] / drawn[:, 4] for i in range(4))
    change = 100 * (accuracy - own) / np.where(own > 0, own, np.nan)
    ends = (1 - level) / 2, (1 + level) / 2
    interval = lambda values: np.asarray(np.nanquantile(values, ends))
    return SwapInterval(*map(interval, (accuracy, change, agreement, top)), level=level)


@jax.jit(static_argnums=5)
def _swap(m, x, labels, source, target, top):
    n = x.shape[0]
    size = min(n, tile_rows)

    def judge(head, rows, label):
        logits = head(rows)
        own = jnp.take_along_axis(logits, label[:, None], axis=1)
        ids = jnp.arange(logits.shape[1], dtype=jnp.int32)[None]
        above = (logits > own) | ((logits == own) & (ids < label[:, None]))
        rank = jnp.sum(above, axis=1, dtype=jnp.int32)
        whole = ~jnp.any(jnp.isnan(logits), axis=1)
        return jnp.argmax(logits, axis=1), (rank == 0) & whole, (rank < top) & whole, whole

    def tile(start):
        rows = jax.lax.dynamic_slice_in_dim(x, start, size)
        label = jax.lax.dynamic_slice_in_dim(labels, start, size)
        rows = single(rows)
        answer, right, near, whole = judge(target, m(rows), label)
        own, own_right, own_near, own_whole = judge(source, rows, label)
        agree = (answer == own) & whole & own_whole
        return right, near, own_right, own_near, agree

    if n <= size:
        return tile(0)
    # The last tile goes back to be whole; of the rows it shares the latter answer stays.
    starts = jnp.minimum(jnp.arange(-(-n // size), dtype=jnp.int32) * size, n - size)
    parts = jax.lax.map(tile, starts)
    rest = n - (starts.shape[0] - 1) * size
    join = lambda p: jnp.concatenate([p[:-1].reshape(-1), p[-1, size - rest :]])
    return tuple(map(join, parts))
