"""Second moments of paired rows, kept as a commutative monoid.

All a closed-form map needs is in the weighted means and centred products of the rows.
Two such summaries merge exactly (Chan, Golub & LeVeque, 1983), so one rule serves
streaming, sharding and batching, and a fit never has to see the rows twice.

Sums (core/sums.py) are float64 where the platform has it, else `Wide` and their products
split (core/wide_sums.py). Outside, the leaves are `Wide`; `np.asarray` of one is its
float64 value.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from .gram import block_edges
from .mesh import over_all, Shards, spread
from .monoid import merges
from .precision import in_float64, unrounded, widen
from .sums import summarise
from .types import as_array, Numeric
from .wide import outer, where, zeros_wide


Sum = Any
"""A `Wide`; inside a kernel, after `widen`, a plain array of the computing dtype.

After `unrounded` it is one where that is float64, and still a `Wide` where it is not.
"""


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


def batch_moments(dtype, x, y, weights, *, narrow=False) -> PairMoments:
    """The kernel of `pair_moments`: plain arrays of `dtype`, for use inside kernels."""
    return widen(whole_moments(dtype, x, y, weights, narrow=narrow), dtype)


def whole_moments(dtype, x, y, weights, *, narrow=False) -> PairMoments:
    """As `batch_moments`, but what is `Wide`, without float64, is so still."""
    d = x.shape[1]
    sums = summarise(dtype, (x, y), weights, block_edges([d]), narrow)
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
    return summarise(dtype, embeddings, weights, edges, narrow)[:4]


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
