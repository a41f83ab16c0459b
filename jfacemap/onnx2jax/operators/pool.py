"""Pools: one number for each window of each channel. Images are (n, ..., c) inside."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from ..registry import operator
from .image import image_operator
from .values import like, to_jax, wide
from .window import Window, window


def _reduce_windows(x, start, f, frame: Window):
    return jax.lax.reduce_window(
        x,
        np.asarray(start, x.dtype),
        f,
        window_dimensions=(1, *frame.kernel, 1),
        window_strides=(1, *frame.strides, 1),
        padding=((0, 0), *frame.pads, (0, 0)),
        window_dilation=(1, *frame.dilations, 1),
    )


def lowest_of(dtype):
    """What is below every number of the dtype."""
    return -np.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min


@image_operator("MaxPool")
def max_pool(
    x,
    *,
    kernel_shape,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations=None,
    pads=None,
    storage_order: int = 0,
    strides=None,
    n_outputs: int = 1,
):
    """The largest of each window; and, if asked, where it is in the flat (n, c, ...)."""
    sizes = x.shape[1:-1]
    frame = window(sizes, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    if n_outputs == 1:
        return _reduce_windows(x, lowest_of(x.dtype), jax.lax.max, frame)
    fill = np.asarray(lowest_of(x.dtype), x.dtype)
    padded = jnp.pad(x, ((0, 0), *frame.pads, (0, 0)), constant_values=fill)
    taps = [where for _, where in frame.taps(sizes)]
    values = jnp.stack([padded[(slice(None), *where)] for where in taps])
    index = np.arange(math.prod(sizes)).reshape(sizes, order="F" if storage_order else "C")
    index = np.pad(index, frame.pads)
    places = to_jax(np.stack([index[where] for where in taps]))[:, None, ..., None]
    best = jnp.argmax(values, axis=0)
    chosen = jnp.take_along_axis(places, best[None], axis=0)[0]
    first = np.arange(x.shape[0] * x.shape[-1]) * math.prod(sizes)  # of each channel
    first = first.reshape(x.shape[0], *(1,) * len(sizes), x.shape[-1])
    return [jnp.max(values, axis=0), chosen + to_jax(first)]


@operator("MaxUnpool", static=["output_shape"])
def max_unpool(x, indices, output_shape=None, *, kernel_shape, pads=None, strides=None):
    """Values put back where `max_pool` found them; zeros elsewhere."""
    ndim = len(kernel_shape)
    strides, pads = strides or (1,) * ndim, pads or (0,) * (2 * ndim)
    parts = zip(x.shape[2:], strides, kernel_shape, pads[:ndim], pads[ndim:], strict=True)
    natural = [(n - 1) * s + k - a - b for n, s, k, a, b in parts]
    shape = x.shape[:2] + tuple(natural)
    flat = to_jax(indices).ravel()
    if output_shape is not None:
        # The indices are those of the natural shape.
        places = jnp.unravel_index(flat, shape)
        shape = tuple(int(n) for n in output_shape)
        flat = jnp.ravel_multi_index(places, shape, mode="clip")
    out = jnp.zeros(math.prod(shape), x.dtype).at[flat].set(to_jax(x).ravel())
    return out.reshape(shape)


@image_operator("AveragePool")
def average_pool(
    x,
    *,
    kernel_shape,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations=None,
    pads=None,
    strides=None,
):
    """The mean of each window, of the pixels on the image or, if asked, on the padding."""
    sizes = x.shape[1:-1]
    frame = window(sizes, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    plain = window(sizes, kernel_shape, strides, dilations, pads, auto_pad)
    # What `ceil_mode` adds beyond the padding asked for never counts.
    more = [(0, f[1] - p[1]) for f, p in zip(frame.pads, plain.pads, strict=True)]
    inside = np.pad(np.ones(sizes), plain.pads, constant_values=float(count_include_pad))
    inside = np.pad(inside, more)
    counts = np.sum([inside[where] for _, where in frame.taps(sizes)], axis=0)
    total = _reduce_windows(wide(x), 0, jax.lax.add, frame)
    return (total / to_jax(counts[None, ..., None].astype(total.dtype))).astype(x.dtype)


@image_operator("LpPool")
def lp_pool(
    x,
    *,
    kernel_shape,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations=None,
    p: int = 2,
    pads=None,
    strides=None,
):
    """The p-norm of each window."""
    sizes = x.shape[1:-1]
    frame = window(sizes, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    return _reduce_windows(jnp.abs(x) ** p, 0, jax.lax.add, frame) ** (1 / p)


def _space(x) -> tuple[int, ...]:
    return tuple(range(1, x.ndim - 1))


@image_operator("GlobalAveragePool")
def global_average_pool(x):
    """The mean of each channel."""
    return jnp.mean(wide(x), axis=_space(x), keepdims=True).astype(x.dtype)


@image_operator("GlobalMaxPool")
def global_max_pool(x):
    """The largest of each channel."""
    return jnp.max(x, axis=_space(x), keepdims=True)


@image_operator("GlobalLpPool")
def global_lp_pool(x, *, p: int = 2):
    """The p-norm of each channel."""
    return jnp.sum(jnp.abs(x) ** p, axis=_space(x), keepdims=True) ** (1 / p)


@operator("LRN")
def local_response_normalization(
    x, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
):
    """x over (bias + alpha / size * the sum of squares of `size` channels) ** beta."""
    before = (size - 1) // 2
    pads = ((0, 0), (before, size - 1 - before)) + ((0, 0),) * (x.ndim - 2)
    extent, zero = (1, size) + (1,) * (x.ndim - 2), np.zeros((), x.dtype)
    total = jax.lax.reduce_window(x * x, zero, jax.lax.add, extent, (1,) * x.ndim, pads)
    return x / (like(x, bias) + like(x, alpha / size) * total) ** like(x, beta)
