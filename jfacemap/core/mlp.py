"""A small network beside an affine map: is there anything a straight map misses?"""

from typing import Never

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .linalg import matmul
from .maps import AbstractMap, AffineMap, check_rows
from .types import Numeric


class MlpMap(AbstractMap):
    """`x -> x W + b + gelu(x U + c) V`: an affine map and one hidden layer of width h.

    Not affine, and without an inverse: `as_affine`, `inverse` and `compose` raise.
    """

    weight: Float[Array, "*stack d k"]
    bias: Float[Array, "*stack k"]
    inner: Float[Array, "*stack d h"]
    inner_bias: Float[Array, "*stack h"]
    outer: Float[Array, "*stack h k"]

    def __call__(self, x: Float[Numeric, "*n d"]) -> Float[Array, "*n k"]:
        """Map the rows of `x`."""
        straight = AffineMap(self.weight, self.bias)
        x = check_rows(self, x, self.weight)
        hidden = AffineMap(self.inner, self.inner_bias)(x)
        return straight(x) + matmul(jax.nn.gelu(hidden), self.outer)

    def as_affine(self) -> Never:
        """Raises `ValueError`: this map bends."""
        raise ValueError(
            "A MlpMap is not affine and has no inverse: apply it to rows, or fit an "
            "affine map to what it makes of them."
        )

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Leading axes of a stack of maps; () for one map."""
        return self.bias.shape[:-1]

    @property
    def in_dim(self) -> int:
        """Width of the source space."""
        return self.weight.shape[-2]

    @property
    def out_dim(self) -> int:
        """Width of the target space."""
        return self.weight.shape[-1]


def mlp_map(
    key: Key[Array, ""],
    base: AbstractMap,
    hidden: int,
    *,
    length: float | Float[Numeric, ""] = 1.0,
) -> MlpMap:
    """`base` and a hidden layer that adds nothing yet: where `fit_gradient` can start.

    `length` is that of the rows to be mapped, as a rule: hidden units then see numbers of
    variance 1. Raises `ValueError` unless there is a hidden unit.
    """
    if hidden < 1:
        raise ValueError(f"A hidden layer has at least one unit; got {hidden}.")
    m = base.as_affine()
    dtype = m.weight.dtype
    inner = jax.random.normal(key, (m.in_dim, hidden), dtype)
    return MlpMap(
        weight=m.weight,
        bias=m.bias,
        inner=inner / jnp.asarray(length, dtype),
        inner_bias=jnp.zeros(hidden, dtype),
        outer=jnp.zeros((hidden, m.out_dim), dtype),
    )
