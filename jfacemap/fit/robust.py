r"""Fits that wrong pairs do not spoil: reweighted least squares, and trimming.

The squared error of a pair is replaced by a loss of its length $r_i = \|m(x_i) - y_i\|$
that grows more slowly, and minimised by least squares of weights that follow the residuals
(IRLS; Holland & Welsch, 1977). Pairs are wrong as wholes, as a mislabelled image is, so
that rows are weighed and not numbers. Every kind of map that moments determine will do.
"""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..core.factor import pair_factor
from ..core.maps import AbstractMap
from ..core.mesh import each_shard
from ..core.moments import as_rows, batch_moments
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from .closed_form import as_ridge, solve_affine, solve_linear
from .rotation import solve_rotation, solve_similarity


Kind = Literal["linear", "affine", "rotation", "similarity"]
Loss = Literal["huber", "distance", "trimmed"]
Number = float | int | Float[Numeric, ""]

solves: dict[str, Callable] = {
    "linear": lambda m, ridge: solve_linear(m, ridge=ridge),
    "affine": lambda m, ridge: solve_affine(m, ridge=ridge),
    "rotation": lambda m, ridge: solve_rotation(m),
    "similarity": lambda m, ridge: solve_similarity(m),
}
"""A map of each kind from moments; the ridge is for the first two."""

losses = "huber", "distance", "trimmed"
row_batch = 4096
smoothing = 1e-6
"""Of the scale: how near to a pair a "distance" is still a distance."""


class RobustFit(eqx.Module):
    """A map, and what it makes of each pair.

    - `weights (n,)`: those of the last fit, the given ones times what the loss leaves of
      each: a pair of low weight is one to look at
    - `residuals (n,)`: lengths of `map(x) - y`; NaN for rows that were given no weight
    - `scale`: weighted median of the residuals
    - `steps`: fits made; `change`: of the residuals in the last one, in units of the scale
    """

    map: AbstractMap
    weights: Float[Array, " n"]
    residuals: Float[Array, " n"]
    scale: Float[Array, ""]
    steps: Int[Array, ""]
    change: Float[Array, ""]


def fit_robust(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    *,
    kind: Kind = "affine",
    loss: Loss = "huber",
    weights: Float[Numeric, " n"] | None = None,
    ridge: Number = 0.0,
    threshold: Number = 1.5,
    keep: Number = 0.5,
    steps: int | Int[Numeric, ""] = 100,
    tolerance: Number = 1e-6,
) -> RobustFit:
    r"""Minimise $\sum_i w_i \rho(r_i) + \lambda \|W\|^2$ over maps of a kind.

    **Arguments:**

    - `kind`: "linear", "affine" (both with `ridge`), "rotation" or "similarity".
    - `loss`: with c = `threshold` times the median residual,

        - "huber": $r^2/2$ up to c, $c r - c^2/2$ beyond. Little is lost where all is well.
        - "distance": r itself, the objective of paper 000, eq. 2 as it is printed; within
          1e-6 of the median residual it is rounded off.
        - "trimmed": $r^2/2$ of the fraction `keep` of the pairs that fit best, by weight,
          and nothing of the others (Rousseeuw & Van Driessen, 2006, from the "distance"
          map; each step lowers the objective). Survives up to 1 - `keep` of wrong pairs.

    - `steps`, `tolerance`: at most so many fits; stop when no residual changes by more than
      `tolerance` times the median.

    A wrong pair is one whose y belongs to another x. With d near the number of right pairs
    no loss can tell them apart: choose a rotation or a ridge. NaN in a used row makes the
    map NaN; where all weights are 0, nothing it says means anything. Numbers are traced;
    jits and vmaps, but has no reverse-mode gradient, because it stops by value.
    Raises `ValueError` for another kind or loss, a ridge of a kind that takes none, no row
    or no step.
    """
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    if not x.shape[0]:
        raise ValueError(f"There is no row to fit: x has shape {x.shape}.")
    if kind not in solves or loss not in losses:
        raise ValueError(
            f"kind is one of {', '.join(solves)} and loss one of {', '.join(losses)}; got "
            f"{kind!r} and {loss!r}."
        )
    if isinstance(keep, float | int) and not 0 < keep <= 1:
        raise ValueError(f"keep is the share of pairs fitted, above 0 up to 1; got {keep}.")
    if isinstance(threshold, float | int) and not threshold > 0:
        raise ValueError(f"threshold is in median residuals, above 0; got {threshold}.")
    check_ridge_of(kind, ridge)
    if not isinstance(steps, Tracer) and np.any(np.asarray(steps) < 1):
        raise ValueError(f"steps is at least 1; got {steps}.")
    numbers = tuple(map(float_or_array, (threshold, keep, tolerance)))
    given = x, y, weights, as_ridge(ridge), numbers, jnp.asarray(steps, jnp.int32)
    return _fit(*given, kind=kind, loss=loss)


def check_ridge_of(kind: str, ridge) -> None:
    """Raise `ValueError` for a ridge of a kind that takes none; a traced one passes."""
    has_ridge = not isinstance(ridge, Tracer) and np.any(np.asarray(ridge) > 0)
    if has_ridge and kind not in ("linear", "affine"):
        raise ValueError(f"A {kind} takes no ridge: pass ridge=0; got {ridge}.")


def float_or_array(number):
    """A whole number as a float, so that it is not taken for an index."""
    return float(number) if isinstance(number, int) else number


def residual_lengths(m: AbstractMap, x, y) -> Float[Array, " n"]:
    """Lengths of `m(x) - y` by row, a batch of rows at a time."""

    def lengths(rows, m):
        one = lambda row: jnp.sum((m(row[0]) - row[1]) ** 2)
        return jnp.sqrt(jax.lax.map(one, rows, batch_size=row_batch))

    return each_shard(lengths, (x, y), m, gives_rows=True)


def weighted_quantile(values: Float[Array, " n"], weights: Float[Array, " n"], q):
    """The least value that at least a share `q` of the weight does not exceed."""
    order = jnp.argsort(values)
    reached = jnp.cumsum(weights[order])
    place = jnp.searchsorted(reached, q * reached[-1])
    return values[order][jnp.minimum(place, values.shape[0] - 1)]


def _reweight(loss, r, w, threshold, keep):
    """What a loss leaves of each weight, and the median residual."""
    scale = weighted_quantile(r, w, 0.5)
    tiny = jnp.finfo(r.dtype).tiny  # where most pairs fit exactly, those keep their weight
    if loss == "trimmed":
        # NaN is no reason to leave a pair out: it is to be seen in the map.
        return jnp.where(r > weighted_quantile(r, w, keep), 0, w), scale
    if loss == "huber":
        limit = jnp.maximum(threshold * scale, tiny)
        return w * jnp.minimum(1, limit / jnp.maximum(r, tiny)), scale
    least = jnp.maximum(smoothing * scale, tiny)
    return w * jnp.maximum(scale, tiny) / jnp.maximum(r, least), scale


def _kernel(summarise):
    def kernel(dtype, x, y, weights, ridge, numbers, steps, *, kind, loss) -> RobustFit:
        given = (x, y, weights, *map(jnp.asarray, (ridge, *numbers)))
        x, y, weights, ridge, threshold, keep, tolerance = widen(given, dtype)
        w = jnp.ones(x.shape[0], dtype) if weights is None else weights
        used = w != 0
        x, y = (jnp.where(used[:, None], rows, 0) for rows in (x, y))

        def fit(v):
            m = solves[kind](summarise(dtype, x, y, v), ridge)
            return m, jnp.where(used, residual_lengths(m, x, y), jnp.inf)

        def descend(loss, start):
            def step(state):
                done, _, r, _, _ = state
                v, scale = _reweight(loss, r, w, threshold, keep)
                m, new = fit(v)
                moved = jnp.max(jnp.where(used, jnp.abs(new - r), 0))
                change = moved / jnp.maximum(scale, jnp.finfo(dtype).tiny)
                return done + 1, m, new, v, change

            def goes_on(state):
                return (state[0] < steps) & ~(state[-1] <= tolerance)

            infinite = jnp.full((), jnp.inf, dtype)
            begin = jnp.zeros((), jnp.int32), *start, w, infinite
            return jax.lax.while_loop(goes_on, step, begin)

        done, start = jnp.zeros((), jnp.int32), fit(w)
        if loss == "trimmed":
            done, m, r, _, _ = descend("distance", start)
            start = m, r
        more, m, r, v, change = descend(loss, start)
        scale = weighted_quantile(r, w, 0.5)
        r = jnp.where(used, r, jnp.nan)
        return RobustFit(m, v, r, scale, done + more + 1, change)

    return kernel


def _factor(dtype, x, y, weights):
    return pair_factor(x, y, weights)


_fit = in_float64(_kernel(batch_moments), without=_kernel(_factor), static=("kind", "loss"))
