"""Functions between layers, element by element."""

import math

import jax
import jax.numpy as jnp

from ..registry import operator
from .values import like, match, to_jax


@operator("Relu", elementwise=True)
def relu(x):
    """max(x, 0)."""
    return jax.nn.relu(to_jax(x))  # its gradient at 0 is 0


@operator("LeakyRelu", elementwise=True)
def leaky_relu(x, *, alpha: float = 0.01):
    """x where positive, else alpha x."""
    return jnp.where(x < 0, like(x, alpha) * x, x)


@operator("PRelu", elementwise=True)
def prelu(x, slope):
    """x where positive, else slope x; the slope broadcasts to x."""
    x, slope = match(x, slope)
    return jnp.where(x < 0, slope * x, x)


@operator("ThresholdedRelu", elementwise=True)
def thresholded_relu(x, *, alpha: float = 1.0):
    """x where above alpha, else 0."""
    return jnp.where(x > like(x, alpha), x, like(x, 0))


@operator("Elu", elementwise=True)
def elu(x, *, alpha: float = 1.0):
    """x where positive, else alpha (exp x - 1)."""
    # The branch not taken stays finite: its gradient is multiplied by zero.
    return jnp.where(x > 0, x, like(x, alpha) * jnp.expm1(jnp.minimum(x, like(x, 0))))


@operator("Selu", elementwise=True)
def selu(x, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805):
    """gamma times `elu`."""
    return like(x, gamma) * elu(x, alpha=alpha)


@operator("Celu", elementwise=True)
def celu(x, *, alpha: float = 1.0):
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""
    negative = jnp.minimum(x, like(x, 0)) / like(x, alpha)
    return jnp.where(x > 0, x, like(x, alpha) * jnp.expm1(negative))


@operator("Sigmoid", elementwise=True)
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(to_jax(x))


@operator("HardSigmoid", elementwise=True)
def hard_sigmoid(x, *, alpha: float = 0.2, beta: float = 0.5):
    """alpha x + beta within 0 to 1."""
    return jnp.clip(like(x, alpha) * x + like(x, beta), like(x, 0), like(x, 1))


@operator("HardSwish", elementwise=True)
def hard_swish(x):
    """x times `hard_sigmoid` of slope 1 / 6."""
    return x * hard_sigmoid(x, alpha=1 / 6)


@operator("Tanh", elementwise=True)
def tanh(x):
    """The hyperbolic tangent."""
    return jnp.tanh(x)


@operator("Softplus", elementwise=True)
def softplus(x):
    """log(1 + exp x)."""
    return jnp.logaddexp(x, like(x, 0))


@operator("Softsign", elementwise=True)
def softsign(x):
    """x / (1 + |x|)."""
    return x / (like(x, 1) + jnp.abs(x))


@operator("Mish", elementwise=True)
def mish(x):
    """x tanh(log(1 + exp x))."""
    return x * jnp.tanh(softplus(x))


@operator("Gelu", elementwise=True)
def gelu(x, *, approximate: str = "none"):
    """x times the normal distribution function, or its approximation by tanh."""
    if approximate == "tanh":
        inner = like(x, math.sqrt(2 / math.pi)) * (x + like(x, 0.044715) * x * x * x)
        return like(x, 0.5) * x * (like(x, 1) + jnp.tanh(inner))
    erf = jax.lax.erf(x * like(x, math.sqrt(0.5)))
    return like(x, 0.5) * x * (like(x, 1) + erf)


@operator("Swish", elementwise=True)
def swish(x, *, alpha: float = 1.0):
    """x sigmoid(alpha x)."""
    return x * sigmoid(like(x, alpha) * x)


@operator("SwiGLU", elementwise=True)
def swiglu(gate, x, *, alpha: float = 1.0):
    """`swish` of the gate, times x."""
    gate, x = match(gate, x)
    return swish(gate, alpha=alpha) * x


@operator("Shrink", elementwise=True)
def shrink(x, *, bias: float = 0.0, lambd: float = 0.5):
    """x moved towards 0 by bias where beyond lambd, else 0."""
    bias, lambd = like(x, bias), like(x, lambd)
    return jnp.where(x < -lambd, x + bias, jnp.where(x > lambd, x - bias, like(x, 0)))
