r"""Linear support vector machines, many attributes and penalties at once.

Truncated Newton on the squared hinge (Keerthi & DeCoste, 2005; what LIBLINEAR's primal
solver does), for all columns together, so that a step is a few matrix products. The rows
are rotated once by the eigenvectors of their Gram matrix: in that basis its diagonal alone
preconditions every column's conjugate gradients, and each coordinate keeps its own digits.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, Num

from ..core.linalg import matmul
from ..core.mesh import each_shard, shard_sum
from ..core.moments import batch_moments
from ..core.precision import in_float64, outer_dtype, widen
from ..core.types import as_array, Numeric
from .newton import minimise


class LinearSvm(eqx.Module):
    r"""Hyperplanes of A attributes under a grid of penalties.

    - `weight (A, grid, d)`, `bias (A, grid)`; NaN for an attribute that only one class has
    - `objective (A, grid)`: the least value found of the formula of `fit_svm`
    - `gap (A, grid)`: bound on how far above the minimum that is, relative to it
    - `steps`: Newton steps taken
    """

    weight: Float[Array, "A grid d"]
    bias: Float[Array, "A grid"]
    objective: Float[Array, "A grid"]
    gap: Float[Array, "A grid"]
    steps: Int[Array, ""]

    def decision(self, x: Float[Numeric, "n d"]) -> Float[Array, "n A grid"]:
        """Signed scores; positive says that the attribute is there."""
        a, grid, d = self.weight.shape
        x = jnp.asarray(as_array(x))
        if x.ndim != 2 or x.shape[1] != d:
            raise ValueError(f"This SVM takes rows (n, {d}); got {x.shape}.")
        scores = matmul(x, self.weight.reshape(a * grid, d).T).reshape(-1, a, grid)
        return scores + self.bias[None]

    def choose(self, index: Int[Numeric, " A"]) -> "LinearSvm":
        """One penalty an attribute, by its position in the grid: a grid of one."""
        take = lambda x: jnp.take_along_axis(
            x, jnp.asarray(index).reshape((-1, 1) + (1,) * (x.ndim - 2)), axis=1
        )
        return LinearSvm(
            take(self.weight),
            take(self.bias),
            take(self.objective),
            take(self.gap),
            self.steps,
        )


def fit_svm(
    x: Float[Numeric, "n d"],
    labels: Num[Numeric, "n A"] | Bool[Numeric, "n A"],
    C: Float[Numeric, " grid"],
    *,
    balanced: bool = True,
) -> LinearSvm:
    r"""Minimise $\tfrac12(\|w\|^2 + b^2) + C \sum_i s_i \max(0, 1 - y_i(x_i w + b))^2$.

    For every attribute (column of `labels`) and every penalty of the grid, all at once:
    scikit-learn's `LinearSVC(dual=False, C=C, class_weight="balanced")`, whose bias is
    penalised too. Paper 001, section 3.1.

    **Arguments:**

    - `labels`: +1 present, -1 absent, 0 not known (left out); or booleans. A row of which
      no label is known may be NaN.
    - `C`: penalties, traced.
    - `balanced`: $s_i = n / (2 n_{y_i})$, the same weight for both classes; else 1.

    Products in the steps are float32; gradients that decide where they end are float64
    where the platform has it, until `gap` is below 1e-7. Raises `ValueError` on shapes that
    do not match, labels other than -1, 0 and 1 or 0 and 1 alone, penalties that are not
    positive, or rows with a label that are not finite.
    """
    x, labels, C = (jnp.asarray(as_array(a)) for a in (x, labels, C))
    if labels.dtype == bool:
        labels = 2 * labels.astype(jnp.int8) - 1
    if x.ndim != 2 or labels.ndim != 2 or len(x) != len(labels):
        raise ValueError(
            f"Rows (n, d) and labels (n, A) pair up; got {x.shape} and {labels.shape}. "
            "Give one attribute as labels[:, None]."
        )
    if not len(x):
        raise ValueError("There is no row to fit a plane to.")
    if C.ndim != 1 or not C.size:
        raise ValueError(f"C is a grid (k,) of penalties; got shape {C.shape}.")
    known = (labels == 0) | (jnp.abs(labels) == 1)  # where it lies: maybe on a mesh
    used = jnp.any(labels != 0, axis=1)
    if not isinstance(labels, Tracer):
        unsigned = jnp.any(labels == 1) & jnp.any(labels == 0) & ~jnp.any(labels == -1)
        if not jnp.all(known) or unsigned:
            raise ValueError("Labels are +1, -1, or 0 where not known: 2 * present - 1.")
        if not isinstance(x, Tracer):
            broken = jnp.sum(used & ~jnp.all(jnp.isfinite(x), axis=1))
            if broken:
                raise ValueError(
                    f"{int(broken):,} of {len(x):,} rows are not finite: leave them out, "
                    "or set all their labels to 0."
                )
    x = jnp.where(used[:, None], x, 0)
    if not isinstance(C, Tracer) and not np.all(np.asarray(C) > 0):
        raise ValueError(f"Penalties are positive; got {C}.")
    return _fit(x, labels.astype(jnp.int8), C, balanced=balanced)


def choose_penalty(
    svm: LinearSvm, x: Float[Numeric, "n d"], labels: Num[Numeric, "n A"]
) -> Int[Array, " A"]:
    """Position in the grid of each attribute's best penalty on validation rows.

    Of least balanced error, the mean of both kinds of `error_split`; of equals the first
    (the strongest regularisation, if the grid ascends).
    """
    from .errors import error_split

    split = error_split(svm.decision(x), labels)
    error = (split.false_positive_rate + split.false_negative_rate) / 2
    return jnp.argmin(jnp.where(jnp.isnan(error), jnp.inf, error), axis=1)


def _kernel(dtype, x, labels, C, *, balanced) -> LinearSvm:
    solve = lambda rows, C: _solve(dtype, *rows, C=C, balanced=balanced)
    return each_shard(solve, (x, labels), C)


def _solve(dtype, x, labels, *, C, balanced) -> LinearSvm:
    work = outer_dtype(x)
    s, v = _axes(dtype, x)
    z = _rotate(dtype, work, x, v)
    known, present = labels != 0, labels > 0
    count = lambda mask: shard_sum(jnp.sum(mask, axis=0, dtype=dtype))
    half = lambda number: count(known) / (2 * jnp.where(number > 0, number, jnp.nan))
    share = jnp.where(
        present, half(count(present))[None], half(count(~present & known))[None]
    )
    share = share if balanced else jnp.ones_like(share)
    cost = jnp.where(known, share, 0).astype(work)
    w, objective, gap, steps = minimise(
        dtype, z, s, labels.astype(work), cost, widen(C, work)
    )
    both = (count(present) > 0) & (count(~present & known) > 0)
    a, grid = labels.shape[1], C.shape[0]
    shape = lambda t: jnp.where(both[:, None], t.reshape(a, grid), jnp.nan)
    w = matmul(v, w).T.reshape(a, grid, -1)
    w = jnp.where(both[:, None, None], w, jnp.nan)
    return LinearSvm(w[..., :-1], w[..., -1], shape(objective), shape(gap), steps)


def _axes(dtype, x):
    """Eigenvalues and eigenvectors of the Gram matrix of `[x 1]`."""
    m = batch_moments(dtype, x, x[:, :0], None)
    mean = jnp.append(m.mean_x, jnp.ones((), dtype))
    gram = jnp.pad(m.xx, ((0, 1), (0, 1))) + m.mass * jnp.outer(mean, mean)
    s, v = jnp.linalg.eigh(gram)
    return jnp.maximum(s, 0), v


def _rotate(dtype, work, x, v):
    """Rows `[x 1]` along the axes, rounded coordinate by coordinate."""

    def turn(row):
        row = jnp.append(widen(row, dtype), jnp.ones((), dtype))
        return widen(matmul(row, v), work)

    return jax.lax.map(turn, x, batch_size=2048)


_fit = in_float64(_kernel, static=("balanced",))
