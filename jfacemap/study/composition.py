r"""Do maps among N models compose? From A by way of B to C, against A to C itself.

If there is one space behind all models (paper 000, sections 6 and 7), the way should not
matter, and the way back should lead home. All is read off joint moments of rows, be they
those of the fit or others.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.energy import model_columns
from ..core.linalg import matmul
from ..core.moments import JointMoments
from ..core.precision import in_float64, widen
from ..fit.all_pairs import PairMaps


class CompositionErrors(eqx.Module):
    r"""Squared errors over the variance of the model they end in.

    - `direct (N, N)`: of the map a -> c, against rows of c: $1 - R^2$
    - `through (N, N, N)`: of a -> b -> c at (a, b, c), against rows of c. Entry (a, b, a)
      is the cycle: how far a row is from where it began, on its way back from b
    - `apart (N, N, N)`: between a -> b -> c and a -> c, on rows of a: what the way matters
    """

    direct: Float[Array, "N N"]
    through: Float[Array, "N N N"]
    apart: Float[Array, "N N N"]

    @property
    def cycle(self) -> Float[Array, "N N"]:
        """Errors of a -> b -> a at (a, b)."""
        each = jnp.arange(self.direct.shape[0], dtype=jnp.int32)
        return self.through[each, :, each]


def pair_residuals(maps: PairMaps, joint: JointMoments) -> Float[Array, "N N"]:
    """`jfm.map_residual` of all maps a -> c at (a, c), on rows given by their moments.

    Errors and NaN as of `composition_errors`, whose `direct` this is.
    """
    return _direct(_affine_table(maps, joint), joint)


def composition_errors(maps: PairMaps, joint: JointMoments) -> CompositionErrors:
    """Errors of all ways a -> b -> c among N models, on rows given by their moments.

    NaN where the model ended in does not vary. Raises `ValueError` if the moments are of
    other widths than the maps.
    """
    return _errors(_affine_table(maps, joint), joint)


def _affine_table(maps: PairMaps, joint: JointMoments):
    widths = tuple(row[0].in_dim for row in maps.table)
    if joint.dims != widths:
        raise ValueError(f"Maps join widths {widths}; these are moments of {joint.dims}.")
    return [[m.as_affine() for m in row] for row in maps.table]


class _Sides:
    """Maps of each source side by side, and how to judge such a row of maps."""

    def __init__(self, dtype, table, joint):
        self.joint = joint
        self.columns, self.member = joint.columns, model_columns(joint.dims, dtype)
        energy = matmul(jnp.diagonal(joint.scatter), self.member)
        self.energy = jnp.where(energy > 0, energy, jnp.nan)
        side = lambda parts: jnp.concatenate(parts, axis=-1)
        self.weights = [side([m.weight for m in row]) for row in table]
        self.biases = [side([m.bias for m in row]) for row in table]

    def errors(self, a, weight, bias, *, against_truth: bool):
        """Over rows of a, by model: the squared error of `weight`; or its mean square."""
        joint, source = self.joint, self.columns[a]
        mean = joint.mean[source]
        turned = matmul(joint.scatter[source, source], weight)
        per_column = jnp.sum(weight * turned, axis=0)
        miss = matmul(mean, weight) + bias
        if against_truth:
            crossed = 2 * jnp.sum(weight * joint.scatter[source], axis=0)
            per_column = per_column - crossed + jnp.diagonal(joint.scatter)
            miss = miss - joint.mean
        spread = jnp.maximum(matmul(per_column, self.member), 0)
        return (spread + joint.mass * matmul(miss**2, self.member)) / self.energy

    def direct(self):
        """Of the maps themselves."""
        sides = enumerate(zip(self.weights, self.biases, strict=True))
        return jnp.stack([self.errors(a, *m, against_truth=True) for a, m in sides])


def _direct_kernel(dtype, table, joint):
    return _Sides(dtype, *widen((table, joint), dtype)).direct()


def _kernel(dtype, table, joint):
    sides = _Sides(dtype, *widen((table, joint), dtype))
    weights, biases, every = sides.weights, sides.biases, range(len(table))
    through, apart = [], []
    for a in every:
        for b in every:
            column = sides.columns[b]
            weight = matmul(weights[a][:, column], weights[b])
            bias = matmul(biases[a][column], weights[b]) + biases[b]
            through.append(sides.errors(a, weight, bias, against_truth=True))
            gap = weight - weights[a], bias - biases[a]
            apart.append(sides.errors(a, *gap, against_truth=False))
    shape = (len(table),) * 3
    whole = lambda rows: jnp.stack(rows).reshape(shape)
    return CompositionErrors(sides.direct(), whole(through), whole(apart))


_direct = in_float64(_direct_kernel)
_errors = in_float64(_kernel)
