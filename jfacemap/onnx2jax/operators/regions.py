"""Regions of interest, sampled to one size."""

import jax.numpy as jnp
import numpy as np

from ..registry import operator
from .values import cast, like, same_dtype, to_jax


def _has_a_ratio(attributes) -> None:
    if attributes.get("sampling_ratio", 0) <= 0:
        raise ValueError("without a sampling_ratio its work depends on data")


@operator("RoiAlign", check=_has_a_ratio)
def roi_align_at_corners(
    x,
    rois,
    batch_indices,
    *,
    mode="avg",
    output_height=1,
    output_width=1,
    sampling_ratio=0,
    spatial_scale=1.0,
):
    """Before opset 16 pixels are points at whole numbers."""
    sizes = output_height, output_width, sampling_ratio, spatial_scale
    return _roi_align(x, rois, batch_indices, mode, *sizes, offset=0.0)


@operator("RoiAlign", since=16, check=_has_a_ratio)
def roi_align(
    x,
    rois,
    batch_indices,
    *,
    coordinate_transformation_mode="half_pixel",
    mode="avg",
    output_height=1,
    output_width=1,
    sampling_ratio=0,
    spatial_scale=1.0,
):
    """The mean (or largest) of bilinear samples in each bin of each region."""
    offset = 0.5 if coordinate_transformation_mode == "half_pixel" else 0.0
    sizes = output_height, output_width, sampling_ratio, spatial_scale
    return _roi_align(x, rois, batch_indices, mode, *sizes, offset=offset)


def _roi_align(x, rois, batch_indices, mode, height, width, ratio, scale, offset):
    x, rois = (to_jax(v) for v in same_dtype(x, rois))
    images = x[to_jax(batch_indices)]
    x1, y1, x2, y2 = (rois * like(rois, scale) - like(rois, offset)).T
    rows = _bins(y1, y2, height, ratio, offset, x.shape[2])
    columns = _bins(x1, x2, width, ratio, offset, x.shape[3])
    # Taps of (regions, bins * ratio): the product of two axes is an outer one.
    reduce = jnp.max if mode == "max" else jnp.mean
    out = jnp.zeros((*images.shape[:2], height * ratio, width * ratio), x.dtype)
    candidates = []
    for i, a in rows:
        for j, b in columns:
            index = (i[:, :, None] * x.shape[3] + j[:, None, :]).reshape(len(rois), 1, -1)
            flat = images.reshape(*images.shape[:2], -1)
            pixels = jnp.take_along_axis(flat, index, axis=2).reshape(out.shape)
            candidates.append(pixels * (a[:, None, :, None] * b[:, None, None, :]))
    # ONNX takes the largest of weighted pixels, not of samples.
    combine = jnp.max if mode == "max" else jnp.sum
    samples = combine(jnp.stack(candidates), axis=0)
    return reduce(samples.reshape(*out.shape[:2], height, ratio, width, ratio), axis=(3, 5))


def _bins(start, end, bins, ratio, offset, size):
    length = end - start if offset else jnp.maximum(end - start, like(start, 1))
    steps = (np.arange(bins * ratio) + 0.5) / (bins * ratio)
    place = start[:, None] + length[:, None] * cast(steps, start.dtype)[None]
    inside = ((place >= -1) & (place <= size)).astype(place.dtype)
    place = jnp.clip(place, 0, size - 1)
    low = jnp.floor(place)
    part = place - low
    index = low.astype(jnp.int32)
    above = jnp.minimum(index + 1, size - 1)
    return [(index, inside * (1 - part)), (above, inside * part)]
