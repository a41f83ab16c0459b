r"""Moments by group of rows: of each fold, or of each person, from one pass.

Rows of one person do not tell two things apart that are told about another: they are held
out together, and drawn together. What is left out or drawn again is then a sum over groups,

$$\sum_g v_g \Big[ S_g + m_g (\bar x_g - \bar x)'(\bar x_g - \bar x) \Big], \qquad
  \bar x = \sum_g v_g m_g \bar x_g \Big/ \sum_g v_g m_g,$$

with $v_g$ 0 or 1 in cross-validation and a count in the bootstrap. Nothing is subtracted
that was added, so nothing cancels.
"""

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, Int

from ..core.fan_out import fan_out
from ..core.linalg import matmul
from ..core.moments import as_rows, batch_moments, PairMoments
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from .closed_form import check_pair


def group_moments(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    group: Int[np.ndarray, " n"],
    weights: Float[Numeric, " n"] | None = None,
) -> PairMoments:
    """The `pair_moments` of each group of rows, stacked along a leading axis (groups,).

    `group (n,)` numbers the group of each row from 0: `assign_folds(labels)`, or
    `np.unique(labels, return_inverse=True)[1]`; it is known before anything is compiled.
    Each row is seen once; groups are padded to the largest. Stacks of disjoint rows merge
    by `jax.vmap(jfm.merge)`. Raises `ValueError` if rows do not pair up.
    """
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    place, real = places(check_groups(group, x.shape[0]))
    return _group_moments(x, y, weights, place, real)


def merge_groups(
    moments: PairMoments, weights: Float[Numeric, " groups"] | None = None
) -> PairMoments:
    """The moments of all groups together, group g counted `weights[g]` times.

    As if the rows of group g had been given `weights[g]` times their weight. Of stacked
    moments as `group_moments` makes them.
    """
    return _merge_groups(moments, weights)


def check_groups(group, n: int) -> Int[np.ndarray, " n"]:
    """`group` on the host; `ValueError` unless it numbers the group of each row from 0."""
    group = np.asarray(group)
    if group.shape != (n,) or group.dtype.kind not in "iu" or (n and group.min() < 0):
        raise ValueError(
            f"group numbers the group of each of {n} rows, from 0; got {group.shape} of "
            f"{group.dtype}. Of labels take np.unique(labels, return_inverse=True)[1]."
        )
    return group


def check_folds(folds) -> None:
    """Raise `ValueError` unless these are summaries of two folds or more, stacked."""
    check_pair(folds)
    shape = folds.count.shape
    if len(shape) != 1 or shape[0] < 2:
        raise ValueError(
            f"Cross-validation takes the summaries of two folds or more, stacked along a "
            f"leading axis, as jfm.group_moments makes them; these have shape {shape}."
        )


def places(group: Int[np.ndarray, " n"]):
    """Rows of each group `(groups, m)`, padded to the largest; and which are no padding."""
    size = np.bincount(group)
    order = np.argsort(group, kind="stable").astype(np.int32)
    slot = np.arange(size.max(initial=1))[None] < size[:, None]
    place = np.zeros(slot.shape, np.int32)
    place[slot] = order
    return place, slot


def gather_groups(
    dtype, x, y, weights, place, real, summarise=batch_moments, mesh: Mesh | None = None
):
    """The kernel of `group_moments`, for use inside kernels: the summary of each group."""

    def one(group, x, y, weights):
        rows, real = group
        own = jnp.ones((), dtype) if weights is None else widen(weights[rows], dtype)
        return summarise(dtype, x[rows], y[rows], jnp.where(real, own, 0))

    groups = jnp.asarray(place), jnp.asarray(real)
    return fan_out(one, groups, x, y, weights, mesh=mesh)


def sum_groups(m: PairMoments, v: Float[Numeric, " groups"]) -> PairMoments:
    """The kernel of `merge_groups`: of plain arrays, for use inside kernels."""
    share = v * m.mass
    mass = jnp.sum(share)
    shares = share / jnp.where(mass > 0, mass, 1)
    mean_x, mean_y = matmul(shares, m.mean_x), matmul(shares, m.mean_y)
    dx, dy = m.mean_x - mean_x[None], m.mean_y - mean_y[None]
    add = lambda s: matmul(v, s.reshape(s.shape[0], -1)).reshape(s.shape[1:])
    pulled = (share[:, None] * dx).T
    return PairMoments(
        count=jnp.sum(jnp.where(v > 0, m.count, 0)),
        mass=mass,
        mean_x=mean_x,
        mean_y=mean_y,
        xx=add(m.xx) + matmul(pulled, dx),
        xy=add(m.xy) + matmul(pulled, dy),
        yy=add(m.yy) + matmul(share, dy**2),
    )


def _merge_kernel(dtype, moments, weights):
    m = widen(moments, dtype)
    one = jnp.ones(m.mass.shape, dtype)
    return sum_groups(m, one if weights is None else widen(jnp.asarray(weights), dtype))


_group_moments = in_float64(gather_groups, wide=True)
_merge_groups = in_float64(_merge_kernel, wide=True)
