"""All N x N maps among N models, from one joint statistic of one pass over the rows."""

import functools as ft
import warnings
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..core.maps import AbstractMap, AffineMap, identity_map, LinearMap, RotationMap
from ..core.moments import find_model, JointMoments
from ..core.polar import polar
from ..core.precision import in_float64, unrounded
from ..core.side_by_side import map_side_by_side
from ..core.types import Numeric
from ..core.wide import is_wide, outer
from .closed_form import as_ridge, bias_of, solve_ridge


kinds = ("identity", "linear", "affine", "rotation")


class PairMaps(eqx.Module):
    """The maps of one kind: `maps[i, j]` or `maps["a", "b"]` goes from `a` to `b`."""

    table: tuple[tuple[AbstractMap, ...], ...]
    names: tuple[str, ...] = eqx.field(static=True)

    def __getitem__(self, pair: tuple[int | str, int | str]) -> AbstractMap:
        source, target = (find_model(self.names, m) for m in pair)
        return self.table[source][target]

    def __len__(self) -> int:
        return len(self.names)


def fit_all_pairs(
    joint: JointMoments, kind: str, *, ridge: float | int | Float[Numeric, ""] = 0.0
) -> PairMaps:
    """Fit every ordered pair at once; equal to `solve_<kind>(joint.pair(i, j))` of each.

    One factorisation a source serves all targets, and a rotation and its way back are
    one: `maps[j, i]` is exactly the transpose of `maps[i, j]`. The diagonal holds the
    self-maps: the identity, or for least squares of lacking rank or with a ridge, what
    that makes of it. `ridge` is for linear and affine maps. Warns, outside `jit`, of
    models with fewer rows than dimensions, whose maps are of minimum norm. What maps are
    to where there is no float64: `solve_linear`.
    """
    if kind not in kinds:
        raise ValueError(f"kind is one of {', '.join(kinds)}; got {kind!r}.")
    if kind in ("identity", "rotation") and isinstance(ridge, float | int) and ridge:
        raise ValueError(f"A map of kind {kind!r} takes no ridge; got {ridge}.")
    if kind == "identity":
        dtype = joint.mean.high.dtype
        row = lambda d: tuple(identity_map(d, k, dtype) for k in joint.dims)
        return PairMaps(tuple(map(row, joint.dims)), joint.names)
    if kind == "rotation":
        return PairMaps(_rotation_table(_rotations(joint), joint), joint.names)
    ridge = as_ridge(ridge)
    _warn_of_few_rows(joint, ridge, bias=kind == "affine")
    weights, biases = _least_squares(joint, ridge, float(kind == "affine"))
    make = LinearMap if kind == "linear" else AffineMap
    given = (weights,) if kind == "linear" else (weights, biases)
    table = tuple(tuple(map(make, *row)) for row in zip(*given, strict=True))
    return PairMaps(table, joint.names)


def _warn_of_few_rows(joint, ridge, bias) -> None:
    if any(isinstance(x, Tracer) for x in (joint.count.high, ridge)):
        return
    count = float(np.asarray(joint.count))
    if np.all(np.asarray(ridge) > 0):
        return
    named = zip(joint.names, joint.dims, strict=True)
    short = [f"{name} ({d})" for name, d in named if count < d + bias]
    if short:
        warnings.warn(
            f"{count:g} rows do not determine a map from {', '.join(short)}: of the many "
            "that fit exactly this is the one of least norm. Pass ridge=, fit rotations, "
            "or gather more rows.",
            stacklevel=3,
        )


def _least_squares_kernel(dtype, joint, ridge, centred):
    """Weights and biases, source by target; one program serves linear and affine maps."""
    given = (joint, *map(jnp.asarray, (ridge, centred)))
    joint, ridge, centred = unrounded(given, dtype)
    mean, columns = joint.mean, joint.columns
    products = joint.scatter + (1 - centred) * joint.mass * outer(mean, mean)
    cut = lambda x: tuple(x[..., target] for target in columns)

    def row(source):
        weight = solve_ridge(products[source, source], products[source], ridge)
        return cut(weight), cut(bias_of(weight, mean[source], mean))

    return tuple(zip(*map(row, columns), strict=True))


def _rotations_kernel(dtype, joint):
    """The rotations above the diagonal, stacked by shape: {(d, k): (pairs, d, k)}."""
    joint = unrounded(joint, dtype)

    def cross(pair):
        a, b = (joint.columns[i] for i in pair)
        shift = joint.mass * outer(joint.mean[a], joint.mean[b])
        return joint.scatter[a, b] + shift

    def polars(pairs):
        stack = jax.tree.map(lambda *x: jnp.stack(x), *map(cross, pairs))
        if is_wide(stack):
            return jax.vmap(polar)(stack)
        return jax.lax.platform_dependent(
            stack, cpu=ft.partial(map_side_by_side, polar), default=jax.vmap(polar)
        )

    groups = _pairs_by_shape(joint.dims)
    return {shape: polars(pairs) for shape, pairs in groups.items()}


def _pairs_by_shape(dims: Sequence[int]) -> dict[tuple[int, int], list]:
    groups = {}
    for i, d in enumerate(dims):
        for j, k in enumerate(dims[i + 1 :], i + 1):
            groups.setdefault((d, k), []).append((i, j))
    return groups


@jax.jit
def _rotation_table(stacks: dict[tuple[int, int], Array], joint: JointMoments):
    dtype, n = joint.mean.high.dtype, len(joint.dims)
    maps = {(i, i): identity_map(d, dtype=dtype) for i, d in enumerate(joint.dims)}
    for shape, pairs in _pairs_by_shape(joint.dims).items():
        for (i, j), rotation in zip(pairs, stacks[shape], strict=True):
            maps[i, j] = RotationMap(rotation)
            maps[j, i] = maps[i, j].inverse
    return tuple(tuple(maps[i, j] for j in range(n)) for i in range(n))


_least_squares = in_float64(_least_squares_kernel)
_rotations = in_float64(_rotations_kernel)
