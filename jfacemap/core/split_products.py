r"""Products of float32 matrices to some 40 bits, by products in bfloat16 alone.

A column is cut into slices of eight bits: integers up to 2^7, times a power of two. Matrix
units multiply two slices exactly, as no sum over 1024 rows passes the 2^24 that float32
counts to. The sum over pairs of slices, a `Wide`, is the product (Ozaki, Ogita, Oishi &
Rump, Error-free transformations of matrix multiplication by using fast routines of matrix
multiplication and its applications, 2012). Five slices are 19 products in bfloat16, three
are eight; a product of float32 at full precision is six.
"""

import functools as ft
import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .linalg import matmul
from .mesh import shard_max, shard_sum
from .wide import as_wide, is_wide, two_sum, Wide


exact_rows = 1024
"""Rows whose products are exact: 2^7 2^7 2^10 = 2^24."""

full = 5
"""Slices that a product to 2^-40 of its columns' largest entries takes."""


def upper_products(z: Wide, edges: Sequence[int], number: int = full):
    """Rows of blocks of `z'z`, z (n, D), as `gram.upper_products` has them, as `Wide`.

    Also the diagonal entries past the last edge. Exact to `2^(-8 number)` of the largest
    entries of two columns, for up to 1024 rows. Derivatives are those of `z'z`.
    """
    return _upper(z, tuple(edges), number)


@ft.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _upper(z, edges, number):
    power, inverse = power_above(jnp.max(jnp.abs(z.high), axis=0, initial=0))
    slices = _slices(z, inverse[None], number)
    scaled = lambda x, rows, columns: jax.tree.map(
        lambda part: part * (rows * 2.0**-14) * columns, x
    )

    def block(a, b):
        left, right = ([s[:, cut] for s in slices] for cut in (slice(a, b), slice(a, None)))
        return scaled(_over_pairs(_product, left, right), power[a:b, None], power[None, a:])

    end = edges[-1]
    rest = [s[:, end:] for s in slices]
    squares = _over_pairs(lambda a, b: jnp.sum(a * b, axis=0), rest, rest)
    upper = [block(a, b) for a, b in itertools.pairwise(edges)]
    return upper, scaled(squares, power[end:], power[end:])


@_upper.defjvp
def _upper_jvp(edges, number, primals, tangents):
    (z,), (step,) = primals, tangents
    value, step = z.high, step.high + step.low
    pull = lambda a, b: (
        matmul(step[:, a:b].T, value[:, a:]) + matmul(value[:, a:b].T, step[:, a:])
    )
    upper = [as_wide(pull(a, b)) for a, b in itertools.pairwise(edges)]
    squares = 2 * jnp.sum(value[:, edges[-1] :] * step[:, edges[-1] :], axis=0)
    return _upper(z, edges, number), (upper, as_wide(squares))


@jax.jit
def product(a: Wide, b: Wide) -> Wide:
    """`a b` of a (m, n) and b (n, k), to `2^-46` of the largest of a row and a column.

    That takes a sixth slice. For use where no derivative is asked for.
    """
    cuts = range(0, a.shape[1], exact_rows)
    parts = [_short_product(a[:, i : i + exact_rows], b[i : i + exact_rows]) for i in cuts]
    return ft.reduce(Wide.__add__, parts)


def _short_product(a, b):
    (left, rows), (right, columns) = _cut(a.T), _cut(b)
    whole = _over_pairs(_product, left, right)
    scale = lambda x: x * (rows[:, None] * 2.0**-14) * columns[None]
    return jax.tree.map(scale, whole)


def _cut(x):
    power, inverse = power_above(jnp.max(jnp.abs(x.high), axis=0))
    return _slices(x, inverse[None], full + 1), power


def _product(a, b) -> Array:
    a, b = (x.astype(jnp.bfloat16) for x in (a, b))
    return jnp.matmul(a.T, b, preferred_element_type=jnp.float32)


def _over_pairs(multiply: Callable, a: list[Array], b: list[Array]) -> Wide:
    """Sum over pairs of slices, the least first, but for those smaller than rounding.

    Pairs of one weight are one product of longer rows, from where a sum that passes 2^24
    would lose no more than what is left out.
    """
    number = len(a)
    weigh = lambda total: [
        (i, total - i) for i in range(number) if total - i in range(number)
    ]
    groups = [[(0, 0)], [(0, 1)], [(1, 0)], *map(weigh, range(2, number + 1))]
    term = lambda pairs: multiply(
        jnp.concatenate([a[i] for i, _ in pairs]), jnp.concatenate([b[j] for _, j in pairs])
    )
    terms = jnp.stack([term(pairs) * 2.0 ** (-8 * sum(pairs[0])) for pairs in groups[::-1]])
    # A loop, not written out: fused, a sum would be computed anew for each of its uses.
    plus = lambda total, term: (total + as_wide(term), None)
    return jax.lax.scan(plus, as_wide(terms[0]), terms[1:])[0]


def _slices(x: Wide, inverse: Array, number: int, width: int = 8) -> list[Array]:
    """Integers up to `2^(width - 1)`: the digits of `inverse x`, which is below 1."""

    def cut(rest, _):
        high, low = rest
        whole = jnp.round(high)
        return tuple(2.0**width * part for part in two_sum(high - whole, low)), whole

    first = tuple(part * inverse * 2.0 ** (width - 1) for part in (x.high, x.low))
    return list(jax.lax.scan(cut, first, length=number)[1])


def power_above(x: Array) -> tuple[Array, Array]:
    """The power of two next above `x >= 0`, and its inverse: exact, read off the bits."""
    exponent = jax.lax.bitcast_convert_type(x, jnp.int32) >> 23
    exponent = jnp.clip(exponent, 1, 252)  # where both are normal numbers
    as_power = lambda e: jax.lax.bitcast_convert_type(e << 23, jnp.float32)
    return as_power(exponent + 1), as_power(253 - exponent)


def add(a, b):
    """The sum of two pytrees of arrays and `Wide`."""
    return jax.tree.map(lambda a, b: a + b, a, b, is_leaf=is_wide)


def shard_total(tree):
    """`shard_sum` of arrays and of `Wide`, of these to 48 bits, in whichever order."""
    wides = any(is_wide(x) for x in jax.tree.leaves(tree, is_leaf=is_wide))
    if not wides or shard_sum(1) == 1:
        return shard_sum(tree)
    total = lambda x: _exact_sum(x) if is_wide(x) else shard_sum(x)
    return jax.tree.map(total, tree, is_leaf=is_wide)


@jax.custom_jvp
def _exact_sum(x):
    # Integers of 16 bits: float32 counts the sums of up to 512 of them.
    power, inverse = power_above(shard_max(jnp.abs(x.high)))
    parts = [shard_sum(part) for part in _slices(x, inverse, 3, 16)]
    terms = (as_wide(part * 2.0 ** (-16 * i)) for i, part in reversed([*enumerate(parts)]))
    whole = ft.reduce(Wide.__add__, terms)
    return jax.tree.map(lambda part: part * 2.0**-15 * power, whole)


@_exact_sum.defjvp
def _exact_sum_jvp(primals, tangents):
    (x,), (step,) = primals, tangents
    return _exact_sum(x), as_wide(shard_sum(step.high + step.low))
