r"""Square-root moments of paired rows: mergeable like a sum, conditioned like a QR.

The triangle `R` of the bordered rows $[1\ x\ y]$ satisfies $R'R = [1\ x\ y]'W[1\ x\ y]$,
so it holds every second moment without squaring the condition number (TSQR; Demmel,
Grigori, Hoemmen & Langou, 2012). It is the statistic for rows in float32 where there is
no float64, and for spaces too ill-conditioned for a Gram matrix.
"""

import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .branch import either
from .linalg import matmul, root
from .mesh import each_shard, laid_out, placed, shard_stack, shard_sum
from .moments import as_rows, PairMoments
from .monoid import merges
from .precision import outer_dtype, widen
from .types import Numeric


class PairFactor(eqx.Module):
    """The triangle `R` (p, p), p = 1 + d + k, of rows of widths `d` and `k`.

    Kept in the rows' dtype, float32 at least. `count` is the number of rows of nonzero
    weight.
    """

    count: Float[Array, ""]
    r: Float[Array, "p p"]
    d: int = eqx.field(static=True)

    @classmethod
    def zero(cls, d: int, k: int, dtype=jnp.float32) -> "PairFactor":
        """The neutral element: merging with it changes nothing."""
        p = 1 + d + k
        return cls(jnp.zeros((), dtype), jnp.zeros((p, p), dtype), d)

    @property
    def linear(self) -> tuple[Float[Array, "q d"], Float[Array, "q k"]]:
        """`(a, b)` with the same least squares solution `a W = b` as the rows."""
        return self.r[:, 1 : 1 + self.d], self.r[:, 1 + self.d :]

    @property
    def centred(self) -> tuple[Float[Array, "q d"], Float[Array, "q k"]]:
        """As `linear`, of the rows about their weighted means."""
        return self.r[1:, 1 : 1 + self.d], self.r[1:, 1 + self.d :]

    @property
    def means(self) -> tuple[Float[Array, " d"], Float[Array, " k"]]:
        """Weighted means of `x` and `y`."""
        first = jnp.where(self.r[0, 0] == 0, 1, self.r[0, 0])
        row = self.r[0] / first
        return row[1 : 1 + self.d], row[1 + self.d :]

    @property
    def moments(self) -> PairMoments:
        """The moments this is a root of, as plain arrays of its dtype."""
        (a, b), (mean_x, mean_y) = self.centred, self.means
        return PairMoments(
            count=self.count,
            mass=self.r[0, 0] ** 2,
            mean_x=mean_x,
            mean_y=mean_y,
            xx=matmul(a.T, a),
            xy=matmul(a.T, b),
            yy=jnp.sum(b**2, axis=0),
        )


def pair_factor(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    weights: Float[Numeric, " n"] | None = None,
) -> PairFactor:
    """Factor one batch of pairs; rows of zero weight (padding, NaN) leave no trace."""
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    given, shards = laid_out((x, y, weights))
    return _pair_factor(*given, shards=shards)


@ft.partial(jax.jit, static_argnames="shards")
def _pair_factor(x, y, weights, *, shards):
    with placed(shards):
        count, r = each_shard(_of_shard, (x, y, weights))
    return PairFactor(count, r, x.shape[1])


def _of_shard(rows):
    """Count and triangle of a shard's rows, and then of all: only triangles travel."""
    x, y, weights = rows
    dtype = outer_dtype(x, y)  # nothing narrower has a QR decomposition
    x, y, weights = widen((x, y, weights), dtype)
    one = jnp.ones((x.shape[0], 1), dtype)
    z = jnp.concatenate([one, x, y], axis=1)
    count = jnp.full((), z.shape[0], dtype)
    if weights is not None:
        used = weights[:, None] != 0
        z = root(weights)[:, None] * jnp.where(used, z, 0)
        count = jnp.sum(used, dtype=dtype)
    empty = jnp.zeros((z.shape[1],) * 2, dtype)  # a short batch stays square
    every = shard_stack(_triangle(empty, z))
    whole = every[0] if every.shape[0] == 1 else _triangle(empty, jnp.concatenate(every))
    return shard_sum(count), whole


@merges(PairFactor)
@jax.jit
def _merge_factors(a: PairFactor, b: PairFactor) -> PairFactor:
    return PairFactor(a.count + b.count, _triangle(a.r, b.r), a.d)


def _triangle(top: Float[Array, "p p"], bottom: Float[Array, "n p"]):
    return jnp.linalg.qr(jnp.concatenate([top, bottom]), mode="r")


def pivot_cutoff(d: int, eps: float) -> float:
    """Rounding left by repeated factorisations of width `d`, of the largest pivot.

    `8 sqrt(d) eps`; the usual `d eps` would cut at 6e-5 in float32.
    """
    return 8 * d**0.5 * eps


def least_squares(
    a: Float[Array, "q d"], b: Float[Array, "q k"], ridge: Float[Array, ""], eps: float
) -> Float[Array, "d k"]:
    r"""Minimise $\|a W - b\|^2 + \lambda \|W\|^2$; minimum norm where rank is lacking.

    QR of `a`, bordered by $\sqrt\lambda I$; by singular values if a pivot vanishes, that
    is, falls below the `pivot_cutoff` of precision `eps`.
    """
    d = a.shape[1]
    penalty = jnp.sqrt(ridge) * jnp.eye(d, dtype=a.dtype)
    a = jnp.concatenate([a, penalty])
    b = jnp.concatenate([b, jnp.zeros((d, b.shape[1]), b.dtype)])
    q, r = jnp.linalg.qr(a)
    cutoff = pivot_cutoff(d, eps)

    def is_deficient(r, b):
        pivots = jnp.abs(jnp.diagonal(r))
        return ~(jnp.min(pivots) > cutoff * jnp.max(pivots))

    def by_substitution(r, b):
        return jax.lax.linalg.triangular_solve(r, b, left_side=True, lower=False)

    def by_singular_values(r, b):
        u, s, vt = jnp.linalg.svd(r, full_matrices=False)
        keep = s > cutoff * s[0]
        inverse = jnp.where(keep, 1 / jnp.where(keep, s, 1), 0)
        return matmul(vt.T, inverse[:, None] * matmul(u.T, b))

    return either(is_deficient, by_singular_values, by_substitution)(r, matmul(q.T, b))
