"""How a model wants its images: size, colours, numbers and axes, by family of models."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from ..core.extras import need
from ..core.types import Numeric


Colors = Literal["rgb", "bgr", "gray"]
Layout = Literal["nchw", "nhwc"]
PerChannel = float | tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """A model's input is (pixel - mean) / std, of pixels from 0 to 255.

    - `size`: (height, width); None: whatever the model declares
    - `mean`, `std`: one number, or one each for red, green and blue
    - `color`: the order of the channels, or "gray" for one of luminance
    - `layout`: whether channels come second or last
    - `crop`: the part of the shorter side that a centred crop of the shape of `size`
      keeps, as 0.875 for 224 of 256 pixels; None: all of the image, stretched to `size`

    Without `crop`, images that have that size already are not resampled. Those that are
    come through Pillow's bilinear filter, which covers all pixels when it shrinks.
    """

    size: tuple[int, int] | None = None
    mean: PerChannel = 127.5
    std: PerChannel = 127.5
    color: Colors = "rgb"
    layout: Layout = "nchw"
    crop: float | None = None

    def __post_init__(self):
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ValueError(f"size is (height, width) in pixels; got {self.size}.")
        if self.color == "gray" and (np.ndim(self.mean) or np.ndim(self.std)):
            raise ValueError("A gray model has one mean and one std, not one a colour.")
        if not np.all(np.asarray(self.std) > 0):
            raise ValueError(f"std divides pixels, so it is above 0; got {self.std}.")
        if self.crop is not None and not 0 < self.crop <= 1:
            raise ValueError(f"crop is a part of the image, above 0 to 1; got {self.crop}.")

    @property
    def channels(self) -> int:
        """1 or 3."""
        return 1 if self.color == "gray" else 3

    def frame(self, image: Any) -> UInt8[np.ndarray, "h w c"]:
        """A `PIL.Image` as pixels of the model's size, red first if it has colours."""
        pil = need("PIL.Image", "images")
        assert self.size is not None
        image = image.convert("L" if self.color == "gray" else "RGB")
        height, width = self.size
        box = None if self.crop is None else _centre(image.size, self.size, self.crop)
        if image.size != (width, height) or box is not None:
            image = image.resize((width, height), pil.Resampling.BILINEAR, box)
        return np.asarray(image).reshape(height, width, self.channels)

    def numbers(
        self, pixels: UInt8[Numeric, "n h w c"] | Float[Numeric, "n h w c"]
    ) -> Float[Array, "n _ _ _"]:
        """Pixels of many images as the model's float32 input, on the device."""
        vector = lambda v: jnp.broadcast_to(jnp.asarray(v, jnp.float32), (self.channels,))
        shape = 1, 1, 1, self.channels
        mean, std = vector(self.mean).reshape(shape), vector(self.std).reshape(shape)
        x = (jnp.asarray(pixels).astype(jnp.float32) - mean) / std
        x = x[..., ::-1] if self.color == "bgr" else x
        return jnp.moveaxis(x, -1, 1) if self.layout == "nchw" else x


presets = {
    "arcface": Preprocess((112, 112)),
    "adaface": Preprocess((112, 112), color="bgr"),
    "facenet": Preprocess((160, 160), std=128.0),
    "mobilefacenet": Preprocess((112, 112), std=128.0),
    "imagenet": Preprocess(
        (224, 224), (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), crop=0.875
    ),
    "efficientnet_lite": Preprocess((224, 224), 127.0, 128.0, crop=0.875),
    "pixels": Preprocess(mean=0.0, std=1.0),
}
"""What each family of models was trained on, by name; a model's own size goes first."""


def preset(name: str) -> Preprocess:
    """A preset; `ValueError` with their names if there is none of that name."""
    if name not in presets:
        raise ValueError(f"There is no preset {name!r}; there are {', '.join(presets)}.")
    return presets[name]


def fit_input(
    wanted: str | Preprocess, dims: Sequence[int | str | None] | None
) -> Preprocess:
    """`wanted`, by name or as it is, with what an input of sizes `dims` says of itself.

    `dims` are (n, channels, height, width) or (n, height, width, channels), with names or
    None for what is left open; None: nothing is known. A preset takes the size, layout
    and number of channels that are declared. Raises `ValueError` if a `Preprocess` is of
    another size, layout or number of channels, or if no size is known.
    """
    if not isinstance(wanted, str | Preprocess):
        some = ", ".join(presets)
        raise ValueError(f"preprocess is a Preprocess or one of {some}; got {wanted!r}.")
    given = preset(wanted) if isinstance(wanted, str) else wanted
    fitted = given if dims is None else declared(given, dims)
    if fitted.size is None:
        raise ValueError(
            "The model does not say which size of images it takes: give it, as "
            "Preprocess(size=(112, 112), ...) or, to the command, --size 112 112."
        )
    free = dataclasses.replace(given, size=given.size or fitted.size)
    if not isinstance(wanted, str) and fitted != free:
        fields = ("size", "color", "layout")
        differ = [f for f in fields if getattr(fitted, f) != getattr(free, f)]
        theirs, ours = (
            ", ".join(f"{f} {getattr(p, f)}" for f in differ) for p in (fitted, free)
        )
        raise ValueError(
            f"The model takes images of {theirs}; preprocess gives {ours}: change it, or "
            "name a preset, which takes what the model declares."
        )
    return fitted


def declared(p: Preprocess, dims: Sequence[int | str | None]) -> Preprocess:
    """`p` with the size, layout and channels that sizes `dims` of an input say."""
    if len(dims) != 4:
        raise ValueError(f"A model of images has an input of four axes; got {tuple(dims)}.")
    layout = p.layout
    if dims[1] in (1, 3) and dims[3] not in (1, 3):
        layout = "nchw"
    elif dims[3] in (1, 3) and dims[1] not in (1, 3):
        layout = "nhwc"
    channels, *size = dims[1:] if layout == "nchw" else (dims[3], *dims[1:3])
    usual = p.size or (None, None)
    both = [n if isinstance(n, int) else u for n, u in zip(size, usual, strict=True)]
    height, width = both
    known = None if height is None or width is None else (height, width)
    color = p.color
    if channels == 1:
        color = "gray"
    elif channels == 3 and color == "gray":
        color = "rgb"
    elif isinstance(channels, int) and channels != 3:
        raise ValueError(f"The model takes {channels} channels; images have 1 or 3.")
    mean, std = p.mean, p.std
    if color == "gray":
        mean, std = (float(np.mean(v)) for v in (mean, std))
    return dataclasses.replace(
        p, size=known, layout=layout, color=color, mean=mean, std=std
    )


def _centre(
    size: tuple[int, int], wanted: tuple[int, int], crop: float
) -> tuple[float, float, float, float]:
    """The box (left, top, right, bottom) to keep of an image of `size` (width, height)."""
    width, height = size
    scale = crop * min(width / wanted[1], height / wanted[0])
    w, h = scale * wanted[1], scale * wanted[0]
    return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2
