"""Edits of images by one number each, that JAX can differentiate: attributes of a lattice.

Stand-ins for a generative model's controls: geometry, light, colour, blur and covering,
of real images. 0 leaves the image as it is.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.types import Numeric


Image = Float[Numeric, "h w c"]
"""Numbers from 0 to 255, red first."""

Amount = float | Float[Numeric, ""]


class Edit(eqx.Module):
    """`apply(image, amount)` changes one attribute; amounts run from `low` to `high`.

    A curve of a lattice goes from amount - `step` to amount + `step`.
    """

    apply: Callable[[Any, Any], Any] = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    step: float = eqx.field(static=True)


def rotation(image: Image, degrees: Amount) -> Image:
    """Turned about the middle, the edge pixels stretched outwards."""
    a = degrees * (jnp.pi / 180)
    return _warp(image, jnp.cos(a), jnp.sin(a), jnp.zeros(()))


def size(image: Image, log_factor: Amount) -> Image:
    """Larger by e^amount about the middle."""
    return _warp(image, jnp.exp(-log_factor), jnp.zeros(()), jnp.zeros(()))


def shift(image: Image, part: Amount) -> Image:
    """Moved to the right by a part of the width."""
    return _warp(image, jnp.ones(()), jnp.zeros(()), part * image.shape[1])


def blur(image: Image, width: Amount) -> Image:
    """Blurred by a Gaussian of standard deviation |width| pixels, up to 4."""
    at = jnp.arange(-8, 9, dtype=jnp.float32)
    # Smooth through 0, where all weight is on the middle pixel.
    kernel = jnp.exp(-(at**2) / (2 * width**2 + 0.05))
    kernel = kernel / jnp.sum(kernel)
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (8, 8)
        padded = jnp.pad(image, pad, mode="edge")
        n = image.shape[axis]
        image = sum(
            kernel[i] * jax.lax.slice_in_dim(padded, i, i + n, axis=axis) for i in range(17)
        )
    return image


def brightness(image: Image, amount: Amount) -> Image:
    """Multiplied by e^amount."""
    return image * jnp.exp(amount)


def contrast(image: Image, amount: Amount) -> Image:
    """Deviations from the mean multiplied by e^amount."""
    mean = jnp.mean(image)
    return mean + (image - mean) * jnp.exp(amount)


def hue(image: Image, degrees: Amount) -> Image:
    """Colours turned about the grey axis; a grey image does not change."""
    a = degrees * (jnp.pi / 180)
    third, root = (1 - jnp.cos(a)) / 3, jnp.sin(a) / jnp.sqrt(jnp.float32(3))
    circulant = jnp.cos(a) + third, third - root, third + root
    red, green, blue = (image[..., i] for i in range(3))
    x, y, z = circulant
    turned = x * red + y * green + z * blue, z * red + x * green + y * blue
    return jnp.stack([*turned, y * red + z * green + x * blue], axis=-1)


def warmth(image: Image, amount: Amount) -> Image:
    """More red and less blue by e^amount: colour that grey images take too."""
    return image * jnp.exp(amount * jnp.array([1.0, 0.0, -1.0], jnp.float32))[None, None]


def light(image: Image, amount: Amount) -> Image:
    """Brighter on the right and darker on the left, by e^amount at the borders."""
    across = jnp.linspace(-1, 1, image.shape[1], dtype=jnp.float32)
    return image * jnp.exp(amount * across)[None, :, None]


def covering(image: Image, part: Amount) -> Image:
    """The lower part covered by grey, as by a mask; of a negative part the upper."""
    rows = (jnp.arange(image.shape[0], dtype=jnp.float32) + 0.5) / image.shape[0]
    soft = lambda x: jax.nn.sigmoid(x * image.shape[0] / 2)
    cover = soft(rows - 1 + part) + soft(-rows - part)
    return image + cover[:, None, None] * (128.0 - image)


edits: Mapping[str, Edit] = {
    "rotation": Edit(rotation, -20.0, 20.0, 8.0),
    "size": Edit(size, -0.12, 0.12, 0.06),
    "shift": Edit(shift, -0.08, 0.08, 0.04),
    "blur": Edit(blur, 0.8, 2.0, 0.8),
    "brightness": Edit(brightness, -0.4, 0.4, 0.25),
    "contrast": Edit(contrast, -0.4, 0.3, 0.25),
    "hue": Edit(hue, -40.0, 40.0, 20.0),
    "warmth": Edit(warmth, -0.2, 0.2, 0.12),
    "light": Edit(light, -0.4, 0.4, 0.25),
    "covering": Edit(covering, 0.05, 0.35, 0.1),
}
"""By name, in the order in which several are applied."""


def render(
    image: Image, chosen: Mapping[str, Edit], amounts: Float[Numeric, " A"]
) -> Float[Array, "h w c"]:
    """The image after all edits, in order, within 0 and 255."""
    image = jnp.asarray(image)
    for edit, amount in zip(chosen.values(), amounts, strict=True):
        image = edit.apply(image, amount)
    return jnp.clip(image, 0, 255)


def _warp(image: Image, cosine, sine, right) -> Image:
    """Each pixel from where a similarity about the middle takes it, between four pixels."""
    h, w = image.shape[:2]
    y = jnp.arange(h, dtype=jnp.float32)[:, None] - (h - 1) / 2
    x = jnp.arange(w, dtype=jnp.float32)[None] - (w - 1) / 2
    x = x - right
    from_y = cosine * y + sine * x + (h - 1) / 2
    from_x = cosine * x - sine * y + (w - 1) / 2
    # Inside, the slope of an edge pixel that is stretched outwards is 0.
    from_y, from_x = jnp.clip(from_y, 0, h - 1), jnp.clip(from_x, 0, w - 1)
    top, left = (jnp.clip(jnp.floor(v), 0, n - 2) for v, n in ((from_y, h), (from_x, w)))
    down, along = (from_y - top)[..., None], (from_x - left)[..., None]
    at = top.astype(jnp.int32) * w + left.astype(jnp.int32)
    flat = jnp.asarray(image).reshape(h * w, -1)
    pick = lambda offset: flat[at + offset]
    above = pick(0) * (1 - along) + pick(1) * along
    below = pick(w) * (1 - along) + pick(w + 1) * along
    return above * (1 - down) + below * down
