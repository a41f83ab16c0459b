"""What the energy of a field would be by chance: random vectors on the same points."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core.mesh import everywhere
from ..core.precision import in_float64
from ..core.types import as_array, Numeric
from .energy import (
    check_field,
    Field,
    field_energy,
    FieldEnergy,
    find_edges,
    flatten,
    means,
    ready,
    sums,
)
from .neighbours import KNearest, Neighbours
from .tiles import Metric, unit_factors


Kind = Literal["permutation", "gaussian"]

together = 8
"""Random fields that share one pass over the distances."""


class FieldNull(eqx.Module):
    r"""The energy of a field beside those of random fields on the same points.

    - `found`: the `FieldEnergy` of the field itself
    - `null (R, *a, *s)`: energies of the random fields

    A point is not an independent draw: neighbours share images and edits. The unit of a
    statistical claim is the identity; z and p of one identity only describe.
    """

    found: FieldEnergy
    null: Float[Array, "R *a_s"]

    @property
    def z(self) -> Float[Array, "*a_s"]:
        """Standard deviations of the null that the energy lies above its mean."""
        return (self.found.energy - self.null.mean(axis=0)) / self.null.std(axis=0, ddof=1)

    @property
    def p_value(self) -> Float[Array, "*a_s"]:
        """How often chance is as coherent: (1 + #{null <= energy}) / (R + 1)."""
        return self._share(jnp.sum(self.null <= self.found.energy[None], axis=0))

    @property
    def p_greater(self) -> Float[Array, "*a_s"]:
        """How often chance is as incoherent."""
        return self._share(jnp.sum(self.null >= self.found.energy[None], axis=0))

    def _share(self, count):
        energy = self.found.energy
        p = (1 + count).astype(energy.dtype) / (1 + self.null.shape[0])
        return jnp.where(jnp.isnan(energy), jnp.nan, p)


def field_null(
    key: Key[Array, ""],
    points: Float[Numeric, "n d"],
    vectors: Float[Numeric, "*a n k"],
    *,
    neighbours: Neighbours = KNearest(10),  # noqa: B008  frozen
    metric: Metric = "cosine",
    scale: float | Float[Numeric, ""] | None = None,
    kind: Kind = "permutation",
    repeats: int = 100,
) -> FieldNull:
    """Energies of `repeats` random fields on the same points, beside that of the field.

    **Arguments:**

    - `kind`: "permutation" deals the vectors of the points anew, the same deal for all
      attributes; "gaussian" draws directions isotropically. Points that the energy skips
      keep no vector in either.
    - the others: as in `field_energy`.

    Neighbours are found once. Raises `ValueError` on shapes that do not match.
    """
    points, vectors = as_array(points), as_array(vectors)
    check_field(points, vectors, neighbours, metric)
    if kind not in ("permutation", "gaussian"):
        raise ValueError(f"kind is 'permutation' or 'gaussian'; got {kind!r}.")
    if repeats < 1:
        raise ValueError(f"A null takes at least one random field; got {repeats}.")
    options = {"neighbours": neighbours, "metric": metric}
    found = field_energy(points, vectors, scale=scale, **options)
    points, flat = flatten(points, vectors)
    seeds = jax.random.key_data(jax.random.split(key, repeats))
    (points, flat), shards = everywhere((points, flat))
    given = seeds, points, flat, neighbours, found.scale
    null = _compiled(*given, metric=metric, kind=kind, shards=shards)
    return FieldNull(found, null.reshape(repeats, *found.energy.shape))


def _null(dtype, seeds, points, vectors, neighbours, scale, *, metric, kind):
    field = ready(dtype, points, vectors, metric)
    edges = find_edges(field, neighbours, metric)
    scale = scale.astype(dtype)
    draw = _deal if kind == "permutation" else _isotropic

    def energy(seed):
        v, factor = draw(jax.random.wrap_key_data(seed), field)
        random = field._replace(v=v, factor=factor)
        total, weight, *_ = sums(random, edges, neighbours, scale, metric)
        return means(total.astype(dtype), weight.astype(dtype))[1]

    # Nearest neighbours are gathered, one field after the other; weights are multiplied.
    size = 1 if isinstance(neighbours, KNearest) else together
    return jax.lax.map(energy, seeds, batch_size=size)


def _deal(key, field: Field):
    """Vectors of the points that have one, on those points in another order."""
    n = field.x.shape[0]
    score = jax.random.uniform(key, (n,), jnp.float32)

    def one(v, factor, live):
        # The live points first, in a random order and in that of their index.
        there = jnp.argsort(jnp.where(live, score, jnp.inf))
        here = jnp.argsort(~live)
        dealt = jnp.zeros_like(here).at[here].set(there)
        return v[dealt], factor[dealt]

    return jax.vmap(one)(field.v, field.factor, field.live)


def _isotropic(key, field: Field):
    v = jax.random.normal(key, field.v.shape, jnp.float32)
    factor, _ = unit_factors(v)
    return v, jnp.where(field.live, factor, 0)


_compiled = in_float64(_null, static=("metric", "kind"))
