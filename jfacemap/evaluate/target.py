"""False accept rate targets, to the last bit of float64 on platforms without it.

Whether k of n false accepts meet a target is decided as float64 would: k / n <= far
after rounding. That holds exactly if k / n is below the midpoint of `far` and the next
float64 (it cannot hit it: a midpoint has 54 bits, k has 31). So a target travels as four
float32 words, three whose sum is `far` and one that is half a step, and the count is
`floor(n * midpoint)` by integer arithmetic.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core.types import Numeric
from .floats import at_least_float32


fraction_bits = 85
"""Bits after the binary point that can matter: 54 of a rate of at least 2^-31."""


def check_fars(fars) -> Float[np.ndarray, "*q"]:
    """Targets as float64; `ValueError` unless they are rates."""
    fars = np.asarray(fars, np.float64)
    if not np.all((fars >= 0) & (fars <= 1)):
        raise ValueError(f"FAR targets are rates from 0 to 1; got {fars.tolist()}.")
    return fars


def far_words(fars) -> Float[Numeric, "*q 4"]:
    """Targets as float32 words: `far` is the sum of the first three.

    Numbers are taken as float64 and must lie in [0, 1] (`ValueError`). A JAX array, as
    inside `jit`, has the precision of its dtype: k / n is rounded to that.
    """
    if isinstance(fars, jax.Array):
        xp, rest = jnp, jnp.clip(at_least_float32(fars), 0, 1)
    else:
        xp, rest = np, check_fars(fars)
    half = xp.spacing(rest) / 2
    words = []
    for _ in range(3):
        word = rest.astype(np.float32)
        above = word.astype(rest.dtype) > rest
        word = xp.where(above, xp.nextafter(word, xp.zeros_like(word)), word)
        rest = rest - word.astype(rest.dtype)
        words.append(word)
    return xp.stack([*words, half.astype(np.float32)], axis=-1)


def count_limit(n: Int[Numeric, ""], words: Float[Numeric, "*q 4"]) -> Int[Array, "*q"]:
    """The largest k from 0 to n with k / n <= far; 0 if n is 0 or the target is NaN."""
    n = n.astype(jnp.uint32)

    def add_bit(total, bit):
        # floor((floor(x) + n) / 2) = floor((x + n) / 2): no digit is lost on the way.
        return (total + bit * n) >> 1, None

    bits = _fixed_point(words)
    total = jnp.zeros(words.shape[:-1], jnp.uint32)
    total, _ = jax.lax.scan(add_bit, total, bits[1:], reverse=True)
    return (total + bits[0] * n).astype(jnp.int32)


def count_limits(n: int, fars: np.ndarray) -> np.ndarray:
    """`count_limit` on the host, of plain targets: any n, 0 without pairs."""
    if n == 0:
        return np.zeros(fars.shape, np.int64)
    limits = np.floor(fars * n).astype(np.int64)
    limits = np.where(limits / n > fars, limits - 1, limits)  # the product has rounded
    return np.where((limits + 1) / n <= fars, limits + 1, limits)


def _fixed_point(words):
    """Binary digits `(1 + fraction_bits, *q)` of the sum of words, the units first."""
    bits = jax.lax.bitcast_convert_type(words, jnp.uint32)
    exponent = (bits >> 23).astype(jnp.int32)
    mantissa = jnp.where(exponent > 0, bits & 0x7FFFFF | 0x800000, 0)
    place = jnp.arange(1 + fraction_bits, dtype=jnp.int32)
    shift = 150 - exponent[None] - place.reshape(-1, *[1] * words.ndim)
    inside = (shift >= 0) & (shift < 24)
    digit = mantissa[None] >> jnp.where(inside, shift, 0).astype(jnp.uint32) & 1
    return jnp.sum(jnp.where(inside, digit, 0), axis=-1, dtype=jnp.uint32)
