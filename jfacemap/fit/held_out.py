r"""What a fold that was held out says about a map, from its summary alone.

About the means of the rows fitted on, the squared error of weights W on held-out rows is

$$\sum_i w_i \|x_i W - y_i\|^2 = \mathrm{tr}(W'AW) - 2\,\mathrm{tr}(W'B) + \mathrm{tr}(C)$$

with A, B, C the second moments of the fold about those means: no row is seen again.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from ..core.factor import PairFactor, pivot_cutoff
from ..core.fan_out import fan_out
from ..core.linalg import matmul
from ..core.moments import PairMoments
from ..core.order import first_least
from .closed_form import uncentred
from .groups import sum_groups


class Products(eqx.Module):
    """Second moments of held-out rows, about means that are not theirs."""

    xx: Float[Array, "d d"]
    xy: Float[Array, "d k"]
    yy: Float[Array, " k"]

    def turn(self, v: Float[Array, "d r"]) -> "Products":
        """Of the rows `x v`."""
        return Products(matmul(v.T, matmul(self.xx, v)), matmul(v.T, self.xy), self.yy)

    def miss(self, weight: Float[Array, "d k"]) -> Float[Array, " k"]:
        """Squared error of the weights, by target column."""
        quadratic = jnp.sum(weight * matmul(self.xx, weight), axis=0)
        return quadratic - 2 * jnp.sum(weight * self.xy, axis=0) + self.yy

    def along(self, gains: Float[Array, "r d"], z: Float[Array, "d k"]):
        """Squared error over all targets of weights `gain[:, None] * z`, for each gain."""
        # Two products for the whole path: targets are summed before gains come in.
        quadratic = self.xx * matmul(z, z.T)
        cross = jnp.sum(self.xy * z, axis=1)
        bent = jnp.sum(gains * matmul(gains, quadratic), axis=1)
        return bent - 2 * matmul(gains, cross) + jnp.sum(self.yy)

    def nested(self, weight: Float[Array, "d k"], basis: Float[Array, "k k"]):
        """Squared error of `weight`, projected onto 0, 1, ... columns of the basis."""
        along = matmul(weight, basis)
        gained = jnp.sum(along * (matmul(self.xx, along) - 2 * matmul(self.xy, basis)), 0)
        return jnp.sum(self.yy) + jnp.cumsum(jnp.pad(gained, (1, 0)))


class Rows(eqx.Module):
    """Few rows `a`, `b` with the products of the held-out ones: nothing is squared."""

    a: Float[Array, "q d"]
    b: Float[Array, "q k"]

    def turn(self, v: Float[Array, "d r"]) -> "Rows":
        """Of the rows `x v`."""
        return Rows(matmul(self.a, v), self.b)

    def miss(self, weight: Float[Array, "d k"]) -> Float[Array, " k"]:
        """Squared error of the weights, by target column."""
        return jnp.sum((matmul(self.a, weight) - self.b) ** 2, axis=0)

    def along(self, gains: Float[Array, "r d"], z: Float[Array, "d k"]):
        """Squared error over all targets of weights `gain[:, None] * z`, for each gain."""
        return jax.lax.map(lambda g: jnp.sum(self.miss(g[:, None] * z)), gains)

    def nested(self, weight: Float[Array, "d k"], basis: Float[Array, "k k"]):
        """Squared error of `weight`, projected onto 0, 1, ... columns of the basis."""
        seen = matmul(self.b, basis)
        left = jnp.sum((matmul(self.a, matmul(weight, basis)) - seen) ** 2, axis=0)
        rest = jnp.cumsum(jnp.sum(seen**2, axis=0)[::-1])[::-1]
        return jnp.pad(jnp.cumsum(left), (1, 0)) + jnp.pad(rest, (0, 1))


class Spectrum(eqx.Module):
    """Rows fitted on, in the basis in which their Gram matrix is diagonal.

    - `s (d,)`: its eigenvalues; `v (d, d)`: their vectors, in columns
    - `z (d, k)`: `v'` times the cross products; weights of ridge r are `v (z / (s + r))`
    - `cutoff`: eigenvalues up to this share of the largest are rounding
    """

    s: Float[Array, " d"]
    v: Float[Array, "d d"]
    z: Float[Array, "d k"]
    mean_x: Float[Array, " d"]
    mean_y: Float[Array, " k"]
    cutoff: float = eqx.field(static=True)

    def gain(self, ridge: Float[Array, ""]) -> Float[Array, " d"]:
        """`1 / (s + ridge)`, and 0 where that is rounding: the map of least norm."""
        total = self.s + ridge
        keep = total > self.cutoff * jnp.max(total)
        return jnp.where(keep, 1 / jnp.where(keep, total, 1), 0)


def all_but(folds: PairMoments | PairFactor, k) -> PairMoments | PairFactor:
    """The summary of all folds together, without fold `k`; with all if `k` is -1."""
    if isinstance(folds, PairMoments):
        here = jnp.arange(folds.mass.shape[0], dtype=jnp.int32) != k
        return sum_groups(folds, here.astype(folds.mass.dtype))
    here = jnp.arange(folds.count.shape[0], dtype=jnp.int32) != k
    stacked = jnp.where(here[:, None, None], folds.r, 0).reshape(-1, folds.r.shape[-1])
    count = jnp.sum(jnp.where(here, folds.count, 0))
    return PairFactor(count, jnp.linalg.qr(stacked, mode="r"), folds.d)


def spectrum(m: PairMoments | PairFactor, eps: float, *, bias: bool) -> Spectrum:
    """Of rows about their means, if there is a bias to fit; else about the origin.

    `eps` is `own_precision` of a factor, before it was widened.
    """
    if isinstance(m, PairFactor):
        a, b = m.centred if bias else m.linear
        u, roots, vt = jnp.linalg.svd(a, full_matrices=False)
        cutoff = pivot_cutoff(a.shape[1], eps) ** 2
        found = roots**2, vt.T, roots[:, None] * matmul(u.T, b)
        means = m.means
    else:
        xx, xy = (m.xx, m.xy) if bias else uncentred(m)
        s, v = jnp.linalg.eigh(xx)
        cutoff = s.shape[0] * float(jnp.finfo(s.dtype).eps)
        found, means = (s, v, matmul(v.T, xy)), (m.mean_x, m.mean_y)
    mean_x, mean_y = means if bias else map(jnp.zeros_like, means)
    return Spectrum(*found, mean_x, mean_y, cutoff)


def about(m: PairMoments | PairFactor, mean_x, mean_y) -> Products | Rows:
    """Held-out rows about the means of the rows fitted on."""
    if isinstance(m, PairFactor):
        one, x, y = m.r[:, :1], m.r[:, 1 : 1 + m.d], m.r[:, 1 + m.d :]
        return Rows(x - one * mean_x[None], y - one * mean_y[None])
    dx, dy = m.mean_x - mean_x, m.mean_y - mean_y
    return Products(
        xx=m.xx + m.mass * jnp.outer(dx, dx),
        xy=m.xy + m.mass * jnp.outer(dx, dy),
        yy=m.yy + m.mass * dy**2,
    )


def where_least(errors: Float[Array, "r *k"]) -> Int[Array, "*k"]:
    """The first place of the least error along the first axis; the last if all are NaN."""
    return jnp.minimum(first_least(jnp.moveaxis(errors, 0, -1)), errors.shape[0] - 1)


def each_fold(folds: PairMoments | PairFactor, f, *whole, mesh: Mesh | None = None):
    """`f(all folds but k, fold k, *whole)` for each k, stacked; `mesh` as of `fan_out`."""

    def one(k, folds, *whole):
        return f(all_but(folds, k), jax.tree.map(lambda leaf: leaf[k], folds), *whole)

    number = jax.tree.leaves(folds)[0].shape[0]
    return fan_out(one, jnp.arange(number, dtype=jnp.int32), folds, *whole, mesh=mesh)


def mass_of(folds: PairMoments | PairFactor) -> Float[Array, " folds"]:
    """The weight of each fold."""
    return folds.mass if isinstance(folds, PairMoments) else folds.r[:, 0, 0] ** 2


def total_spread(m: PairMoments | PairFactor, *, bias: bool) -> Float[Array, ""]:
    """Energy of the targets, about their means if there is a bias."""
    if isinstance(m, PairFactor):
        return jnp.sum((m.centred if bias else m.linear)[1] ** 2)
    return jnp.sum(m.yy) + (0 if bias else m.mass * jnp.sum(m.mean_y**2))
