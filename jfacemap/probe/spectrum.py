"""How features spread, and which of them belong to which class (paper 001, section 4.3)."""

import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..core.linalg import matmul
from ..core.mesh_rows import MeshRows, weighted_rows
from ..core.moments import batch_moments
from ..core.order import first_least
from ..core.precision import in_float64
from ..core.types import as_array, Numeric


class Scree(eqx.Module):
    """Singular values `(k,)` of the centred rows, k = min(n, d), the largest first.

    `explained`: the share of the variance along each; NaN if nothing varies.
    """

    singular_values: Float[Array, " k"]
    explained: Float[Array, " k"]


class BlockDiagonal(eqx.Module):
    r"""Features sorted by the class they answer to.

    - `order (d,)`: positions of features, by cluster, in each as they were
    - `cluster (d,)`: of each feature the class of least error; `classes` if it is dead
    - `error (d, classes)`: $E_{il}$; infinite where a feature is silent for the class, NaN
      where it is silent for all
    - `dead`: number of features that are zero for all rows
    - `sparsity`: share of zeros among all values
    """

    order: Int[Array, " d"]
    cluster: Int[Array, " d"]
    error: Float[Array, "d classes"]
    dead: Int[Array, ""]
    sparsity: Float[Array, ""]


def scree(x: Float[Numeric, "n d"] | MeshRows, *, scaled: bool = False) -> Scree:
    """Singular values of the rows about their mean (Figure 6).

    `scaled`: every feature stretched to [-1, 1] first, by its least and greatest value; a
    constant one stays constant. From second moments in float64 where the platform has it:
    to some 1e-8 of the largest. A NaN makes all NaN. Of `MeshRows` n rows count.
    """
    rows, weights, n = weighted_rows(x)
    if rows.ndim != 2 or not rows.shape[0]:
        raise ValueError(f"Rows are (n, d), at least one; got {rows.shape}.")
    return _scree(rows, weights, scaled=scaled, k=min(n, rows.shape[1]))


def _scree_kernel(dtype, x, weights, *, scaled, k) -> Scree:
    xx = batch_moments(dtype, x, x[:, :0], weights).xx
    if scaled:
        used = None if weights is None else weights[:, None] != 0
        most = jnp.max(x, axis=0, initial=-jnp.inf, where=used)
        least = jnp.min(x, axis=0, initial=jnp.inf, where=used)
        reach = (most - least).astype(dtype)
        stretch = jnp.where(reach > 0, 2 / jnp.where(reach > 0, reach, 1), 0)
        stretch = jnp.where(jnp.isnan(reach), jnp.nan, stretch)
        xx = xx * stretch[:, None] * stretch[None]
    squares = jnp.linalg.eigvalsh(xx)[::-1][:k]
    squares = jnp.where(squares > 0, squares, jnp.where(jnp.isnan(squares), squares, 0))
    return Scree(jnp.sqrt(squares), squares / jnp.sum(squares))


_scree = in_float64(_scree_kernel, static=("scaled", "k"))


def block_diagonalize(
    x: Float[Numeric, "n d"], labels: Int[Numeric, " n"], *, classes: int | None = None
) -> BlockDiagonal:
    r"""Give each feature to the class it errs least on, and stack the clusters.

    $E_{il} = \sum_j D_{ij} (1 - I(y_j, l)) / \sum_j D_{ij} I(y_j, l)$, feature i, label l
    (paper 001, eq. 1), with D = x'. Of equal errors the lowest label wins; features that
    are zero everywhere (0 / 0) come last.

    `labels` count from 0; `classes` as in `mean_activation_vectors`. Features must not be
    negative: the error of such a feature means nothing. They raise `ValueError`, or, where
    values are not yet known, make their errors NaN and themselves dead.
    """
    x, labels = as_array(x), as_array(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        raise ValueError(f"Labels {labels.shape} are not one a row of x (n, d) {x.shape}.")
    if not isinstance(x, Tracer) and not np.all(np.asarray(x) >= 0):
        raise ValueError(
            "Block diagonalisation takes features that are not negative, such as those "
            "after a ReLU."
        )
    if classes is None:
        if isinstance(labels, Tracer):
            raise ValueError("Under jit give classes=, how many there are.")
        classes = int(np.max(np.asarray(labels), initial=-1)) + 1
    return _block_diagonalize(x, jnp.asarray(labels), classes)


@ft.partial(jax.jit, static_argnums=2)
def _block_diagonalize(x, labels, classes) -> BlockDiagonal:
    error, cluster, sparsity = _errors(x, labels, classes=classes)
    order = jnp.argsort(cluster, stable=True).astype(jnp.int32)
    number = jnp.sum(cluster == classes, dtype=jnp.int32)
    return BlockDiagonal(order, cluster, error, number, sparsity)


def _errors_kernel(dtype, x, labels, *, classes):
    member = jax.nn.one_hot(labels, classes, dtype=dtype)
    of_class = matmul(x.astype(dtype).T, member)
    valid = jnp.all(x >= 0, axis=0)
    total = jnp.sum(x, axis=0, dtype=dtype)
    other = jnp.maximum(total[:, None] - of_class, 0)
    silent = of_class <= 0
    error = jnp.where(silent, jnp.inf, other / jnp.where(silent, 1, of_class))
    dead = ~valid | (total <= 0)
    error = jnp.where(dead[:, None], jnp.nan, error)
    cluster = jnp.where(dead, classes, first_least(error)).astype(jnp.int32)
    return error, cluster, jnp.mean(x == 0, dtype=dtype)


_errors = in_float64(_errors_kernel, static=("classes",))
