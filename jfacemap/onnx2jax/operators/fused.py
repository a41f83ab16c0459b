"""Operators of `com.microsoft`: what onnxruntime's optimiser makes of the standard ones."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..registry import one_of, operator
from . import activation as act
from .arithmetic import clip
from .conv import convolution
from .linear import gemm, matmul
from .normalisation import layer_normalization, rms_normalization
from .values import like, match


microsoft = "com.microsoft"

activations = {
    "": lambda x: x,
    "Relu": act.relu,
    "Tanh": act.tanh,
    "Sigmoid": act.sigmoid,
    "LeakyRelu": lambda x, alpha: act.leaky_relu(x, alpha=alpha),
    "Clip": lambda x, a, b: clip(x, np.float32(a), np.float32(b)),
    "HardSigmoid": lambda x, a, b: act.hard_sigmoid(x, alpha=a, beta=b),
}


known = one_of(activation=activations)


def _activate(x, name: str, parameters):
    return activations[name](x, *parameters)


@operator("FusedConv", domain=microsoft, check=known)
def fused_conv(
    x,
    w,
    b=None,
    z=None,
    *,
    activation: str = "",
    activation_params=(),
    auto_pad: str = "NOTSET",
    dilations=None,
    group: int = 1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    """A convolution, z added, an activation."""
    geometry: dict[str, Any] = dict(
        auto_pad=auto_pad, dilations=dilations, group=group, pads=pads
    )
    out = convolution(x, w, b, strides=strides, **geometry)
    out = out if z is None else jnp.add(*match(out, z))
    return _activate(out, activation, activation_params)


@operator("FusedGemm", domain=microsoft, check=known)
def fused_gemm(
    a,
    b,
    c=None,
    *,
    activation: str = "",
    activation_alpha: float = 0.01,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
):
    """A product of matrices, and an activation."""
    out = gemm(a, b, c, alpha=alpha, beta=beta, transA=transA, transB=transB)
    return _activate(
        out, activation, (activation_alpha,) if activation == "LeakyRelu" else ()
    )


def _last_axes_alone(attributes) -> None:
    for name in ("transBatchA", "transBatchB"):
        if attributes.get(name):
            raise ValueError(f"{name}=1 is not supported")


@operator("FusedMatMul", domain=microsoft, check=_last_axes_alone)
def fused_matmul(
    a,
    b,
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    transBatchA: int = 0,
    transBatchB: int = 0,
):
    """alpha a @ b, the last two axes of a or b transposed first."""
    turn = lambda x, yes: jnp.swapaxes(x, -1, -2) if yes else x
    out = matmul(turn(a, transA), turn(b, transB))
    return out * like(out, alpha)


@operator("Gelu", domain=microsoft)
def gelu(x):
    """The exact `gelu`."""
    return act.gelu(x)


@operator("BiasGelu", domain=microsoft)
def bias_gelu(x, b):
    """The exact `gelu` of x + b."""
    return act.gelu(jnp.add(*match(x, b)))


@operator("FastGelu", domain=microsoft)
def fast_gelu(x, b=None):
    """`gelu` of x + b by tanh."""
    return act.gelu(x if b is None else jnp.add(*match(x, b)), approximate="tanh")


@operator("QuickGelu", domain=microsoft)
def quick_gelu(x, *, alpha: float = 1.702):
    """x sigmoid(alpha x)."""
    return act.swish(x, alpha=alpha)


@operator("SimplifiedLayerNormalization", domain=microsoft)
@operator("SimplifiedLayerNormalization")
def simplified(x, scale, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1):
    """`rms_normalization`."""
    return rms_normalization(x, scale, axis=axis, epsilon=epsilon)


@operator("SkipLayerNormalization", domain=microsoft)
def skip_layer_normalization(
    x, skip, gamma, beta=None, bias=None, *, epsilon: float = 1e-5
):
    """`layer_normalization` of x + skip + bias; and that sum, as the fourth output."""
    total = jnp.add(*match(x, skip))
    total = total if bias is None else jnp.add(*match(total, bias))
    return [*layer_normalization(total, gamma, beta, epsilon=epsilon), total]
