r"""Least squares from `Wide` moments, where there is no float64 to factor them in.

Float32 factors alone: Cholesky's of the Gram matrix A, shifted so that it exists, turns A
into T A T' of a far smaller condition, which is computed from `Wide` A by split products
and factored again (Fukaya, Kannan, Nakatsukasa, Yamamoto & Yanagisawa, Shifted Cholesky QR
for computing the QR factorization of ill-conditioned matrices, 2020). With T'T near the
inverse a few steps of refinement, residuals by split products, reach float32's rounding.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .branch import either
from .linalg import matmul, solve_psd
from .split_products import power_above, product
from .wide import as_wide, Wide, zeros_wide


rounding = 1e-9
"""Eigenvalues about and below it, of the largest, count as lacking, if any is."""


inflation = 1e11
"""A column of whose square the others leave less than its inverse is their sum."""


@jax.custom_vjp
def solve_wide(a: Wide, b: Wide) -> Array:
    """The float32 solution of `a x = b`, a (d, d) positive semi-definite, b (d, k).

    Columns are scaled to one size first. Relative errors are some 1e-7, from rows of
    condition 1e4 (a Gram matrix's of 1e8) 1e-6, and to 1e5 the products' own. Where `a`
    lacks rank the solution is of least norm, to some 1e-4, by Tikhonov's iteration: what
    has an eigenvalue of s, the largest being 1, lacks its `(1 + s / 1e-9)^-4`. The
    derivative is that at full rank.
    """
    size = jnp.diagonal(a.high)
    _, inverse = power_above(jnp.sqrt(jnp.where(size > 0, size, 1)))
    root, off = _inverse_root(_scaled(a, inverse))
    return either(_is_unsure, _of_least_norm, _refined)(a, b, inverse, root, off)


def _is_unsure(a, b, inverse, root, off):
    # The diagonal of the inverse, of columns of one size: how little of a column the
    # others do not explain. NaN counts as unsure.
    return ~((off < 0.5) & (jnp.max(jnp.sum(root**2, axis=0)) < inflation))


def _refined(a, b, inverse, root, off):
    b = jax.tree.map(lambda part: part * inverse[:, None], b)
    return inverse[:, None] * _refine(_scaled(a, inverse), b, root, 4).high


def _of_least_norm(a, b, *_):
    # All columns by one factor: another norm would not do.
    _, inverse = power_above(jnp.max(jnp.sum(jnp.abs(a.high), axis=0)))
    scale = lambda x: jax.tree.map(lambda part: part * inverse, x)
    a, b = scale(a), scale(b)
    penalised = a + rounding * jnp.eye(a.shape[0], dtype=jnp.float32)
    root, off = _inverse_root(penalised)
    # To the end each: `a` itself does not see what rounding puts where it has no rank.
    solve = lambda b: _refine(penalised, b, root, 4)
    step = lambda _, x: x + solve(b - product(a, x))
    x = jax.lax.fori_loop(0, 4, step, _zeros(b)).high
    coarse = lambda a, b, x, off: solve_psd(a, b)
    test = lambda a, b, x, off: ~(off < 0.5)
    return either(test, coarse, lambda a, b, x, off: x)(a.high, b.high, x, off)


def _scaled(a, inverse):
    both = inverse[:, None], inverse[None]
    return jax.tree.map(lambda part: part * both[0] * both[1], a)


def _inverse_root(a):
    """T with T'T near the inverse of `a`, and how far T a T' is from the identity."""
    d = a.shape[0]
    eye = jnp.eye(d, dtype=jnp.float32)
    shift = 4 * d * jnp.finfo(jnp.float32).eps * eye

    def step(_, found):
        root, _ = found
        m = product(product(as_wide(root), a), as_wide(root.T)).high
        m = (m + m.T) / 2
        factor = jnp.linalg.cholesky(m + shift)
        root = jax.lax.linalg.triangular_solve(factor, root, left_side=True, lower=True)
        return root, jnp.linalg.norm(m - eye)

    return jax.lax.fori_loop(0, 4, step, (eye, jnp.zeros((), jnp.float32)))


def _refine(a, b, root, steps):
    def step(_, x):
        rest = (b - product(a, x)).high
        return x + matmul(root.T, matmul(root, rest))

    return jax.lax.fori_loop(0, steps, step, _zeros(b))


def _zeros(b):
    return zeros_wide(b.shape, jnp.float32)


def _forward(a, b):
    x = solve_wide(a, b)
    return x, (a, x)


def _backward(saved, cotangent):
    a, x = saved
    b_bar = solve_wide(a, as_wide(cotangent))
    a_bar = -matmul(b_bar, x.T)
    a_bar = (a_bar + a_bar.T) / 2
    return Wide(a_bar, a_bar), Wide(b_bar, b_bar)


solve_wide.defvjp(_forward, _backward)
