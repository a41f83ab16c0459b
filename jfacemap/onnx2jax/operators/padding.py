"""Borders put around values, or cut off."""

import numpy as np

from ..registry import one_of, operator
from .values import axes_in, cast, ints, namespace


known = one_of(mode=("constant", "edge", "reflect", "wrap"))


def _pad_last_by_attribute(x, *, pads, mode: str = "constant", value: float = 0.0):
    return _pad_last(x, pads, np.float32(value), mode=mode)


@operator("Pad", last=_pad_last_by_attribute, check=known)
def pad_by_attribute(x, *, pads, mode: str = "constant", value: float = 0.0):
    """A border of given widths: first before each axis, then behind; negative ones cut."""
    return pad(x, pads, np.float32(value), mode=mode)


def _pad_last(x, pads, constant_value=None, axes=None, *, mode: str = "constant"):
    axes = range(4) if axes is None else axes_in(axes, 4)
    axes = [(0, 3, 1, 2)[a] for a in axes]
    return pad(x, pads, constant_value, axes, mode=mode)


@operator("Pad", since=11, static=["pads", "axes"], last=_pad_last, check=known)
def pad(x, pads, constant_value=None, axes=None, *, mode: str = "constant"):
    """A border of given widths: first before each axis, then behind; negative ones cut."""
    axes = range(x.ndim) if axes is None else axes_in(axes, x.ndim)
    flat = ints(pads)
    widths = [(0, 0)] * x.ndim
    for axis, a, b in zip(axes, flat[: len(axes)], flat[len(axes) :], strict=True):
        widths[axis] = (a, b)
    parts = zip(x.shape, widths, strict=True)
    x = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in parts)]
    widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    xp = namespace(x)
    if mode != "constant":
        return xp.pad(x, widths, mode=mode)
    value = 0 if constant_value is None else cast(constant_value, x.dtype).reshape(())
    return namespace(x, constant_value).pad(x, widths, constant_values=value)


@operator("CenterCropPad", static=["shape"])
def center_crop_pad(x, shape, *, axes=None):
    """The centre of x, or x in the centre, along the axes, at these sizes."""
    axes = range(x.ndim) if axes is None else axes_in(axes, x.ndim)
    widths = [(0, 0)] * x.ndim
    for axis, size in zip(axes, ints(shape), strict=True):
        more = size - x.shape[axis]
        # Odd pixels go behind when padding and are lost behind when cropping.
        before = more // 2 if more >= 0 else -(-more // 2)
        widths[axis] = (before, more - before)
    return pad(x, [a for a, _ in widths] + [b for _, b in widths])
