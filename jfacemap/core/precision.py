"""Float64 inside, the caller's dtype outside, in every composition of transformations.

Least squares on a Gram matrix squares the condition number, so statistics are summed
and solved in float64 while rows and maps stay float32. Two obstacles, one tool each:

- a bare `with jax.enable_x64(True)` is not enough: `vmap(jit(f))` batches the traced
  body outside the scope, where products fall back to float32 without a word.
  `in_float64` keeps the batching rule inside the scope (`custom_vmap`) and gives it a
  reverse mode (`custom_vjp`).
- outside the scope a float64 array decays to float32 at the first `stack` or `sum`.
  `Wide` (core/wide.py) carries 48 bits as two float32, which survives everything.

A TPU has no float64: there the same kernel runs in float32, or a better suited one does,
and moments stay `Wide`, with products of core/split_products.py.
"""

import functools as ft

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from .mesh import laid_out, placed, Shards
from .wide import is_wide, Wide


float64_platforms = ("cpu", "cuda", "rocm")
"""Where there is float64."""


def outer_dtype(*trees) -> jnp.dtype:
    """The dtype results carry outside: float64 if some array has it, else float32.

    Scalars (a ridge) have no say: the maps of float32 rows are float32.
    """
    arrays = [x.dtype for x in jax.tree.leaves(trees) if x.ndim]
    return jnp.dtype(jnp.float64 if jnp.float64 in arrays else jnp.float32)


def widen(tree, dtype):
    """Every float array and `Wide` of `tree` as one array of `dtype`."""

    def convert(leaf):
        if isinstance(leaf, Wide):
            high = jax.lax.convert_element_type(leaf.high, dtype)
            if leaf.low is None:
                return high
            return high + jax.lax.convert_element_type(leaf.low, dtype)
        return jax.lax.convert_element_type(leaf, dtype) if _is_float(leaf) else leaf

    return jax.tree.map(convert, tree, is_leaf=is_wide)


def unrounded(tree, dtype):
    """As `widen` for float64; else each `Wide` as it is, for its own arithmetic."""
    if dtype == jnp.float64:
        return widen(tree, dtype)
    keep = lambda leaf: leaf if is_wide(leaf) else widen(leaf, dtype)
    return jax.tree.map(keep, tree, is_leaf=is_wide)


def in_float64(kernel, *, wide: bool = False, without=None, static=()):
    """Compile `kernel(dtype, *args)` to compute in float64 where the platform has it.

    The kernel gets the dtype to compute in (it calls `widen` on its arguments, at once
    or chunk by chunk), array pytrees, and the keywords named in `static`. Its float
    results come back in `outer_dtype(*args)`, or as `Wide` if `wide`. Platforms without
    float64 run `without`, or the same kernel, in float32.

    The kernel is told where rows lie that are spread over a mesh (`each_shard`): as their
    arrays have it, or `shards`.
    """

    @ft.partial(jax.jit, static_argnames=("shards", *static))
    def compiled(*args, shards, **options):
        outer = outer_dtype(args)
        finish = ft.partial(_split if wide else _narrow, dtype=outer)

        def with_float64(*args):
            with placed(shards):
                return finish(kernel(jnp.dtype(jnp.float64), *args, **options))

        def without_float64(*args):
            with placed(shards):
                return finish((without or kernel)(outer, *args, **options))

        if outer == jnp.float64:
            return with_float64(*args)
        scoped = _differentiable(with_float64)
        each = dict.fromkeys(float64_platforms, scoped)
        return jax.lax.platform_dependent(*args, **each, default=without_float64)

    def call(*args, shards: Shards | None = None, **options):
        args, found = laid_out(args)
        return compiled(*args, shards=shards or found, **options)

    return call


def _scoped(f):
    """`f` under x64, with a batching rule that re-enters the scope."""

    def inside(*args):
        with jax.enable_x64(True):
            return f(*args)

    scoped = custom_vmap(inside)

    @scoped.def_vmap
    def rule(size, batched, *args):
        axes = jax.tree.map(lambda b: 0 if b else None, tuple(batched))
        out = _scoped(jax.vmap(f, in_axes=axes, axis_size=size))(*args)
        return out, jax.tree.map(lambda _: True, out)

    return scoped


def _differentiable(f):
    """`_scoped(f)` with a reverse mode, which `custom_vmap` lacks; it is scoped too."""
    forward = _scoped(f)

    @jax.custom_vjp
    def call(*args):
        return forward(*args)

    def backward(args, cotangent):
        return _scoped(lambda ct, *a: jax.vjp(f, *a)[1](ct))(cotangent, *args)

    call.defvjp(lambda *args: (call(*args), args), backward)
    return call


def _narrow(tree, dtype):
    return jax.tree.map(
        lambda x: jax.lax.convert_element_type(x, dtype) if _is_float(x) else x, tree
    )


def _split(tree, dtype):
    def split(x):
        if is_wide(x):
            return x
        high = jax.lax.convert_element_type(x, dtype)
        if dtype == jnp.float64:
            return Wide(high, None)
        rest = x - jax.lax.convert_element_type(high, x.dtype)
        return Wide(high, jax.lax.convert_element_type(rest, dtype))

    return jax.tree.map(split, tree, is_leaf=is_wide)


def _is_float(x) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)
