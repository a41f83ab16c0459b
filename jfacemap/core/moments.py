"""Second moments of paired rows, kept as a commutative monoid.

All a closed-form map needs is in the weighted means and centred products of the rows.
Two such summaries merge exactly (Chan, Golub & LeVeque, 1983), so one rule serves
streaming, sharding and batching, and a fit never has to see the rows twice.

Sums are float64 where the platform has it, else `Wide` and their products split
(core/split_products.py). Outside, the leaves are `Wide`; `np.asarray` of one is its
float64 value.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from . import split_products
from .gram import block_edges, mirror, sum_over_chunks, upper_products
from .linalg import matmul, root
from .mesh import each_shard, over_all, shard_sum, Shards, spread
from .monoid import merges
from .precision import in_float64, unrounded, widen
from .types import as_array, Numeric
from .wide import as_wide, outer, where, Wide, wide_root, zeros_wide


Sum = Any
"""A `Wide`; inside a kernel, after `widen`, a plain array of the computing dtype.

After `unrounded` it is one where that is float64, and still a `Wide` where it is not.
"""


few = 256
"""Rows that a rough mean is taken of."""


class PairMoments(eqx.Module):
    r"""Weighted moments of rows `x (n, d)` paired with `y (n, k)`.

    - `count`: rows of nonzero weight; `mass`: $\sum w$
    - `mean_x (d,)`, `mean_y (k,)`: weighted means
    - `xx (d, d)`: $\sum w (x - \bar x)'(x - \bar x)$; `xy (d, k)` likewise
    - `yy (k,)`: $\sum w (y - \bar y)^2$ by column
    """

    count: Sum
    mass: Sum
    mean_x: Sum
    mean_y: Sum
    xx: Sum
    xy: Sum
    yy: Sum

    @classmethod
    def zero(cls, d: int, k: int, dtype=jnp.float32) -> "PairMoments":
        """The neutral element for rows of `dtype`: merging with it changes nothing."""
        shapes = (), (), (d,), (k,), (d, d), (d, k), (k,)
        return cls(*(zeros_wide(s, dtype) for s in shapes))


class JointMoments(eqx.Module):
    r"""Weighted moments of N models' rows side by side: every pair from one pass.

    With $z = [x_1 \dots x_N]$ of width $D = \sum d_i$: `count`, `mass`, `mean (D,)` and
    `scatter (D, D)` $= \sum w (z - \bar z)'(z - \bar z)$. `names` label the models.
    """

    count: Sum
    mass: Sum
    mean: Sum
    scatter: Sum
    dims: tuple[int, ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    @classmethod
    def zero(
        cls,
        dims: Sequence[int],
        names: Sequence[str] | None = None,
        dtype=jnp.float32,
    ) -> "JointMoments":
        """The neutral element for models of widths `dims` and rows of `dtype`."""
        total = sum(dims)
        shapes = (), (), (total,), (total, total)
        leaves = (zeros_wide(s, dtype) for s in shapes)
        return cls(*leaves, dims=tuple(dims), names=_names(names, len(dims)))

    @property
    def columns(self) -> tuple[slice, ...]:
        """Where each model's columns lie."""
        ends = [sum(self.dims[: i + 1]) for i in range(len(self.dims))]
        return tuple(slice(e - d, e) for e, d in zip(ends, self.dims, strict=True))

    def pair(self, source: int | str, target: int | str) -> PairMoments:
        """Moments of one source and one target model."""
        a, b = (self.columns[find_model(self.names, m)] for m in (source, target))
        part = lambda wide, f: jax.tree.map(f, wide)
        return PairMoments(
            count=self.count,
            mass=self.mass,
            mean_x=part(self.mean, lambda m: m[a]),
            mean_y=part(self.mean, lambda m: m[b]),
            xx=part(self.scatter, lambda s: s[a, a]),
            xy=part(self.scatter, lambda s: s[a, b]),
            yy=part(self.scatter, lambda s: jnp.diagonal(s[b, b])),
        )


def find_model(names: Sequence[str], model: int | str) -> int:
    """Position of a model given by name or position; `KeyError` lists the names."""
    if isinstance(model, str):
        if model not in names:
            raise KeyError(f"No model {model!r}; there are {', '.join(names)}.")
        return names.index(model)
    return range(len(names))[model]


def pair_moments(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    weights: Float[Numeric, " n"] | None = None,
    *,
    precision: str = "float64",
    mesh: Mesh | None = None,
) -> PairMoments:
    """Moments of one batch of pairs.

    Rows of zero weight (padding, NaN) leave no trace, and no derivative; a NaN in any
    other row makes the moments NaN. `precision` and `mesh` as in `joint_moments`. Raises
    `ValueError` if rows do not pair up.
    """
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    (x, y), weights, shards = _on(mesh, (x, y), weights)
    return _pair_moments(x, y, weights, narrow=_is_narrow(precision), shards=shards)


def joint_moments(
    embeddings: Sequence[Float[Numeric, "n _"]] | Mapping[str, Float[Numeric, "n _"]],
    weights: Float[Numeric, " n"] | None = None,
    *,
    names: Sequence[str] | None = None,
    precision: str = "float64",
    mesh: Mesh | None = None,
) -> JointMoments:
    """Moments of N models' embeddings of the same n rows, from one pass.

    A dictionary of embeddings names its models. Rows longer than some 1e18 overflow the
    float32 parts sums are kept in: scale such rows first.

    Where there is no float64 (TPU) sums are right to some 1e-12 of their columns' squares.

    `precision="float32"` multiplies chunks in float32 and sums them in float64: about
    twice as fast, for spaces of condition number up to some 100 (see `jfm.diagnose`):
    maps err by about `5e-8 condition**2`, by default by about `1e-16 condition**2`.

    Rows that lie in shards over a mesh (`NamedSharding`, `EmbeddingStore.on_mesh`) stay
    there: each device sums its own, and sums of D columns travel, D^2 numbers. `mesh`
    spreads the rows over all its devices first, and says so within `jit`, where arrays do
    not know how they lie.
    """
    embeddings, names = as_named(embeddings, names)
    embeddings, weights = as_rows(embeddings, names, weights)
    embeddings, weights, shards = _on(mesh, embeddings, weights)
    narrow = _is_narrow(precision)
    leaves = _joint_moments(embeddings, weights, narrow=narrow, shards=shards)
    dims = tuple(x.shape[1] for x in embeddings)
    return JointMoments(*leaves, dims=dims, names=names)


def as_named(
    embeddings: Sequence | Mapping[str, Any], names: Sequence[str] | None
) -> tuple[tuple, tuple[str, ...]]:
    """Embeddings in order, and a name for each: those given, a dictionary's, or numbers."""
    if isinstance(embeddings, Mapping):
        names = tuple(embeddings) if names is None else names
        embeddings = tuple(embeddings.values())
    return tuple(embeddings), _names(names, len(embeddings))


def as_rows(embeddings: Sequence, names: Sequence[str], weights) -> tuple[tuple, Any]:
    """Arrays of the rows and weights; `ValueError` unless (n, d) of one n, and (n,)."""
    embeddings, weights = tuple(map(as_array, embeddings)), as_array(weights)
    for name, x in zip(names, embeddings, strict=True):
        if x.ndim != 2:
            raise ValueError(f"{name} must be (n, d), rows are samples; got {x.shape}.")
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(f"{name} holds {x.dtype}; pass it as float32.")
        if x.shape[0] != embeddings[0].shape[0]:
            raise ValueError(
                f"Rows must pair up: {names[0]} has shape {embeddings[0].shape} and "
                f"{name} has shape {x.shape}. Pass the same images in the same order."
            )
    n = embeddings[0].shape[0]
    if weights is not None and weights.shape != (n,):
        raise ValueError(f"weights must be ({n},) for {n} rows, got {weights.shape}.")
    check_signs(weights)
    return embeddings, weights


def check_signs(weights, of: str = "a row") -> None:
    """Raise `ValueError` if weights on the host are negative or NaN."""
    if isinstance(weights, np.ndarray) and not (weights.min(initial=0) >= 0):
        raise ValueError(f"weights must not be negative, nor NaN: 0 leaves {of} out.")


def _on(mesh: Mesh | None, rows: tuple, weights) -> tuple[tuple, Any, Shards | None]:
    """Rows and weights on a mesh, if there is one, and how they lie there."""
    if mesh is None:
        return rows, weights, None
    rows, weights = spread(rows, weights, mesh)
    return rows, weights, over_all(mesh, rows[0].shape[0])


def _is_narrow(precision: str) -> bool:
    if precision not in ("float64", "float32"):
        raise ValueError(f"precision is 'float64' or 'float32', got {precision!r}.")
    return precision == "float32"


def _names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    names = tuple(map(str, range(n))) if names is None else tuple(names)
    if n == 0 or len(names) != n or len(set(names)) != n:
        raise ValueError(f"Need one unique name for each of {n} models, got {names}.")
    return names


def _summarise(dtype, blocks, weights, edges, narrow=False):
    """Sums of `z = [blocks]` in one pass: count, mass, mean, scatter rows up to `edges`.

    Last come the diagonal entries of the scatter past the edges. Rows are taken about a
    rough mean of a few of them, so that nothing cancels when the true mean is known.
    Without float64 all are `Wide`.
    """
    if dtype == jnp.float32:
        return _summarise_wide(blocks, weights, edges, narrow)
    work = jnp.dtype(jnp.float32) if narrow else dtype
    rough = _rough_mean(blocks, weights, work)

    def sums(rows, rough):
        blocks, w = rows
        z = jnp.concatenate([widen(b, work) for b in blocks], axis=1) - rough[None]
        if w is None:
            count = mass = jnp.full((), z.shape[0], dtype)
            first = jnp.sum(z, axis=0)
        else:
            w = widen(w, work)
            w = jnp.where(w != 0, w, 0)  # a constant: a row left out has no derivative
            z = jnp.where(w[:, None] != 0, z, 0)
            count, mass = jnp.sum(w != 0, dtype=dtype), jnp.sum(w)
            first = matmul(w, z)
            z = root(w)[:, None] * z
        squares = jnp.sum(z[:, edges[-1] :] ** 2, axis=0)
        return widen((count, mass, first, squares, upper_products(z, edges)), dtype)

    count, mass, first, squares, upper = sum_over_chunks(sums, (blocks, weights), rough)
    step = first / jnp.where(mass > 0, mass, 1)
    rows = edges[-1]
    scatter = mirror(upper, edges) - mass * jnp.outer(step[:rows], step)
    squares = squares - mass * step[rows:] ** 2
    mean = jnp.where(mass > 0, widen(rough, dtype) + step, 0)
    return count, mass, mean, scatter, squares


def _summarise_wide(blocks, weights, edges, narrow):
    """The same by split products, of fewer slices if `narrow`.

    Roots of the weights are a first column beside the rows they weight, so that one
    product has mass, sums and squares.
    """
    number = 3 if narrow else split_products.full
    within = (0, 1, *(1 + edge for edge in edges[1:]))

    def sums(rows, rough):
        blocks, w = rows
        z = jnp.concatenate([widen(b, jnp.float32) for b in blocks], axis=1)
        z = as_wide(z) - rough[None]
        if w is None:
            count = jnp.full((), z.shape[0], jnp.float32)
            roots = as_wide(jnp.ones((z.shape[0], 1), jnp.float32))
        else:
            w = widen(w, jnp.float32)
            w = jnp.where(w != 0, w, 0)[:, None]
            count, roots = jnp.sum(w != 0, dtype=jnp.float32), wide_root(w)
            z = where(w != 0, z, 0.0) * roots
        table = jax.tree.map(lambda *x: jnp.concatenate(x, axis=1), roots, z)
        return as_wide(count), *split_products.upper_products(table, within, number)

    rough = _rough_mean(blocks, weights, jnp.dtype(jnp.float32))
    count, upper, squares = sum_over_chunks(sums, (blocks, weights), rough)
    mass, first = upper[0][0, 0], upper[0][0, 1:]
    step = first / where(mass.high > 0, mass, 1.0)
    ends = itertools.pairwise(edges)
    moved = zip(upper[1:], ends, strict=True)
    upper = [rows - mass * outer(step[a:b], step[a:]) for rows, (a, b) in moved]
    high, low = (
        mirror([getattr(x, part) for x in upper], edges) for part in ("high", "low")
    )
    rest = step[edges[-1] :]
    mean = where(mass.high > 0, step + rough, 0.0)
    return count, mass, mean, Wide(high, low), squares - mass * (rest * rest)


def _rough_mean(blocks, weights, dtype):
    """The mean of some 256 rows, spread over all by weight: rows without it are not met.

    It cancels in what is found of it, so it has no derivative.
    """

    def sums(rows):
        blocks, weights = rows
        if weights is None or not weights.shape[0]:
            stride = max(1, blocks[0].shape[0] // few)
            some = jnp.concatenate([widen(b[::stride], dtype) for b in blocks], axis=1)
            return shard_sum((jnp.sum(some, axis=0), jnp.asarray(some.shape[0], dtype)))
        at, mass = _spread_by_weight(weights.astype(dtype))
        some = jnp.concatenate([widen(b[at], dtype) for b in blocks], axis=1)
        used = weights[at, None] != 0  # rounding may step beside a row
        number = jnp.sum(used, dtype=dtype)
        mean = jnp.sum(jnp.where(used, some, 0), axis=0) / jnp.maximum(number, 1)
        mass = jnp.where(number > 0, mass, 0)
        return shard_sum((mass * mean, mass))

    some, number = jax.lax.stop_gradient(each_shard(sums, (blocks, weights)))
    return some / jnp.where(number > 0, number, 1)


def _spread_by_weight(weights):
    """Rows at which the running sum of weights passes equal steps, and the whole sum."""
    running = jnp.cumsum(weights)
    steps = (jnp.arange(few, dtype=weights.dtype) + 0.5) / few
    at = jnp.searchsorted(running, steps * running[-1], side="right")
    return jnp.minimum(at, weights.shape[0] - 1), running[-1]


def batch_moments(dtype, x, y, weights, *, narrow=False) -> PairMoments:
    """The kernel of `pair_moments`: plain arrays of `dtype`, for use inside kernels."""
    return widen(whole_moments(dtype, x, y, weights, narrow=narrow), dtype)


def whole_moments(dtype, x, y, weights, *, narrow=False) -> PairMoments:
    """As `batch_moments`, but what is `Wide`, without float64, is so still."""
    d = x.shape[1]
    sums = _summarise(dtype, (x, y), weights, block_edges([d]), narrow)
    count, mass, mean, scatter, squares = sums
    return PairMoments(
        count=count,
        mass=mass,
        mean_x=mean[:d],
        mean_y=mean[d:],
        xx=scatter[:, :d],
        xy=scatter[:, d:],
        yy=squares,
    )


def batch_joint(dtype, embeddings, weights, *, narrow=False):
    """The kernel of `joint_moments`: count, mass, mean and scatter, for other kernels."""
    return widen(_whole_joint(dtype, embeddings, weights, narrow=narrow), dtype)


def _whole_joint(dtype, embeddings, weights, *, narrow=False):
    edges = block_edges([x.shape[1] for x in embeddings])
    return _summarise(dtype, embeddings, weights, edges, narrow)[:4]


_pair_moments = in_float64(whole_moments, wide=True, static=("narrow",))
_joint_moments = in_float64(_whole_joint, wide=True, static=("narrow",))


def _merge_pair(dtype, a: PairMoments, b: PairMoments) -> PairMoments:
    a, b = unrounded((a, b), dtype)
    mass, share, pull = _pull(a, b)
    dx, dy = b.mean_x - a.mean_x, b.mean_y - a.mean_y
    return PairMoments(
        count=a.count + b.count,
        mass=mass,
        mean_x=a.mean_x + share * dx,
        mean_y=a.mean_y + share * dy,
        xx=a.xx + b.xx + pull * outer(dx, dx),
        xy=a.xy + b.xy + pull * outer(dx, dy),
        yy=a.yy + b.yy + pull * (dy * dy),
    )


def merge_joint(dtype, a: JointMoments, b: JointMoments) -> JointMoments:
    """The kernel of `merge`, for other kernels."""
    a, b = unrounded((a, b), dtype)
    mass, share, pull = _pull(a, b)
    step = b.mean - a.mean
    scatter = a.scatter + b.scatter + pull * outer(step, step)
    count, mean = a.count + b.count, a.mean + share * step
    return JointMoments(count, mass, mean, scatter, a.dims, a.names)


def _pull(a, b):
    mass = a.mass + b.mass
    share = b.mass / where(mass > 0, mass, 1.0)
    return mass, share, a.mass * share


merges(PairMoments)(in_float64(_merge_pair, wide=True))
merges(JointMoments)(in_float64(merge_joint, wide=True))
