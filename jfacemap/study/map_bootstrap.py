r"""How sure is a map? People drawn again, and the map fitted to each draw.

A draw counts person p $v_p$ times, $v \sim \mathrm{Multinomial}(P; 1/P)$. Its moments are
those of the people, reweighted (`merge_groups`): rows are summed once, whatever the number
of draws. Images of one person are not independent, so people are drawn and not images.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key, Shaped

from ..core.fan_out import fan_out
from ..core.maps import AbstractMap
from ..core.moments import as_rows, batch_moments
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from ..evaluate.confidence import bootstrap_weights
from ..fit.closed_form import as_ridge
from ..fit.groups import gather_groups, places, sum_groups
from ..fit.robust import check_ridge_of, solves


Kind = Literal["linear", "affine", "rotation", "similarity"]
group_bytes = 2**30
"""Most memory that moments by group may take; beyond, each draw weighs the rows."""


class MapDraws(eqx.Module):
    """Maps fitted to draws, stacked along a leading axis (replicates,).

    `counts (replicates, groups)`: how often each group was drawn; groups are numbered in
    the order of their sorted labels.
    """

    maps: AbstractMap
    counts: Int[Array, "replicates groups"]


class MapSpread(eqx.Module):
    """Mapped rows under many maps.

    - `mean (n, k)`, `deviation (n, k)`: over the maps, N - 1 in the variance
    - `radius (n,)`: root of the mean squared distance from `mean`
    """

    mean: Float[Array, "n k"]
    deviation: Float[Array, "n k"]
    radius: Float[Array, " n"]


def bootstrap_maps(
    key: Key[Array, ""],
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    *,
    kind: Kind = "affine",
    groups: Shaped[Numeric, " n"] | None = None,
    replicates: int = 100,
    weights: Float[Numeric, " n"] | None = None,
    ridge: float | int | Float[Numeric, ""] = 0.0,
    mesh: Mesh | None = None,
) -> MapDraws:
    """Fit a map to each of `replicates` draws of the groups, with replacement.

    **Arguments:**

    - `key`: of the draws, `bootstrap_weights(key, groups, replicates)`.
    - `kind`: "linear", "affine" (both with `ridge`), "rotation" or "similarity".
    - `groups (n,)`: labels of who a row shows; without them rows are drawn.
    - `mesh`: each of its devices fits its share of the draws, and holds all rows.

    Where groups are few, rows are summed by group once and draws are sums of groups; where
    they are many or wide (a gibibyte), each draw weighs the rows: the maps are the same, to
    rounding. A draw holds some 63 % of the people: with hardly more rows than dimensions
    its least squares maps are worse than the one of all rows, and a ridge is due. Raises
    `ValueError` for another kind, a ridge of a kind that takes none, no rows, or if shapes
    do not match.
    """
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    if kind not in solves:
        raise ValueError(f"kind is one of {', '.join(solves)}; got {kind!r}.")
    check_ridge_of(kind, ridge)
    if not len(x):
        raise ValueError(f"There is no row to draw: x has shape {x.shape}.")
    if groups is not None and np.shape(groups) != x.shape[:1]:
        shape = np.shape(groups)
        raise ValueError(f"groups has a label for each of {x.shape[0]} rows: {shape}.")
    if replicates < 1:
        raise ValueError(f"A bootstrap takes at least one draw; got {replicates}.")
    n, ridge = x.shape[0], as_ridge(ridge)
    named = np.arange(n) if groups is None else np.asarray(groups)
    code = np.unique(named, return_inverse=True)[1].astype(np.int32)
    counts = bootstrap_weights(key, int(code.max()) + 1, replicates)
    given = x, y, weights, counts, ridge
    options = {"kind": kind, "mesh": mesh}
    if sum_by_group(n, counts.shape[1], x.shape[1], y.shape[1]):
        return MapDraws(_by_group(*given, *places(code), **options), counts)
    return MapDraws(_by_row(*given, code, **options), counts)


def map_spread(maps: AbstractMap, x: Float[Numeric, "n d"]) -> MapSpread:
    """Rows `x` under each map of a stack: the mean, and how far the maps disagree.

    Of one map the deviations are NaN. Memory is that of a few maps' rows. Raises
    `ValueError` for a map that is no stack, or of rows of another width.
    """
    stack = maps.stack_shape
    if len(stack) != 1 or not stack[0]:
        raise ValueError(
            f"Maps are stacked along one leading axis, as bootstrap_maps makes them; these "
            f"have {stack}."
        )
    if jnp.ndim(x) != 2:
        raise ValueError(f"x must be (n, d), rows are samples; got {jnp.shape(x)}.")
    return _map_spread(maps, jnp.asarray(x))


def sum_by_group(n: int, groups: int, d: int, k: int) -> bool:
    """Whether moments by group cost less than rows weighed anew in each draw."""
    return 2 * groups <= n and 8 * groups * d * (d + k) <= group_bytes


def _group_kernel(dtype, x, y, weights, counts, ridge, place, real, *, kind, mesh):
    moments = gather_groups(dtype, x, y, weights, place, real)
    ridge = widen(jnp.asarray(ridge), dtype)
    one = lambda v, m, ridge: solves[kind](sum_groups(m, v.astype(dtype)), ridge)
    return fan_out(one, counts, moments, ridge, mesh=mesh)


def _row_kernel(dtype, x, y, weights, counts, ridge, code, *, kind, mesh):
    w = jnp.ones(x.shape[0], dtype) if weights is None else widen(weights, dtype)
    ridge = widen(jnp.asarray(ridge), dtype)

    def one(v, x, y, w, code, ridge):
        drawn = jnp.where(w != 0, w * v.astype(dtype)[code], 0)
        return solves[kind](batch_moments(dtype, x, y, drawn), ridge)

    return fan_out(one, counts, x, y, w, code, ridge, mesh=mesh)


@jax.jit
def _map_spread(maps, x) -> MapSpread:
    number = jax.tree.leaves(maps)[0].shape[0]

    def total(f):
        add = lambda sum_, m: (sum_ + f(m(x)), None)
        first = jax.tree.map(lambda leaf: leaf[0], maps)
        zero = jnp.zeros_like(first(x))
        return jax.lax.scan(add, zero, maps)[0]

    mean = total(lambda rows: rows) / number
    square = total(lambda rows: (rows - mean) ** 2)
    deviation = jnp.sqrt(square / (number - 1 if number > 1 else jnp.nan))
    return MapSpread(mean, deviation, jnp.sqrt(jnp.sum(square, axis=1) / number))


_by_group = in_float64(_group_kernel, static=("kind", "mesh"))
_by_row = in_float64(_row_kernel, static=("kind", "mesh"))
