"""Transposed convolution: what upsamples in segmentation and landmark networks."""

import string

import jax
import jax.numpy as jnp

from ..registry import operator
from .values import highest, same_dtype


@operator("ConvTranspose")
def conv_transpose(
    x,
    w,
    b=None,
    *,
    auto_pad: str = "NOTSET",
    dilations=None,
    group: int = 1,
    kernel_shape=None,
    output_padding=None,
    output_shape=None,
    pads=None,
    strides=None,
):
    """The transpose of the convolution by w (c, m / group, ...), of x (n, c, ...).

    Sizes are s (n - 1) + (k - 1) d + 1 + output_padding - pads, along each axis.
    """
    x, w, b = same_dtype(x, w, b)
    ndim = x.ndim - 2
    strides, dilations = strides or (1,) * ndim, dilations or (1,) * ndim
    extra = output_padding or (0,) * ndim
    reach = [(k - 1) * d for k, d in zip(w.shape[2:], dilations, strict=True)]
    parts = zip(x.shape[2:], strides, reach, extra, strict=True)
    full = [s * (n - 1) + r + 1 + e for n, s, r, e in parts]
    edges = _edges(x.shape[2:], full, strides, auto_pad, output_shape, pads)
    parts = zip(reach, edges, extra, strict=True)
    padding = [(r - a, r - z + e) for r, (a, z), e in parts]
    axes = string.ascii_lowercase[:ndim]
    out = jax.lax.conv_general_dilated(
        x,
        _as_forward(w, group),
        window_strides=(1,) * ndim,
        padding=padding,
        lhs_dilation=strides,
        rhs_dilation=dilations,
        feature_group_count=group,
        dimension_numbers=(f"NC{axes}", f"OI{axes}", f"NC{axes}"),
        precision=highest,
    )
    return out if b is None else out + b.reshape((1, -1) + (1,) * ndim)


def _as_forward(w, group: int):
    """(c, m / group, ...) as the filters (m, c / group, ...) of a convolution, turned."""
    c, m, *kernel = w.shape
    w = w.reshape(group, c // group, m, *kernel).swapaxes(1, 2)
    return jnp.flip(w.reshape(group * m, c // group, *kernel), range(2, w.ndim - 1))


def _edges(sizes, full, strides, auto_pad, output_shape, pads):
    """What is cut off at both ends of each axis."""
    ndim = len(full)
    if auto_pad in ("SAME_UPPER", "SAME_LOWER") and output_shape is None:
        output_shape = [n * s for n, s in zip(sizes, strides, strict=True)]
    if output_shape is not None:
        total = [f - o for f, o in zip(full, output_shape[-ndim:], strict=True)]
        half = [t // 2 for t in total]
        rest = [t - h for t, h in zip(total, half, strict=True)]
        upper = auto_pad != "SAME_UPPER"
        return list(zip(rest, half, strict=True) if upper else zip(half, rest, strict=True))
    pads = pads or (0,) * (2 * ndim)
    return list(zip(pads[:ndim], pads[ndim:], strict=True))
