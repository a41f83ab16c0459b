"""Matrix products at full precision, and the few helpers every fit stands on.

Accelerators run a plain float32 `@` in TF32 or bfloat16: ten bits, enough to train a
network and too few to fit a map. `matmul` is the package's only spelling of a product.
"""

import functools as ft

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .branch import either
from .types import Numeric


matmul = ft.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def unit(x: Float[Numeric, "*n d"]) -> Float[Array, "*n d"]:
    """Rows scaled to unit length; a zero row stays zero (it scores 0), NaN stays NaN."""
    narrow = jnp.finfo(x.dtype).bits < 32  # its squares overflow
    wide = jax.lax.convert_element_type(x, jnp.float32) if narrow else x
    square = jnp.sum(wide**2, axis=-1, keepdims=True)
    alive = square != 0
    scaled = jnp.where(alive, wide / jnp.sqrt(jnp.where(alive, square, 1)), 0)
    return jax.lax.convert_element_type(scaled, x.dtype) if narrow else scaled


def spectrum_cutoff(largest: Array, size: int) -> Array:
    """Eigenvalues of a Gram matrix at or below this are rounding: `size eps largest`."""
    return size * jnp.finfo(largest.dtype).eps * largest


@jax.custom_vjp
def solve_psd(a: Float[Array, "d d"], b: Float[Array, "d k"]) -> Float[Array, "d k"]:
    """Minimum-norm solution of `a x = b` for a symmetric positive semi-definite `a`.

    Cholesky where `a` is safely of full rank; otherwise by eigenvalues, those at or
    below `spectrum_cutoff` taken as zero. The path is chosen by value, under `vmap` too.
    The reverse derivative is that of an `a` of full rank.
    """
    factor = jnp.linalg.cholesky(a)
    return either(_is_singular, _solve_by_eigenvalues, _solve_by_cholesky)(a, factor, b)


def _is_singular(a, factor, b):
    # Inverse iteration from above: the estimate is never below the least eigenvalue.
    d = a.shape[0]
    v = jnp.cos(jnp.arange(d, dtype=a.dtype) ** 2)[:, None]
    for _ in range(3):
        v = _solve_by_cholesky(a, factor, v / jnp.linalg.norm(v))
    least = 1 / jnp.linalg.norm(v)
    largest = jnp.max(jnp.sum(jnp.abs(a), axis=0))
    return ~(least > 4 * spectrum_cutoff(largest, d))  # NaN counts as singular


def _solve_by_cholesky(a, factor, b):
    solve = ft.partial(jax.lax.linalg.triangular_solve, factor, left_side=True)
    return solve(solve(b, lower=True), lower=True, transpose_a=True)


def _solve_by_eigenvalues(a, factor, b):
    s, v = jnp.linalg.eigh(a)
    keep = s > spectrum_cutoff(s[-1], a.shape[0])
    inverse = jnp.where(keep, 1 / jnp.where(keep, s, 1), 0)
    return matmul(v, inverse[:, None] * matmul(v.T, b))


def _solve_forward(a, b):
    x = solve_psd(a, b)
    return x, (a, x)


def _solve_backward(saved, cotangent):
    a, x = saved
    b_bar = solve_psd(a, cotangent)
    a_bar = -matmul(b_bar, x.T)
    return (a_bar + a_bar.T) / 2, b_bar


solve_psd.defvjp(_solve_forward, _solve_backward)
