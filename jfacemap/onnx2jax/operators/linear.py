"""Matrix products."""

import jax.numpy as jnp

from ..registry import operator
from .values import highest, like, match, same_dtype


@operator("MatMul")
def matmul(a, b):
    """a @ b, batched over leading axes, as NumPy has it."""
    a, b = same_dtype(a, b)
    # Leading axes are matched here: ranks may differ, and vectors have none.
    if a.ndim > 2 or b.ndim > 2:
        ndim = max(a.ndim, b.ndim)
        fill = lambda x: x.reshape((1,) * (ndim - x.ndim) + x.shape) if x.ndim > 1 else x
        if a.ndim > 2 and b.ndim == 2:  # one large product
            return jnp.matmul(a, b, precision=highest)
        a, b = fill(a), fill(b)
    return jnp.matmul(a, b, precision=highest)


@operator("Gemm")
def gemm(
    a, b, c=None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
):
    """alpha a b + beta c, with a or b transposed first."""
    a, b, c = same_dtype(a, b, c)
    a, b = (a.T if transA else a), (b.T if transB else b)
    out = jnp.matmul(a, b, precision=highest)
    if alpha != 1:
        out = out * like(out, alpha)
    if c is None:
        return out
    out, c = match(out, c)
    return out + (c if beta == 1 else like(c, beta) * c)


@operator("Einsum")
def einsum(*xs, equation: str):
    """The sum of products that the equation describes."""
    return jnp.einsum(equation.replace(" ", ""), *same_dtype(*xs), precision=highest)
