"""`Wide`: twice the digits of float32, as the unevaluated sum of two of them.

What keeps 48 bits outside the scope of float64, and where there is none. Its arithmetic
is for float32 parts: a sum and a product of two numbers and the exact rest of each (Knuth,
The art of computer programming 2, 4.2.2; Dekker, 1971). Errors are some 2^-46 of the
operands.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


class Wide(eqx.Module):
    """The unevaluated sum `high + low`: twice the digits of its dtype.

    `np.asarray(wide)` is the value in float64. `low` is None where `high` is float64,
    which has the digits by itself and no use for the operators below.
    """

    high: Array
    low: Any  # an Array, or None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.high.shape

    @property
    def ndim(self) -> int:
        """Its number of axes."""
        return self.high.ndim

    @property
    def T(self) -> "Wide":
        """The transpose."""
        return jax.tree.map(jnp.transpose, self)

    def __array__(self, dtype=None, copy=None):
        value = np.array(self.high, np.float64)
        if self.low is not None:
            value += np.asarray(self.low, np.float64)
        return value if dtype is None else value.astype(dtype)

    def __getitem__(self, at) -> "Wide":
        return jax.tree.map(lambda x: x[at], self)

    def __gt__(self, other) -> Array:
        return self.high > other

    def __neg__(self) -> "Wide":
        return jax.tree.map(jnp.negative, self)

    def __add__(self, other) -> "Wide":
        a, b = self, as_wide(other)
        high, low = two_sum(a.high, b.high)
        return Wide(*two_sum(high, low + (a.low + b.low)))

    def __sub__(self, other) -> "Wide":
        return self + -as_wide(other)

    def __mul__(self, other) -> "Wide":
        a, b = self, as_wide(other)
        high, low = two_product(a.high, b.high)
        return Wide(*two_sum(high, low + (a.high * b.low + a.low * b.high)))

    def __truediv__(self, other) -> "Wide":
        b = as_wide(other)
        first = as_wide(self.high / b.high)
        return first + (self - first * b).high / b.high

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other) -> "Wide":
        return as_wide(other) - self


def as_wide(x) -> Wide:
    """`x`, a float32 array or a number, as a `Wide`; one as it is."""
    if isinstance(x, Wide):
        return x
    # Of constants XLA makes (1 + b) - 1 = b, and nothing would be left of a rest.
    high = jax.lax.optimization_barrier(jnp.asarray(x, jnp.float32))
    return Wide(high, jnp.zeros_like(high))


def is_wide(x) -> bool:
    """Whether `x` is a `Wide`."""
    return isinstance(x, Wide)


def zeros_wide(shape: tuple[int, ...], dtype) -> Wide:
    """A `Wide` zero whose parts have `dtype`."""
    low = None if jnp.dtype(dtype) == jnp.float64 else jnp.zeros(shape, dtype)
    return Wide(jnp.zeros(shape, dtype), low)


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """The rounded `a + b`, and what rounding took: together exactly the sum."""
    total = a + b
    b_seen = total - a
    return total, (a - (total - b_seen)) + (b - b_seen)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """The rounded `a * b`, and what rounding took."""
    total = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return total, ((a1 * b1 - total) + (a1 * b2 + a2 * b1)) + a2 * b2


def _halves(x):
    # 12 digits and the 12 left: products of such halves are exact. Dekker's factor 4097
    # would do it by a rounding that a compiler may think it can leave out.
    first = jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=11)
    return first, x - first


def where(test: Array, a, b) -> Any:
    """`jnp.where` of arrays, or of a `Wide` and what there is in its place."""
    if not isinstance(a, Wide):
        return jnp.where(test, a, b)
    return jax.tree.map(lambda a, b: jnp.where(test, a, b), a, as_wide(b))


def outer(a, b) -> Any:
    """Products of every entry of `a (d,)` and of `b (k,)`: arrays, or both `Wide`."""
    return a[:, None] * b[None] if isinstance(a, Wide) else jnp.outer(a, b)


def wide_root(w: Array) -> Wide:
    """The square root of an array `w >= 0`, with derivative 0 where it is 0."""
    safe = jnp.where(w != 0, w, 1)
    high = jnp.sqrt(safe)
    square, rest = two_product(high, high)
    low = ((safe - square) - rest) / (2 * high)
    return where(w != 0, Wide(*two_sum(high, low)), 0.0)
