r"""Moments of the third and fourth order that indices over pairs of rows need.

What is summed over all pairs of rows i, j (kernels, distances) is a sum over single rows
of products of at most four numbers, if the kernel is linear. So debiased CKA and the
correlation of distance matrices stream and merge as means and scatters do, and no n x n
matrix is ever made.
"""

import itertools
from collections.abc import Mapping, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .gram import sum_over_chunks
from .linalg import matmul
from .moments import as_named, as_rows, batch_joint, JointMoments, merge_joint, Sum
from .monoid import merges
from .precision import in_float64, widen
from .types import as_array, Numeric
from .wide import zeros_wide


class EnergyMoments(eqx.Module):
    r"""Moments of N models' rows, and of the rows' squared lengths about their mean.

    With $e_a = \|x_a - \bar x_a\|^2$ of a row under model a and z of `JointMoments`:

    - `joint`: the second moments; its `count` is the number of rows
    - `energies (N, N)`: $\sum e_a e_b$
    - `pulls (N, D)`: $\sum e_a (z - \bar z)$, what is needed to move the mean
    """

    joint: JointMoments
    energies: Sum
    pulls: Sum

    @classmethod
    def zero(
        cls,
        dims: Sequence[int],
        names: Sequence[str] | None = None,
        dtype=jnp.float32,
    ) -> "EnergyMoments":
        """The neutral element for models of widths `dims` and rows of `dtype`."""
        shapes = (len(dims),) * 2, (len(dims), sum(dims))
        return cls(
            JointMoments.zero(dims, names, dtype), *(zeros_wide(s, dtype) for s in shapes)
        )


def energy_moments(
    embeddings: Sequence[Float[Numeric, "n _"]] | Mapping[str, Float[Numeric, "n _"]],
    used: Bool[Numeric, " n"] | None = None,
    *,
    names: Sequence[str] | None = None,
) -> EnergyMoments:
    """Moments of N models' embeddings of the same n rows, up to the fourth order.

    `used` masks the rows that count: a row counts once or not at all, since what is
    debiased for the number of rows has no meaning for weights. A NaN in a used row makes
    the moments NaN. Batches merge (`jfm.merge`). Raises `ValueError` if rows do not pair
    up.
    """
    embeddings, names = as_named(embeddings, names)
    used = as_array(used)
    if used is not None and used.dtype != bool:
        raise ValueError(f"used is a mask of rows, True or False; got {used.dtype}.")
    weights = None if used is None else used.astype(np.float32)
    embeddings, weights = as_rows(embeddings, names, weights)
    dims = tuple(x.shape[1] for x in embeddings)
    joint, energies, pulls = _energy_moments(embeddings, weights)
    return EnergyMoments(JointMoments(*joint, dims=dims, names=names), energies, pulls)


def sum_by_model(x: Float[Array, "*n D"], dims: Sequence[int]) -> Float[Array, "*n N"]:
    """Sums over each model's columns; NaN in one model's leaves the others alone."""
    edges = np.cumsum([0, *dims])
    parts = [x[..., a:b] for a, b in itertools.pairwise(edges)]
    return jnp.stack([jnp.sum(part, axis=-1) for part in parts], axis=-1)


def _batch_energy(dtype, embeddings, weights):
    dims = [x.shape[1] for x in embeddings]
    joint = batch_joint(dtype, embeddings, weights)
    mean = joint[2]

    def sums(rows, mean):
        blocks, w = rows
        z = jnp.concatenate([widen(b, dtype) for b in blocks], axis=1) - mean[None]
        z = z if w is None else jnp.where(w[:, None] != 0, z, 0)
        energy = sum_by_model(z**2, dims)
        return matmul(energy.T, energy), matmul(energy.T, z)

    return joint, *sum_over_chunks(sums, (embeddings, weights), mean)


def _merge_energy(dtype, a: EnergyMoments, b: EnergyMoments) -> EnergyMoments:
    a, b = widen((a, b), dtype)
    joint = merge_joint(dtype, a.joint, b.joint)
    (e1, p1), (e2, p2) = (_about(m, joint.mean) for m in (a, b))
    return EnergyMoments(joint, e1 + e2, p1 + p2)


def _about(m: EnergyMoments, mean):
    """`energies` and `pulls` about another mean: rows z become z + s, e is expanded."""
    joint, s = m.joint, m.joint.mean - mean
    along = lambda x: sum_by_model(x * s[None], joint.dims)
    total = sum_by_model(jnp.diagonal(joint.scatter), joint.dims)
    shift = sum_by_model(s**2, joint.dims)
    turned, pulled = along(joint.scatter).T, along(m.pulls)
    mixed = jnp.outer(total, shift)
    energies = m.energies + 2 * (pulled + pulled.T) + 4 * along(turned)
    energies = energies + mixed + mixed.T + joint.count * jnp.outer(shift, shift)
    pulls = m.pulls + 2 * turned + jnp.outer(total + joint.count * shift, s)
    return energies, pulls


_energy_moments = in_float64(_batch_energy, wide=True)
merges(EnergyMoments)(in_float64(_merge_energy, wide=True))
