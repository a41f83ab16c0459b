"""Classes by their mean activation vectors, MAVs (paper 001, section 4.1)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..core.gram import sum_over_chunks
from ..core.linalg import directions, matmul
from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric


class MeanActivations(eqx.Module):
    """`vectors (classes, d)` and `count (classes,)`.

    NaN for a class without rows, or with one that is not finite.
    """

    vectors: Float[Array, "*stack classes d"]
    count: Float[Array, "*stack classes"]


class MavMatch(eqx.Module):
    """Cosines `(n, classes)` with each vector, and the nearest `label (n,)`.

    A row that is zero or not finite is near none: label -1, similarity NaN. Label -1 too
    where no vector is a direction.
    """

    label: Int[Array, " n"]
    similarity: Float[Array, "n classes"]


def mean_activation_vectors(
    x: Float[Numeric, "n d"], labels: Int[Numeric, " n"], *, classes: int | None = None
) -> MeanActivations:
    """Mean of the rows of each class; labels count from 0.

    `classes`: how many; needed under `jit`, by default one more than the largest label.
    Rows of other labels (-1 for none) are left out. Sums are float64 where the platform
    has it. Raises `ValueError` if labels are not one a row.
    """
    x, labels = as_array(x), as_array(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        raise ValueError(f"Labels {labels.shape} are not one a row of x (n, d) {x.shape}.")
    if classes is None:
        if isinstance(labels, Tracer):
            raise ValueError("Under jit give classes=, how many there are.")
        classes = int(np.max(np.asarray(labels), initial=-1)) + 1
    return _means(x, jnp.asarray(labels), classes=classes)


def classify_by_mav(
    x: Float[Numeric, "n d"], mavs: MeanActivations | Float[Numeric, "classes d"]
) -> MavMatch:
    """The class whose vector has the highest cosine with each row; of equals the first.

    A class without rows is never chosen; its similarity is NaN.
    """
    vectors = mavs.vectors if isinstance(mavs, MeanActivations) else as_array(mavs)
    if vectors.ndim != 2 or x.ndim != 2 or x.shape[1] != vectors.shape[1]:
        raise ValueError(
            f"Rows (n, d) meet vectors (classes, d) of their width; got {x.shape} and "
            f"{vectors.shape}."
        )
    return _match(x, vectors)


@jax.jit
def _match(x, vectors):
    (rows, alive), (means, some) = directions(x), directions(vectors)
    similarity = matmul(rows, means.T)
    similarity = jnp.where(alive[:, None] & some[None], similarity, jnp.nan)
    found = jnp.argmax(jnp.where(jnp.isnan(similarity), -jnp.inf, similarity), axis=1)
    known = alive & jnp.any(some)
    return MavMatch(jnp.where(known, found, -1).astype(jnp.int32), similarity)


def _means_kernel(dtype, x, labels, *, classes):
    def sums(rows):
        x, label = rows
        member = jax.nn.one_hot(label, classes, dtype=dtype)
        finite = jnp.all(jnp.isfinite(x), axis=1)
        broken = matmul(member.T, (~finite).astype(dtype))
        x = widen(jnp.where(finite[:, None], x, 0), dtype)
        return matmul(member.T, x), jnp.sum(member, axis=0), broken

    total, count, broken = sum_over_chunks(sums, (x, labels))
    some = ((count > 0) & (broken == 0))[:, None]
    means = jnp.where(some, total / jnp.where(some, count[:, None], 1), jnp.nan)
    return MeanActivations(means, count)


_means = in_float64(_means_kernel, static=("classes",))
