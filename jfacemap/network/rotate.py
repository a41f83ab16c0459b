"""Images rotated on the device, for rotated MNIST (paper 001, section 4.1)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, UInt8

from ..core.types import Numeric


angles = (-45, -30, -15, 0, 15, 30, 45)
"""Degrees of paper 001: less than what makes a 6 a 9."""


@jax.jit
def rotate_images(
    images: Num[Numeric, "n h w"], degrees: Float[Numeric, " a"]
) -> UInt8[Array, "a n h w"]:
    """Each image by each angle, anticlockwise about its centre, in 8 bits again.

    Bilinear, 0 outside, rounded as in an image file. `degrees` is traced.
    """
    h, w = images.shape[1:]
    flat = jnp.asarray(images).reshape(-1, h * w)

    def turn(degree):
        pixels, weights = _bilinear(degree, h, w)
        turned = sum(
            weight[None] * flat[:, pixel].astype(jnp.float32)
            for pixel, weight in zip(pixels, weights, strict=True)
        )
        return jnp.clip(jnp.round(turned), 0, 255).astype(jnp.uint8)

    return jax.lax.map(turn, jnp.asarray(degrees)).reshape(-1, len(flat), h, w)


def _bilinear(degree, h: int, w: int):
    """Of each pixel the four that it is made of, and their weights: 0 if outside."""
    rows, columns = (np.arange(k, dtype=np.float32) - (k - 1) / 2 for k in (h, w))
    y, x = (a.reshape(-1) for a in np.meshgrid(rows, columns, indexing="ij"))
    radian = jnp.deg2rad(degree.astype(jnp.float32))
    c, s = jnp.cos(radian), jnp.sin(radian)
    # Rows grow downwards: where the picture turns anticlockwise, we look clockwise.
    at_y, at_x = c * y + s * x + (h - 1) / 2, c * x - s * y + (w - 1) / 2
    pixels, weights = [], []
    for step_y in (0, 1):
        for step_x in (0, 1):
            i, j = jnp.floor(at_y) + step_y, jnp.floor(at_x) + step_x
            near = (1 - jnp.abs(at_y - i)) * (1 - jnp.abs(at_x - j))
            inside = (i >= 0) & (i < h) & (j >= 0) & (j < w)
            at = jnp.clip(i, 0, h - 1) * w + jnp.clip(j, 0, w - 1)
            pixels.append(at.astype(jnp.int32))
            weights.append(jnp.where(inside, near, 0))
    return pixels, weights
