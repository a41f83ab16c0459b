"""The linear classifier at the end of a network."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .linalg import matmul, single
from .types import as_array, Numeric


class Head(eqx.Module):
    """`features (n, d) -> logits (n, classes)`: `x C + b` (thesis 002, section 5.5)."""

    weight: Float[Numeric, "d classes"]
    bias: Float[Numeric, " classes"]

    def __check_init__(self):
        weight, bias = jnp.shape(self.weight), jnp.shape(self.bias)
        if len(weight) != 2 or bias != weight[1:]:
            raise ValueError(
                "A head is a weight (d, classes) and a bias (classes,); got "
                f"{weight} and {bias}. Frameworks that keep (classes, d) need `.T`."
            )

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.weight.shape[0]

    @property
    def classes(self) -> int:
        """How many there are."""
        return self.weight.shape[1]

    def __call__(self, x: Float[Numeric, "*n d"]) -> Float[Array, "*n classes"]:
        """The logits of rows `x`, in their dtype, float32 at least."""
        x = jnp.asarray(as_array(x))
        if x.ndim == 0 or x.shape[-1] != self.dim:
            raise ValueError(f"The head takes width {self.dim}; got rows of {x.shape}.")
        x = single(x)
        logits = matmul(x, jnp.asarray(self.weight).astype(x.dtype))
        bias = jnp.asarray(self.bias).astype(x.dtype)
        return logits + bias.reshape((1,) * (logits.ndim - 1) + bias.shape)
