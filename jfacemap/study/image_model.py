"""A network as a function of pixels that may be edited and differentiated."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..data.preprocess import fit_input, Preprocess
from .embed_network import first_output, read_network


class ImageModel:
    """`fn` of images (b, h, w, 3) of float32 numbers from 0 to 255, giving rows (b, d).

    Images are brought to the model's size by bilinear interpolation, where they have
    another, and to its numbers by `preprocess`, all inside what JAX can differentiate.
    `fn` is an `OnnxFunction` or a function of a prepared batch.
    """

    def __init__(self, fn: Callable[..., Any], preprocess: str | Preprocess):
        self.act, dims, self.dtype = read_network(fn)
        self.preprocess = fit_input(preprocess, dims)

    def __call__(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        size = self.preprocess.size
        assert size is not None
        if images.shape[1:3] != tuple(size):
            shape = (images.shape[0], *size, images.shape[3])
            images = jax.image.resize(images, shape, "linear")
        if self.preprocess.color == "gray":
            luminance = jnp.array([0.299, 0.587, 0.114], jnp.float32)
            images = jnp.sum(images * luminance, axis=-1, keepdims=True)
        rows = first_output(self.act(self.preprocess.numbers(images).astype(self.dtype)))
        return rows.reshape(images.shape[0], -1).astype(jnp.float32)
