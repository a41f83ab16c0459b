r"""The orthogonal polar factor: the rotation nearest to a matrix.

For $C = U \Sigma V'$ it is $Q = U V'$, which maximises $\mathrm{tr}(Q'C)$ over matrices
with orthonormal columns (or rows): the orthogonal Procrustes solution.
"""

import functools as ft

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .branch import either
from .linalg import matmul
from .polar_products import by_products
from .wide import is_wide, Wide


def polar(c: Float[Array, "d k"] | Wide, reflection: bool = False) -> Float[Array, "d k"]:
    """The orthogonal factor of `c`; unless `reflection`, a square one has det +1.

    The sign is turned along the least singular direction, which costs least (Kabsch,
    1976; paper 000, eq. 3). Rectangular factors have no determinant, nor a sign to fix.
    Where `c` lacks rank the factor is not unique: null directions are completed by the
    singular vectors the decomposition returns, a deterministic choice.

    By decompositions on a CPU, by products alone on accelerators. Of a `Wide` one by
    products in as many digits, rounded to float32.
    """
    if c.shape[0] < c.shape[1]:
        return polar(c.T, reflection).T
    if is_wide(c):
        return _polar_wide(c, reflection)
    return _polar(c, reflection)


@ft.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _polar(c, reflection):
    return jax.lax.platform_dependent(
        c,
        cpu=ft.partial(by_decompositions, reflection=reflection),
        default=ft.partial(by_products, reflection=reflection),
    )


def by_decompositions(c, reflection: bool):
    """The polar factor of `c` (d, k), d >= k, by eigenvectors or singular vectors."""
    s, v = jnp.linalg.eigh(matmul(c.T, c))
    q, least = either(_is_steep, _by_singular_values, _by_eigenvectors)(c, s, v)
    if reflection or c.shape[0] != c.shape[1]:
        return q
    turned = q - 2 * matmul(matmul(q, least), least.T)
    # The sign of an orthogonal matrix is plain to see in half the digits.
    sign, _ = jnp.linalg.slogdet(jax.lax.convert_element_type(q, jnp.float32))
    return jnp.where(sign < 0, turned, q)


def _is_steep(c, s, v):
    # Eigenvectors of C'C lose condition(C)^2 digits, singular vectors of C half as many.
    return ~(s[0] > jnp.finfo(s.dtype).eps ** 0.5 * s[-1])


def _by_eigenvectors(c, s, v):
    safe = jnp.where(s > 0, s, 1)
    q = matmul(matmul(c, v / jnp.sqrt(safe)[None]), v.T)
    return either(_is_rough, lambda q, s: polish(q), lambda q, s: q)(q, s), v[:, :1]


def _is_rough(q, s):
    # Q is as far from orthogonal as rounding times condition(C)^2.
    return ~(s[0] > 1e11 * jnp.finfo(s.dtype).eps * s[-1])


def _by_singular_values(c, s, v):
    u, _, vt = jnp.linalg.svd(c, full_matrices=False)
    return matmul(u, vt), vt[-1:].T


def polish(q):
    """One Newton-Schulz step to orthonormal columns: squares the distance from them."""
    return 1.5 * q - 0.5 * matmul(q, matmul(q.T, q))


def _forward(c, reflection):
    q = _polar(c, reflection)
    return q, (c, q)


def _backward(reflection, saved, cotangent):
    # dQ = Q W + (I - QQ') dC H^-1 with H = Q'C, W H + H W = Q'dC - dC'Q: only sums of
    # singular values are divided by, so equal ones are harmless (unlike through the SVD).
    c, q = saved
    h = matmul(q.T, c)
    s, v = jnp.linalg.eigh((h + h.T) / 2)
    inner = matmul(q.T, cotangent)
    turn = matmul(matmul(v.T, inner - inner.T), v) * _inverse(s[:, None] + s[None, :])
    out = matmul(q, matmul(matmul(v, turn), v.T))
    if c.shape[0] > c.shape[1]:
        rest = cotangent - matmul(q, inner)
        out = out + matmul(matmul(rest, v) * _inverse(s)[None], v.T)
    return (out,)


def _inverse(s):
    keep = jnp.abs(s) > s.shape[0] * jnp.finfo(s.dtype).eps * jnp.max(jnp.abs(s))
    return jnp.where(keep, 1 / jnp.where(keep, s, 1), 0)


_polar.defvjp(_forward, _backward)


@ft.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _polar_wide(c, reflection):
    return by_products(c, reflection)


def _forward_wide(c, reflection):
    q = _polar_wide(c, reflection)
    return q, (c.high, q)


def _backward_wide(reflection, saved, cotangent):
    (slope,) = _backward(reflection, saved, cotangent)
    return (Wide(slope, slope),)


_polar_wide.defvjp(_forward_wide, _backward_wide)
