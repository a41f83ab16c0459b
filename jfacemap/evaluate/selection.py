"""Thresholds by counting: ranks of scores without a sort.

A float becomes an unsigned integer of the same order, and a rank is settled bit by bit
from counts of keys at or above a trial. All passes are sums over scores, so the result
is exact on ties, in any order, and under sharding. XLA sorts slowly on CPU (30 times a
selection), and sums slowly there too unless they are kept in lanes (5 times).
"""

import functools as ft

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt

from ..core.mesh import shard_min, shard_sum
from .floats import at_least_float32


lanes = 4096
"""Running sums kept side by side on CPU: enough to vectorise, few enough for cache."""


def sortable(scores: Float[Array, "*n"]) -> UInt[Array, "*n"]:
    """Keys in the order of the scores: ties stay ties, as do -0 and 0; NaN is 0."""
    scores = at_least_float32(scores)
    uint, sign, infinity = _form(scores.dtype)
    # On the integers, where nothing flushes a subnormal to zero.
    bits = jax.lax.bitcast_convert_type(scores, uint)
    key = jnp.where(bits > sign, ~bits, bits | sign)
    return jnp.where((bits & ~sign) > infinity, jnp.zeros_like(key), key)


def unsortable(key: UInt[Array, "*n"], dtype) -> Float[Array, "*n"]:
    """The score of a nonzero key."""
    _, sign, _ = _form(dtype)
    return jax.lax.bitcast_convert_type(jnp.where(key >= sign, key ^ sign, ~key), dtype)


def above_all(dtype) -> UInt[Array, ""]:
    """The key of +inf: no score has a greater one."""
    _, sign, infinity = _form(dtype)
    return sign | infinity


def _form(dtype):
    bits = jnp.finfo(dtype).bits
    uint = jnp.dtype(f"uint{bits}")
    infinity = jax.lax.bitcast_convert_type(jnp.asarray(jnp.inf, dtype), uint)
    return uint, jnp.asarray(1 << (bits - 1), uint), infinity


def by_lanes(f):
    """`f` of a pytree of keys `(n,)`, which it gets as rows `(n / width, width)`."""

    def run(width, keys, *args):
        def rows(key):
            fill = -key.shape[0] % width
            return jnp.pad(key, (0, fill)).reshape(-1, width)

        return f(jax.tree.map(rows, keys), *args)

    @ft.wraps(f)
    def call(keys, *args):
        n = max(1, jax.tree.leaves(keys)[0].shape[0])
        if n <= lanes:
            return run(n, keys, *args)
        on = lambda width: ft.partial(run, width)
        return jax.lax.platform_dependent(keys, *args, cpu=on(lanes), default=on(n))

    return call


def kth_largest(rows: UInt[Array, "r w"], k: Int[Array, " q"]) -> UInt[Array, " q"]:
    """The key with k others before it in falling order; 0 if no nonzero one is left."""
    bits, uint = jnp.iinfo(rows.dtype).bits, rows.dtype
    none = jnp.zeros((*k.shape, rows.shape[1]), jnp.int32)

    def settle(i, found):
        trial = found | jnp.ones((), uint) << (bits - 1 - i).astype(uint)
        count = lambda total, row: jnp.where(row[None] >= trial[:, None], total + 1, total)
        found_here = jnp.sum(_fold(count, none, rows), axis=1, dtype=jnp.int32)
        return jnp.where(shard_sum(found_here) > k, trial, found)

    return jax.lax.fori_loop(0, bits, settle, jnp.zeros(k.shape, uint))


def accepted(
    keys: tuple[UInt[Array, "r w"], UInt[Array, "r w"]],
    floors: UInt[Array, " q"],
    ceiling: UInt[Array, ""],
) -> tuple[Int[Array, " q"], Int[Array, " q"], UInt[Array, " q"]]:
    """Genuine and impostor keys at or above each floor, and the least of them.

    The least is `ceiling` if there is none.
    """
    shape = floors.shape[0], keys[0].shape[1]
    none = jnp.zeros(shape, jnp.int32)

    def step(totals, row):
        g, i, least = totals
        is_genuine, is_impostor = (key[None] >= floors[:, None] for key in row)
        key = jnp.maximum(*row)[None]  # of each pair one key is 0
        above = is_genuine | is_impostor
        least = jnp.where(above, jnp.minimum(least, key), least)
        return jnp.where(is_genuine, g + 1, g), jnp.where(is_impostor, i + 1, i), least

    start = none, none, jnp.full(shape, ceiling)
    g, i, least = _fold(step, start, keys)
    total = lambda x: shard_sum(jnp.sum(x, axis=1, dtype=jnp.int32))
    return total(g), total(i), shard_min(jnp.min(least, axis=1))


def _fold(step, start, rows):
    if jax.tree.leaves(rows)[0].shape[0] == 1:
        return step(start, jax.tree.map(lambda row: row[0], rows))
    return jax.lax.scan(lambda total, row: (step(total, row), None), start, rows)[0]
