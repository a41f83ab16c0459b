"""Matrix products at full precision, and the few helpers every fit stands on.

Accelerators run a plain float32 `@` in TF32 or bfloat16: ten bits, enough to train a
network and too few to fit a map. `matmul` is the package's only spelling of a product.
"""

import functools as ft

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .branch import either
from .order import largest
from .types import Numeric


matmul = ft.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def unit(x: Float[Numeric, "*n d"]) -> Float[Array, "*n d"]:
    """Rows scaled to unit length; a zero row stays zero, and scores 0.

    A row with a NaN is NaN, as is one whose squared length overflows its dtype (in
    float32, from length 1e19 on); a row whose squared length underflows counts as zero.
    """
    narrow = jnp.finfo(x.dtype).bits < 32  # its squares overflow
    wide = jax.lax.convert_element_type(x, jnp.float32) if narrow else x
    square = jnp.sum(wide**2, axis=-1, keepdims=True)
    alive = square != 0
    length = jnp.sqrt(jnp.where(alive, square, 1))
    scaled = jnp.where(alive, wide / length, 0)
    scaled = jnp.where(square < jnp.inf, scaled, jnp.nan)
    return jax.lax.convert_element_type(scaled, x.dtype) if narrow else scaled


def directions(v: Float[Array, "*n d"]) -> tuple[Float[Array, "*n d"], Bool[Array, "*n"]]:
    """Rows as unit vectors, however short or long, and which have a direction at all.

    Rows that are zero or not finite are zero.
    """
    size = largest(jnp.abs(v), axis=-1, keepdims=True)
    alive = (size > 0) & (size < jnp.inf)  # NaN is neither
    v = jnp.where(alive, v / jnp.where(alive, size, 1), 0)  # squares cannot underflow
    return unit(v), alive[..., 0]


def root(w: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Square root, with derivative 0, not infinity, at 0."""
    return jnp.where(w != 0, jnp.sqrt(jnp.where(w != 0, w, 1)), 0)


def single(x: Float[Numeric, "*n"]) -> Float[Array, "*n"]:
    """`x`, in float32 if its own dtype has fewer bits."""
    x = jnp.asarray(x)
    return x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x


def spectrum_cutoff(largest: Array, size: int) -> Array:
    """Eigenvalues of a Gram matrix at or below this are rounding: `size eps largest`."""
    return size * jnp.finfo(largest.dtype).eps * largest


@jax.custom_vjp
def solve_psd(a: Float[Array, "d d"], b: Float[Array, "d k"]) -> Float[Array, "d k"]:
    """Minimum-norm solution of `a x = b` for a symmetric positive semi-definite `a`.

    Cholesky where `a` is safely of full rank; otherwise by eigenvalues, those at or
    below `spectrum_cutoff` taken as zero. The path is chosen by value, under `vmap` too.
    The reverse derivative is that of the pseudo-inverse at constant rank (Golub &
    Pereyra, 1973).
    """
    factor = jnp.linalg.cholesky(a)
    return either(_is_singular, _solve_by_eigenvalues, _solve_by_cholesky)(a, factor, b)


def _is_singular(a, factor, *_):
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
    return _pseudo_inverse(a)(b)


def _pseudo_inverse(a):
    s, v = jnp.linalg.eigh(a)
    keep = s > spectrum_cutoff(s[-1], a.shape[0])
    inverse = jnp.where(keep, 1 / jnp.where(keep, s, 1), 0)
    return lambda b: matmul(v, inverse[:, None] * matmul(v.T, b))


def _solve_forward(a, b):
    x = solve_psd(a, b)
    return x, (a, b, x)


def _solve_backward(saved, cotangent):
    a, b, x = saved
    factor = jnp.linalg.cholesky(a)
    a_bar, b_bar = either(_is_singular, _pull_by_eigenvalues, _pull_by_cholesky)(
        a, factor, b, x, cotangent
    )
    return (a_bar + a_bar.T) / 2, b_bar


def _pull_by_cholesky(a, factor, b, x, cotangent):
    b_bar = _solve_by_cholesky(a, factor, cotangent)
    return -matmul(b_bar, x.T), b_bar


def _pull_by_eigenvalues(a, factor, b, x, cotangent):
    # With A+ the pseudo-inverse and P = A A+: d(A+) = -A+ dA A+ + A+A+ dA (I - P)
    # + (I - P) dA A+A+.
    solve = _pseudo_inverse(a)
    b_bar = solve(cotangent)
    unseen, left = cotangent - matmul(a, b_bar), b - matmul(a, x)
    turned = matmul(unseen, solve(x).T) + matmul(solve(b_bar), left.T)
    return turned - matmul(b_bar, x.T), b_bar


solve_psd.defvjp(_solve_forward, _solve_backward)


@jax.custom_jvp
def inverse_root(a: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """`a^(-1/2)` of a symmetric positive semi-definite `a`; zero where `a` is.

    Eigenvalues at or below `spectrum_cutoff` are taken as zero. The derivative is that
    of the others, at constant rank; equal ones do no harm.
    """
    root, v = _inverse_roots(a)
    return matmul(v * root[None], v.T)


@inverse_root.defjvp
def _inverse_root_jvp(primals, tangents):
    # Divided differences of s^(-1/2), with r = s^(-1/2): -r_i^2 r_j^2 / (r_i + r_j).
    (a,), (step,) = primals, tangents
    r, v = _inverse_roots(a)
    both = r[:, None] + r[None]
    slope = -((r[:, None] * r[None]) ** 2) / jnp.where(both > 0, both, 1)
    # Between a kept and a dropped direction, s_j = 0 with r_j = 0 of its own: r_i / s_i.
    mixed = (r[:, None] > 0) != (r[None] > 0)
    slope = jnp.where(mixed, both**3, slope)
    turned = matmul(matmul(v, slope * matmul(matmul(v.T, step), v)), v.T)
    return inverse_root(a), turned


def _inverse_roots(a):
    s, v = jnp.linalg.eigh(a)
    keep = s > spectrum_cutoff(s[-1], s.shape[0])
    return jnp.where(keep, 1 / jnp.sqrt(jnp.where(keep, s, 1)), 0), v
