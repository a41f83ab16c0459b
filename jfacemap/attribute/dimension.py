r"""The dimension of a set of points by how the length of its shortest tree grows.

Birdal et al., "Intrinsic dimension, persistent homology and generalization in neural
networks" (NeurIPS 2021): with $E(n)$ the length of the minimum spanning tree of n of the
points, which is the sum of their 0-dimensional persistence, and b the slope of
$\ln E$ over $\ln n$, the dimension is $1 / (1 - b)$.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..core.linalg import matmul
from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric
from .clouds import host_rng
from .tiles import check_metric, check_points, Metric, prepare


published = {"FaceNet": (20.1, 1.6), "ArcFace": (32.5, 1.8)}
"""Of identity centroids, mean and standard deviation, in paper 003's code."""


class PhDimension(eqx.Module):
    """`dimension (R,)` of each repeat; `lengths (R, S)` of the trees of `sizes` points.

    A dimension is NaN where the slope is 1 or more, as it can be where points are few.
    """

    dimension: Float[np.ndarray, " R"]
    lengths: Float[np.ndarray, "R S"]
    sizes: tuple[int, ...] = eqx.field(static=True)

    @property
    def mean(self) -> float:
        """Over repeats; NaN if that of one is."""
        return float(self.dimension.mean())

    @property
    def deviation(self) -> float:
        """Standard deviation over repeats; NaN of one."""
        return (
            float(self.dimension.std(ddof=1)) if len(self.dimension) > 1 else float("nan")
        )


def ph_dimension(
    key: Key[jax.Array, ""],
    points: Float[Numeric, "n d"],
    *,
    sizes: Sequence[int] | None = None,
    repeats: int = 5,
    metric: Metric = "euclidean",
) -> PhDimension:
    """Persistent-homology dimension of points, such as the centroids of identities.

    **Arguments:**

    - `sizes`: how many random points the trees have; by default eight, from a fifth of
      the points to all, evenly in their logarithm.
    - `repeats`: of all subsets; the slope is fitted to those of one repeat.
    - `metric`: of the tree's edges.

    The estimate is low where points are few for their dimension: of a thousand Gaussian
    points in 20 dimensions it is about 15. Raises `ValueError` for fewer than ten points
    or two sizes, or rows that are not finite.
    """
    points = as_array(points)
    check_points(points)
    check_metric(metric)
    n = points.shape[0]
    if n < 10:
        raise ValueError(f"A dimension takes ten points or more; got {n}.")
    usual = np.unique(np.geomspace(max(5, n // 5), n, 8).astype(int)).tolist()
    sizes = tuple(usual if sizes is None else sizes)
    if len(set(sizes)) < 2 or min(sizes) < 2 or max(sizes) > n:
        raise ValueError(f"sizes are two or more numbers from 2 to {n}; got {sizes}.")
    if not np.isfinite(np.asarray(points)).all():
        raise ValueError("points hold NaN or infinity: leave those rows out.")
    rng, x = host_rng(key), np.asarray(points)
    lengths = np.empty((repeats, len(sizes)))
    for at in np.ndindex(lengths.shape):
        size = sizes[at[1]]
        # Rows past the subset are there so that one program serves all sizes.
        lengths[at] = tree_length(x[rng.permutation(n)], size, metric=metric)
    b = np.polyfit(np.log(sizes), np.log(lengths).T, 1)[0]
    dimension = np.where(b < 1, 1 / np.where(b < 1, 1 - b, 1), np.nan)
    return PhDimension(dimension, lengths, sizes)


def _tree_length(dtype, points, size, *, metric) -> Float[Array, ""]:
    """Length of the minimum spanning tree of the first `size` points, by Prim's algorithm.

    Distances of one point at a time: memory is that of the points.
    """
    x, _ = prepare(widen(points, dtype), metric)
    square = jnp.sum(x**2, axis=1)
    index = jnp.arange(x.shape[0], dtype=jnp.int32)
    outside = index < size

    def grow(_, state):
        nearest, outside, last, total = state
        squared = square + square[last] - 2 * matmul(x, x[last][:, None])[:, 0]
        squared = jnp.maximum(squared, 0)
        d = squared / 2 if metric == "cosine" else jnp.sqrt(squared)
        nearest = jnp.where(outside, jnp.minimum(nearest, d), jnp.inf)
        # Not `argmin`, whose reduction falls back to float32 under the scope.
        least = jnp.min(nearest)
        last = jnp.min(jnp.where(nearest == least, index, index[-1]))
        return nearest, outside.at[last].set(False), last, total + least

    start = jnp.full(x.shape[0], jnp.inf, dtype), outside.at[0].set(False)
    state = *start, jnp.int32(0), jnp.zeros((), dtype)
    return jax.lax.fori_loop(0, size - 1, grow, state)[-1]


tree_length = in_float64(_tree_length, static=("metric",))
