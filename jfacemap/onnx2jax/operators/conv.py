"""Convolutions, with channels last: so XLA is fastest, on CPU by half.

XLA's convolution for CPU is slow where it is no matrix product. Windows of one pixel are
one here, and windows on each channel alone (depthwise) are summed tap by tap on CPU.
Accelerators have kernels for both.
"""

import string
from typing import Any

import jax
import jax.numpy as jnp

from .image import image_operator, of_channels
from .values import highest, same_dtype
from .window import Window, window


@image_operator("Conv")
def convolution(
    x,
    w,
    b=None,
    *,
    auto_pad: str = "NOTSET",
    dilations=None,
    group: int = 1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    """Cross-correlation of x (n, ..., c) with w (m, c / group, ...): (n, ..., m)."""
    x, w, b = same_dtype(x, w, b)
    if x.ndim != w.ndim or x.shape[-1] != w.shape[1] * group or w.shape[0] % group:
        fault = f"filters {w.shape} in {group} groups do not fit {x.shape[-1]} channels"
        raise ValueError(fault)
    frame = window(x.shape[1:-1], w.shape[2:], strides, dilations, pads, auto_pad)
    out: Any = _correlate(x, w, frame, group)
    return out if b is None else out + of_channels(b, out.ndim)


def _correlate(x, w, frame: Window, group: int):
    if group == 1 and set(frame.kernel) <= {1} and not any(map(any, frame.pads)):
        return _correlate_points(x, w, frame)
    plain = lambda x, w: _correlate_windows(x, w, frame, group)
    if group == x.shape[-1] > 1:
        taps = lambda x, w: _correlate_taps(x, w, frame)
        return jax.lax.platform_dependent(x, w, cpu=taps, default=plain)
    return plain(x, w)


def _correlate_windows(x, w, frame: Window, group: int):
    axes = string.ascii_lowercase[: x.ndim - 2]
    return jax.lax.conv_general_dilated(
        x,
        w,
        frame.strides,
        frame.pads,
        rhs_dilation=frame.dilations,
        feature_group_count=group,
        dimension_numbers=(f"N{axes}C", f"OI{axes}", f"N{axes}C"),
        precision=highest,
    )


def _correlate_points(x, w, frame: Window):
    x = x[(slice(None), *(slice(None, None, s) for s in frame.strides))]
    axes = (x.ndim - 1,), (1,)
    w = w.reshape(w.shape[:2])
    return jax.lax.dot_general(x, w, (axes, ((), ())), precision=highest)


def _correlate_taps(x, w, frame: Window):
    padded = jnp.pad(x, ((0, 0), *frame.pads, (0, 0)))
    padded = jnp.repeat(padded, w.shape[0] // x.shape[-1], axis=-1)
    out = 0
    for place, where in frame.taps(x.shape[1:-1]):
        tap = of_channels(w[(slice(None), 0, *place)], x.ndim)
        out += padded[(slice(None), *where)] * tap
    return out
