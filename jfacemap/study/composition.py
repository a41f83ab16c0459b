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


def composition_errors(maps: PairMaps, joint: JointMoments) -> CompositionErrors:
    """Errors of all ways a -> b -> c among N models, on rows given by their moments.

    NaN where the model ended in does not vary. Raises `ValueError` if the moments are of
    other widths than the maps.
    """
    widths = tuple(row[0].in_dim for row in maps.table)
    if joint.dims != widths:
        raise ValueError(f"Maps join widths {widths}; these are moments of {joint.dims}.")
    table = [[m.as_affine() for m in row] for row in maps.table]
    return _errors(table, joint)


def _kernel(dtype, table, joint):
    table, joint = widen((table, joint), dtype)
    columns, member = joint.columns, model_columns(joint.dims, dtype)
    energy = matmul(jnp.diagonal(joint.scatter), member)
    energy = jnp.where(energy > 0, energy, jnp.nan)
    side = lambda parts: jnp.concatenate(parts, axis=-1)
    weights = [side([m.weight for m in row]) for row in table]
    biases = [side([m.bias for m in row]) for row in table]

    def sums(a, weight, bias, target):
        """Over rows of a, by model: the squared error of `weight` against `target`.

        `target` is (cross, spread, mean) of what is aimed at; None stands for zero.
        """
        mean = joint.mean[columns[a]]
        turned = matmul(joint.scatter[columns[a], columns[a]], weight)
        per_column = jnp.sum(weight * turned, axis=0)
        miss = matmul(mean, weight) + bias
        if target is not None:
            cross, spread, middle = target
            per_column = per_column - 2 * jnp.sum(weight * cross, axis=0) + spread
            miss = miss - middle
        spread = jnp.maximum(matmul(per_column, member), 0)
        return (spread + joint.mass * matmul(miss**2, member)) / energy

    truth = lambda a: (joint.scatter[columns[a]], jnp.diagonal(joint.scatter), joint.mean)
    every = range(len(columns))
    direct = jnp.stack([sums(a, weights[a], biases[a], truth(a)) for a in every])
    through, apart = [], []
    for a in every:
        for b in every:
            first = weights[a][:, columns[b]]
            weight = matmul(first, weights[b])
            bias = matmul(biases[a][columns[b]], weights[b]) + biases[b]
            through.append(sums(a, weight, bias, truth(a)))
            apart.append(sums(a, weight - weights[a], bias - biases[a], None))
    shape = (len(columns),) * 3
    whole = lambda rows: jnp.stack(rows).reshape(shape)
    return CompositionErrors(direct, whole(through), whole(apart))


_errors = in_float64(_kernel)
