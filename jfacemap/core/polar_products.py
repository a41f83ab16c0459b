r"""The orthogonal polar factor by matrix products alone: for accelerators, and for `Wide`.

Newton and Schulz's iteration $X \leftarrow \tfrac{1}{2} \alpha X (3 - \alpha^2 X'X)$ with
the steps scaled so that the least singular value grows 2.5-fold (Chen & Chow, A stable
scaling of Newton-Schulz for improving the sign function computation of a Hermitian matrix,
2014): $\alpha^2 = 3 / (1 + l + l^2)$ where all singular values lie in [l, 1]. Whatever
alpha is, singular vectors stay; a decomposition on a GPU or TPU takes many times as long.
"""

import functools as ft
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .branch import either
from .linalg import matmul
from .split_products import product
from .wide import as_wide, is_wide, Wide
from .wide_solve import solve_wide


stable = 1.69770248526
"""Largest alpha: up to it a singular value of 1.01 for 1 by rounding keeps its sign."""


def by_products(c, reflection: bool) -> Array:
    """The polar factor of `c` (d, k), d >= k, an array or a `Wide` one (then float32).

    As `polar`, for singular values from `4 sqrt(k) eps` of the largest on; if one is
    smaller, or all are NaN, of a singular value decomposition of the array.
    """
    multiply = product if is_wide(c) else matmul
    q = _iterate(c, multiply)
    q = either(_is_rough, lambda q, c: _by_svd(c), lambda q, c: q)(_high(q), _high(c))
    if reflection or c.shape[0] != c.shape[1]:
        return q
    test = lambda q, *_: jnp.linalg.slogdet(q.astype(jnp.float32))[0] < 0
    return either(test, _turn, lambda q, c: q)(q, c)


def _iterate(c, multiply):
    eps = 2.0**-44 if is_wide(c) else float(jnp.finfo(c.dtype).eps)
    k, dtype = c.shape[1], _high(c).dtype
    eye = 3 * jnp.eye(k, dtype=dtype)
    most = jnp.sqrt(jnp.max(jnp.sum(jnp.abs(matmul(_high(c).T, _high(c))), axis=0)))
    x = c * (1 / jnp.where(most > 0, most, 1))

    def step(_, carry):
        x, least = carry
        alpha, least = _scale(least, jnp)
        inner = eye - multiply(x.T, x) * alpha**2
        return multiply(x, inner) * (alpha / 2), least

    least = 4 * k**0.5 * eps
    start = x, jnp.asarray(least, dtype)
    return jax.lax.fori_loop(0, _steps(least), step, start)[0]


def _scale(least, home):
    """Alpha for singular values in [least, 1], and the least of those it makes."""
    alpha = home.minimum(home.sqrt(3 / (1 + least + least**2)), stable)
    return alpha, alpha * least * (3 - (alpha * least) ** 2) / 2


@ft.cache
def _steps(least: float) -> int:
    """Steps from singular values in [least, 1] to 1."""
    number = 1
    while 1 - least > 1e-9:  # of which the last step leaves the square
        _, least = _scale(least, np)
        number += 1
    return number


def _is_rough(q, c):
    k = q.shape[1]
    off = jnp.linalg.norm(matmul(q.T, q) - jnp.eye(k, dtype=q.dtype))
    return ~(off < 8 * k * jnp.finfo(q.dtype).eps)  # so for NaN


def _by_svd(c):
    u, _, vt = jnp.linalg.svd(c, full_matrices=False)
    return matmul(u, vt)


def _turn(q, c):
    """`q` with the least singular direction of `c` reversed."""
    h: Any = product(as_wide(q).T, c) if is_wide(c) else matmul(q.T, c)
    _, v = jnp.linalg.eigh((_high(h) + _high(h).T) / 2)
    least = v[:, :1]
    if is_wide(h):
        h = (h + h.T) * 0.5
        # Small eigenvalues are rounding in float32: inverse iteration, on many at once,
        # as those next to the least may be close to it.
        step = lambda _, v: jnp.linalg.qr(solve_wide(h, as_wide(v)))[0]
        v = jax.lax.fori_loop(0, 4, step, v[:, :32])
        ritz = product(as_wide(v.T), product(h, as_wide(v))).high
        least = matmul(v, jnp.linalg.eigh(ritz)[1][:, :1])
    return q - 2 * matmul(matmul(q, least), least.T)


def _high(x) -> Array:
    return x.high if isinstance(x, Wide) else x
