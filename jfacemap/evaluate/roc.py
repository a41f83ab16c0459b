"""Receiver operating characteristic with static shapes, so it jits and vmaps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt

from ..core.types import Numeric
from .floats import at_least_float32, home, ratio
from .pairs import as_pairs, at_precision_of, read_pairs
from .selection import above_all, unsortable
from .target import check_fars, count_limit, count_limits, far_words


class RocCurve(eqx.Module):
    """Operating points in order of falling threshold, from no accept to all.

    Point i accepts the pairs that score at least `thresholds[i]`. Tied scores form one
    point, repeated to keep the shape static: the repeats have no length, so neither the
    area nor a look-up can see them.

    - `genuine_accepts`, `impostor_accepts (points,)`: counts, exact up to 2^31 pairs; those
      of `MatchCounts.curve` are of 64 bits
    - `thresholds (points,)`: the least score accepted; +inf for none
    - `n_genuine`, `n_impostor`: the pairs that count
    - `n_nan`: those of them whose score is NaN; never accepted, so that the curve ends
      short of (1, 1)

    Rates are quotients of counts: float64 NumPy, or float32 where traced. A rate whose
    class is missing is NaN.
    """

    genuine_accepts: Int[Numeric, "*cells points"]
    impostor_accepts: Int[Numeric, "*cells points"]
    thresholds: Float[Numeric, "*cells points"]
    n_genuine: Int[Numeric, "*cells"]
    n_impostor: Int[Numeric, "*cells"]
    n_nan: Int[Numeric, "*cells"]

    @property
    def far(self) -> Float[Numeric, "*cells points"]:
        """False accept rate: share of impostor pairs accepted."""
        return ratio(self.impostor_accepts, self.n_impostor)

    @property
    def tar(self) -> Float[Numeric, "*cells points"]:
        """True accept rate: share of genuine pairs accepted."""
        return ratio(self.genuine_accepts, self.n_genuine)

    @property
    def area(self) -> Float[Numeric, "*cells"]:
        """Area under the curve: P(genuine > impostor) + P(tie) / 2."""
        tar = self.tar
        xp = home(tar)
        return xp.asarray(xp.trapezoid(tar, self.far))

    @property
    def equal_error_rate(self) -> Float[Numeric, "*cells"]:
        """The error where false accepts and false rejects are nearest, their mean."""
        far, miss = self.far, 1 - self.tar
        i = abs(far - miss).argmin(axis=-1)[..., None]
        xp = home(far)
        return xp.asarray(xp.take_along_axis((far + miss) / 2, i, -1)[..., 0])

    def tar_at(self, far) -> Float[Numeric, "*cells_q"]:
        """True accept rate at the loosest threshold whose FAR is at most `far (*q,)`.

        Of several curves `(*cells, *q)`. The raw value: where `far` is less than one
        impostor pair, the rate at no false accept. Targets compare as in `tar_at_far`;
        with more than 2^31 pairs give plain numbers.
        """
        plain = not isinstance(far, jax.Array) and home(self.impostor_accepts) is np
        if plain:
            return ratio(*_genuine_on_host(self, check_fars(far)))
        look = _genuine_at
        for _ in self.n_impostor.shape:
            look = jax.vmap(look, (0, None))
        return ratio(*look(self, far_words(far)))


def roc_curve(
    scores: Float[Numeric, "*n"],
    genuine: Bool[Numeric, "*n"],
    *,
    valid: Bool[Numeric, "*n"] | None = None,
) -> RocCurve:
    """The curve of accepting pairs whose score is at least a threshold.

    **Arguments:**

    - `scores`: similarity of each pair, of any shape; higher means more alike.
    - `genuine`: whether both sides are one person.
    - `valid`: pairs that count, as padding and an image with itself do not; all by
      default.

    Sorts; for a few rates `tar_at_far` is much faster.
    """
    scores, genuine, valid = as_pairs(scores, genuine, valid)
    return at_precision_of(_roc_curve, scores, genuine, valid)


@jax.jit
def _roc_curve(scores, genuine, valid):
    dtype, pairs = at_least_float32(scores).dtype, read_pairs(scores, genuine, valid)
    key, counts = ranked(pairs.genuine, pairs.impostor)
    end = jnp.concatenate([key[1:] != key[:-1], jnp.ones(1, bool)])
    # Of a tie only the last count is a point; counts rise, so it is the next least.
    counts = jnp.where(end[None], counts, counts[:, -1:])
    counts = jnp.pad(jax.lax.cummin(counts, axis=1, reverse=True), ((0, 0), (1, 0)))
    infinity = above_all(dtype)
    last = jnp.min(jnp.where(key > 0, key, infinity))
    key = jnp.concatenate([infinity[None], jnp.where(key > 0, key, last)])
    return RocCurve(
        genuine_accepts=counts[0],
        impostor_accepts=counts[1],
        thresholds=unsortable(key, dtype),
        n_genuine=pairs.n_genuine,
        n_impostor=pairs.n_impostor,
        n_nan=pairs.n_nan,
    )


@jax.jit
def _genuine_at(curve, words):
    """Genuine accepts within the targets and of how many: none if a class is missing."""
    limit = count_limit(curve.n_impostor, words)
    i = jnp.searchsorted(curve.impostor_accepts, limit, side="right") - 1
    n = jnp.where(curve.n_impostor > 0, curve.n_genuine, 0)
    return jnp.where(n > 0, curve.genuine_accepts[i], 0), n


def _genuine_on_host(curve, fars):
    """`_genuine_at` of NumPy counts, which may pass 2^31, curve by curve."""
    impostor, genuine = map(np.asarray, (curve.impostor_accepts, curve.genuine_accepts))
    n_impostor, n = np.asarray(curve.n_impostor), np.asarray(curve.n_genuine)
    found = np.zeros((*n.shape, *fars.shape), np.int64)
    for cell in np.ndindex(n.shape):
        limits = count_limits(int(n_impostor[cell]), fars)
        i = np.searchsorted(impostor[cell], limits, side="right") - 1
        found[cell] = genuine[cell][i]
    n = np.where(n_impostor > 0, n, 0)
    return np.where(n.reshape(n.shape + (1,) * fars.ndim) > 0, found, 0), n


def ranked(
    genuine: UInt[Array, " n"], impostor: UInt[Array, " n"]
) -> tuple[UInt[Array, " n"], Int[Array, "2 n"]]:
    """All keys in falling order, and how many of each class there are up to each."""
    key, hit = jnp.maximum(genuine, impostor), genuine > 0
    falling, hit = jax.lax.sort((~key, hit), num_keys=1, is_stable=False)
    real = ~falling > 0
    hits = jnp.stack([real & hit, real & ~hit])
    return ~falling, jnp.cumsum(hits, axis=1, dtype=jnp.int32)
