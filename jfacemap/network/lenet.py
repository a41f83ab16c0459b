r"""The LeNet of Caffe's MNIST example, and what each of its layers says of an image.

conv1 20 @ 5 x 5, max-pool 2, conv2 50 @ 5 x 5, max-pool 2, ip1 500, ReLU, ip2; nothing
after the convolutions. Weights uniform in $\pm\sqrt{3 / \text{fan in}}$ (Caffe's
xavier), biases zero. Paper 001, section 4.1.
"""

import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key, Num

from .convolution import convolve_and_pool


xavier = nnx.initializers.variance_scaling(
    1.0, "fan_in", "uniform", in_axis=(1, 2, 3), out_axis=0
)
xavier_dense = nnx.initializers.variance_scaling(1.0, "fan_in", "uniform")
pixel_scale = 1 / 256
"""Pixels 0 to 255 are multiplied by this, as Caffe's example does."""

layers = "conv1", "conv2", "ip1", "softmax"
"""Layers by depth, as `Activations.layer` names them."""


class Activations(eqx.Module):
    """What LeNet computes of n images, layer by layer.

    - `conv1 (n, 20, 12, 12)`, `conv2 (n, 50, 4, 4)`: after pooling
    - `ip1 (n, 500)`: after the ReLU: the deep features of paper 001
    - `logits (n, classes)`: before the softmax
    """

    conv1: Float[Array, "*seeds n 20 12 12"]
    conv2: Float[Array, "*seeds n 50 4 4"]
    ip1: Float[Array, "*seeds n 500"]
    logits: Float[Array, "*seeds n classes"]

    def layer(self, name: str) -> Float[Array, "n d"]:
        """The layer of that name, flat; "softmax" are the class probabilities."""
        if name == "softmax":
            return jax.nn.softmax(self.logits)
        if name not in (f for f in self.__dataclass_fields__):
            raise ValueError(f"LeNet has no layer {name!r}; it has {', '.join(layers)}.")
        x = getattr(self, name)
        return x.reshape(x.shape[0], -1)


class Convolution(nnx.Module):
    """Kernel `(out, in, k, k)` and bias, then 2 x 2 max-pooling."""

    def __init__(self, width_in: int, width_out: int, size: int, *, rngs: nnx.Rngs):
        shape = width_out, width_in, size, size
        self.kernel = nnx.Param(xavier(rngs.params(), shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(width_out))

    def __call__(self, x: Float[Array, "c h w n"]) -> Float[Array, "o p q n"]:
        """Convolve, pool; a bias shared by all pixels may as well come last."""
        pooled = convolve_and_pool(x, self.kernel[...])
        return pooled + self.bias[...][:, None, None, None]


class LeNet(nnx.Module):
    """Images `(n, 28, 28)`, pixels from 0 to 255, to `Activations`."""

    def __init__(self, classes: int = 10, *, rngs: nnx.Rngs):
        dense = ft.partial(
            nnx.Linear,
            kernel_init=xavier_dense,
            precision=jax.lax.Precision.HIGHEST,
            rngs=rngs,
        )
        self.conv1 = Convolution(1, 20, 5, rngs=rngs)
        self.conv2 = Convolution(20, 50, 5, rngs=rngs)
        self.ip1 = dense(800, 500)
        self.ip2 = dense(500, classes)

    def __call__(self, images: Num[Array, "n 28 28"]) -> Activations:
        """All layers; those that are not used cost nothing under `jit`."""
        if images.shape[1:] != (28, 28):
            raise ValueError(f"LeNet takes images (n, 28, 28); got {images.shape}.")
        pixels = images.astype(jnp.float32) * pixel_scale
        conv1 = self.conv1(jnp.transpose(pixels, (1, 2, 0))[None])
        conv2 = self.conv2(conv1)
        ip1 = nnx.relu(self.ip1(conv2.reshape(800, -1).T))
        first = lambda x: jnp.moveaxis(x, -1, 0)
        return Activations(first(conv1), first(conv2), ip1, self.ip2(ip1))


structure, _ = nnx.split(nnx.eval_shape(lambda: LeNet(rngs=nnx.Rngs(0))))
"""All of a LeNet of ten classes but its weights."""


def init_lenet(key: Key[Array, ""]) -> nnx.State:
    """Fresh weights of a LeNet of ten classes; `vmap` over keys for many networks."""
    return nnx.state(LeNet(rngs=nnx.Rngs(params=key)), nnx.Param)


def apply_lenet(weights: nnx.State, images: Num[Array, "n 28 28"]) -> Activations:
    """`Activations` of the network of these weights."""
    return nnx.merge(structure, weights)(images)
