"""Angles and other quantities read off features by least squares (paper 001, 3.2, 4.1)."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Num, Shaped

from ..core.linalg import matmul
from ..core.moments import as_rows, batch_moments
from ..core.order import first_least
from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric


default_ridges = 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1


class Regressor(eqx.Module):
    """`x -> x W + b`, for targets `(n, *k)`.

    - `weight (d, *k)`, `bias (*k)`
    - `ridge`: the relative penalty used
    - `error (grid,)`: mean squared error on held-out folds, of each penalty tried
    """

    weight: Float[Array, "d *k"]
    bias: Float[Array, "*k"]
    ridge: Float[Array, ""]
    error: Float[Array, " grid"]

    def __call__(self, x: Float[Numeric, "n d"]) -> Float[Array, "n *k"]:
        """Predicted targets."""
        d = self.weight.shape[0]
        if x.ndim != 2 or x.shape[1] != d:
            raise ValueError(f"This regressor takes rows (n, {d}); got {x.shape}.")
        flat = matmul(x, self.weight.reshape(d, -1))
        return flat.reshape(-1, *self.bias.shape) + self.bias[None]


class BinnedError(eqx.Module):
    """Mean absolute errors by bins of the truth, as Table 1 of paper 001.

    - `error (bins,)`, `count (bins,)`: NaN where no row is
    - `total`: over all rows in bins
    - `outside`: rows in no bin; `unknown`: rows with a NaN
    """

    error: Float[Array, " bins"]
    count: Int[Array, " bins"]
    total: Float[Array, ""]
    outside: Int[Array, ""]
    unknown: Int[Array, ""]


def fit_ridge(
    x: Float[Numeric, "n d"],
    targets: Num[Numeric, "n *k"],
    *,
    weights: Float[Numeric, " n"] | None = None,
    ridge: float | int | Float[Numeric, ""] | None = None,
    ridges: Sequence[float | int] | Float[Numeric, " grid"] = default_ridges,
    groups: Shaped[Numeric, " n"] | None = None,
    folds: int = 5,
) -> Regressor:
    r"""Minimise $\|x W + b - y\|^2 + \lambda \bar s \|W\|^2$, $\bar s$ the mean eigenvalue.

    With $\bar s = \mathrm{tr}(\tilde x' \tilde x) / d$ of the centred rows, so that
    $\lambda$ means the same for features of any scale. Float64 inside where the platform
    has it.

    **Arguments:**

    - `targets`: one or several quantities a row.
    - `weights`: of rows, not negative; rows of zero weight are left out, NaN or not.
    - `ridge`: $\lambda \ge 0$, traced; 0 is plain least squares, of least norm where rank
      lacks. By default the one of `ridges` of least error on held-out folds.
    - `groups`: rows of one group (a person) stay in one fold; otherwise every `folds`-th
      row is in one.

    Raises `ValueError` if rows do not pair up or are too few for the folds, if a row of
    any weight or its target is not finite, or a penalty is negative.
    """
    x, targets = as_array(x), as_array(targets)
    if targets.ndim == 0 or x.ndim != 2 or len(x) != len(targets):
        raise ValueError(
            f"Rows (n, d) and targets (n, ...) pair up; got {x.shape} and {targets.shape}."
        )
    y = jnp.asarray(targets).reshape(len(x), -1)
    y = y if jnp.issubdtype(y.dtype, jnp.floating) else y.astype(jnp.float32)
    (x, y), weights = as_rows((x, y), ("x", "targets"), weights)
    _check_finite(x, y, weights)
    if ridge is not None:
        if not isinstance(ridge, Tracer) and not np.asarray(ridge) >= 0:
            raise ValueError(f"A ridge is a penalty from 0 on; got {ridge}.")
        grid, fold, folds = jnp.asarray(ridge, jnp.float32)[None], None, 0
    else:
        grid, fold = jnp.asarray(ridges, jnp.float32), _folds(len(x), groups, folds)
        if not isinstance(grid, Tracer) and not (grid.size and jnp.all(grid >= 0)):
            raise ValueError(f"Ridges are penalties from 0 on, one at least; got {ridges}.")
    weight, bias, used, error = _fit(x, y, weights, grid, fold, folds=folds)
    rest = targets.shape[1:]
    return Regressor(weight.reshape(-1, *rest), bias.reshape(rest), used, error)


def _check_finite(x, y, weights) -> None:
    if any(isinstance(a, Tracer) for a in (x, y, weights)):
        return
    whole = lambda a: jnp.all(jnp.isfinite(a), axis=1)
    broken = ~(whole(x) & whole(y))
    broken = jnp.sum(broken if weights is None else broken & (jnp.asarray(weights) != 0))
    if broken:
        raise ValueError(
            f"{int(broken):,} of {len(x):,} rows or their targets are not finite: leave "
            "them out, or give them weight 0."
        )


def _folds(n, groups, folds):
    if groups is None:
        at, number = np.arange(n), n
    else:
        groups = np.asarray(as_array(groups))
        if groups.shape != (n,):
            raise ValueError(f"Groups {groups.shape} are not one a row of {n}.")
        values, at = np.unique(groups, return_inverse=True)
        number = len(values)
    if folds < 2 or number < folds:
        raise ValueError(
            f"{folds} folds need at least two of them and as many groups; there are "
            f"{number}. Give ridge= to do without."
        )
    return np.int32(at % folds)


def _kernel(dtype, x, y, weights, ridges, fold, *, folds):
    """Penalties are tried along the eigenvectors of the other folds' Gram matrix."""
    ridges, y, weights = widen((ridges, y, weights), dtype)
    if fold is None:
        error = jnp.full(ridges.shape, jnp.nan, dtype)
        best = ridges[0]
    else:
        share = jnp.ones(x.shape[0], dtype) if weights is None else weights
        alive = (share != 0)[:, None]

        def held_out(i):
            out = (fold == i).astype(dtype) * share
            path = _path(dtype, x, y, jnp.where(out > 0, 0, share), ridges)
            axes, coefficients, mean_x, mean_y = path
            turned = matmul(jnp.where(alive, widen(x, dtype) - mean_x[None], 0), axes)
            guess = jnp.einsum(
                "nd,rdk->rnk", turned, coefficients, precision=jax.lax.Precision.HIGHEST
            )
            miss = jnp.where(alive[None], guess + mean_y[None, None] - y[None], 0)
            return matmul(jnp.sum(miss**2, axis=2), out)

        squares = jnp.sum(jax.lax.map(held_out, jnp.arange(folds, dtype=jnp.int32)), axis=0)
        error = squares / (jnp.sum(share) * y.shape[1])
        best = ridges[first_least(error)]
    axes, coefficients, mean_x, mean_y = _path(dtype, x, y, weights, best[None])
    weight = matmul(axes, coefficients[0])
    return weight, mean_y - matmul(mean_x, weight), best, error


def _path(dtype, x, y, weights, ridges):
    m = batch_moments(dtype, x, y, weights)
    s, v = jnp.linalg.eigh(m.xx)
    s = jnp.maximum(s, 0)
    seen = matmul(v.T, m.xy)
    level = s[None] + ridges[:, None] * jnp.mean(s)
    floor = s.shape[0] * jnp.finfo(dtype).eps * s[-1]
    alive = level > floor
    inverse = jnp.where(alive, 1 / jnp.where(alive, level, 1), 0)
    return v, inverse[:, :, None] * seen[None], m.mean_x, m.mean_y


_fit = in_float64(_kernel, static=("folds",))


def binned_absolute_error(
    pred: Num[Numeric, " n"],
    truth: Num[Numeric, " n"],
    edges: Sequence[float | int] | Num[Numeric, " edges"],
) -> BinnedError:
    """Mean of |pred - truth| over rows with `edges[i] <= truth < edges[i + 1]`.

    Table 1 of paper 001 has edges 0, 15, 30, 45 and infinity, in degrees. Raises
    `ValueError` unless predictions are one a truth and edges ascend.
    """
    pred, truth = (jnp.asarray(as_array(a)) for a in (pred, truth))
    bars = edges if isinstance(edges, jax.Array) else np.asarray(edges, np.float32)
    if pred.shape != truth.shape or pred.ndim != 1:
        raise ValueError(f"{pred.shape} predictions are not one a truth, {truth.shape}.")
    known = not isinstance(bars, Tracer)
    if bars.ndim != 1 or bars.size < 2 or (known and not np.all(np.diff(bars) > 0)):
        raise ValueError(f"Edges ascend, two at least; got {edges}.")
    return _binned(pred, truth, jnp.asarray(bars, jnp.float32))


@jax.jit
def _binned(pred, truth, edges):
    pred, truth = (a.astype(jnp.float32) for a in (pred, truth))
    unknown = jnp.isnan(pred) | jnp.isnan(truth)
    bins = edges.shape[0] - 1
    at = jnp.searchsorted(edges, truth, side="right") - 1
    at = jnp.where(unknown | (truth >= edges[-1]), -1, at)
    inside = (at >= 0) & (at < bins)
    member = inside[:, None] & (at[:, None] == jnp.arange(bins, dtype=at.dtype)[None])
    distance = jnp.where(inside, jnp.abs(pred - truth), 0)
    sums = jnp.sum(jnp.where(member, distance[:, None], 0), axis=0)
    count = jnp.sum(member, axis=0, dtype=jnp.int32)
    whole = lambda n: jnp.maximum(n, 1).astype(jnp.float32)
    mean = lambda s, n: jnp.where(n > 0, s / whole(n), jnp.nan)
    return BinnedError(
        error=mean(sums, count),
        count=count,
        total=mean(jnp.sum(sums), jnp.sum(count, dtype=jnp.int32)),
        outside=jnp.sum(~inside & ~unknown, dtype=jnp.int32),
        unknown=jnp.sum(unknown, dtype=jnp.int32),
    )
