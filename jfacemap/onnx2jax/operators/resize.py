"""Images at another size: nearest, linear and cubic, in every convention of coordinates.

Interpolation is linear in the pixels and works axis by axis: the matrix of each axis is
made in NumPy while tracing.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ..registry import one_of, operator
from .values import axes_in, highest, ints, is_float, to_jax, wide


@dataclasses.dataclass(frozen=True)
class Rule:
    """The attributes of Resize, under their ONNX names."""

    mode: str = "nearest"
    coordinate_transformation_mode: str = "half_pixel"
    nearest_mode: str = "round_prefer_floor"
    cubic_coeff_a: float = -0.75
    exclude_outside: int = 0
    extrapolation_value: float = 0.0
    antialias: int = 0


known = one_of(
    mode=("nearest", "linear", "cubic"),
    coordinate_transformation_mode=(
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "tf_half_pixel_for_nn",
        "tf_crop_and_resize",
    ),
    nearest_mode=("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", ""),
    keep_aspect_ratio_policy=("stretch", "not_larger", "not_smaller"),
)


@operator("Upsample", check=known)
def upsample_by_attribute(x, *, scales, mode: str = "nearest"):
    """x enlarged; pixels are points at whole numbers."""
    return upsample(x, np.asarray(scales), mode=mode)


@operator("Upsample", since=9, static=["scales"], check=known)
@operator("Resize", since=10, static=["scales"], check=known)
def upsample(x, scales, *, mode: str = "nearest"):
    """x enlarged; pixels are points at whole numbers."""
    return _resize(
        x, None, scales, None, range(x.ndim), "stretch", Rule(mode, "asymmetric", "floor")
    )


@operator("Resize", since=11, static=["roi", "scales", "sizes"], check=known)
def resize(
    x,
    roi=None,
    scales=None,
    sizes=None,
    *,
    antialias: int = 0,
    axes=None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
):
    """x at given sizes, or at given scales, along the axes."""
    rule = Rule(
        mode,
        coordinate_transformation_mode,
        nearest_mode,
        cubic_coeff_a,
        exclude_outside,
        extrapolation_value,
        antialias,
    )
    axes = range(x.ndim) if axes is None else axes_in(axes, x.ndim)
    scales, sizes, roi = (
        v if v is not None and np.size(v) else None for v in (scales, sizes, roi)
    )
    return _resize(x, roi, scales, sizes, axes, keep_aspect_ratio_policy, rule)


def _resize(x, roi, scales, sizes, axes, policy: str, rule: Rule):
    if scales is None and sizes is None:
        raise ValueError("Resize needs scales or sizes")
    old = np.array([x.shape[a] for a in axes])
    if sizes is not None:
        sizes = np.asarray(ints(sizes))
        scales = sizes / old
        if policy != "stretch":
            scales = np.full(len(old), (min if policy == "not_larger" else max)(scales))
            sizes = np.floor(scales * old + 0.5).astype(int)
    else:
        scales = np.asarray(scales, np.float32)  # as written; products in double
        sizes = np.floor(old * scales.astype(np.float64)).astype(int)
    count = len(old)
    roi = np.zeros(2 * count) if roi is None else np.asarray(roi, np.float64)
    out, outside = to_jax(x), np.zeros((), bool)
    for i, axis in enumerate(axes):
        if (
            scales[i] == 1
            and sizes[i] == old[i]
            and "crop" not in rule.coordinate_transformation_mode
        ):
            continue
        edges = roi[i], roi[i + count]
        place = coordinates(int(old[i]), int(sizes[i]), float(scales[i]), edges, rule)
        beyond = (place < 0) | (place > old[i] - 1)
        outside = outside | beyond.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        out = _along_axis(out, place, axis, float(scales[i]), rule)
    if rule.coordinate_transformation_mode == "tf_crop_and_resize" and outside.any():
        fill = np.asarray(rule.extrapolation_value, out.dtype)
        out = jnp.where(np.broadcast_to(outside, out.shape), fill, out)
    return out


def coordinates(old: int, new: int, scale: float, edges, rule: Rule) -> np.ndarray:
    """Where each new pixel lies among the old ones."""
    at, mode = np.arange(new, dtype=np.float64), rule.coordinate_transformation_mode
    if mode == "asymmetric":
        return at / scale
    if mode == "align_corners":
        return at * (old - 1) / (new - 1) if new > 1 else np.zeros(new)
    if mode == "tf_crop_and_resize":
        start, end = edges
        if new == 1:
            return np.array([0.5 * (start + end) * (old - 1)])
        return start * (old - 1) + at * (end - start) * (old - 1) / (new - 1)
    half = (at + 0.5) / scale - 0.5
    if mode == "half_pixel":
        return half
    if mode == "pytorch_half_pixel":
        return half if new > 1 else np.zeros(new)
    if mode == "half_pixel_symmetric":
        # The middle stays the middle where the size was rounded.
        return old / 2 * (1 - new / (scale * old)) + half
    assert mode == "tf_half_pixel_for_nn", mode
    return (at + 0.5) / scale


def _along_axis(x, place, axis: int, scale: float, rule: Rule):
    if rule.mode == "nearest":
        index = _round(place, rule.nearest_mode).clip(0, x.shape[axis] - 1)
        return jnp.take(x, index.astype(np.int32), axis=axis)
    weights = interpolation(place, x.shape[axis], scale, rule)
    dtype = wide(x).dtype if is_float(x) else jnp.float32
    rows = jnp.moveaxis(x, axis, -1).astype(dtype)
    out = jnp.matmul(rows, jnp.asarray(weights.T, dtype), precision=highest)
    if not is_float(x):
        out = jnp.clip(jnp.round(out), jnp.iinfo(x.dtype).min, jnp.iinfo(x.dtype).max)
    return jnp.moveaxis(out.astype(x.dtype), -1, axis)


def _round(place: np.ndarray, mode: str) -> np.ndarray:
    if mode == "floor":
        return np.floor(place)
    if mode == "ceil":
        return np.ceil(place)
    if mode == "round_prefer_ceil":
        return np.floor(place + 0.5)
    return np.ceil(place - 0.5)  # round_prefer_floor


def interpolation(place: np.ndarray, size: int, scale: float, rule: Rule) -> np.ndarray:
    """The matrix (new, old) that interpolates along an axis; its rows sum to 1."""
    radius, kernel = (1, _tent) if rule.mode == "linear" else (2, _cubic)
    stretch = min(scale, 1.0) if rule.antialias else 1.0
    reach = int(np.ceil(radius / stretch))
    first = np.floor(place).astype(int) - reach + 1
    taps = first[:, None] + np.arange(2 * reach + 1)
    weight = kernel((taps - place[:, None]) * stretch, rule.cubic_coeff_a)
    if rule.exclude_outside:
        weight = np.where((taps >= 0) & (taps < size), weight, 0)
    weight = weight / weight.sum(axis=1, keepdims=True)
    matrix = np.zeros((len(place), size))
    rows = np.broadcast_to(np.arange(len(place))[:, None], taps.shape)
    np.add.at(matrix, (rows, taps.clip(0, size - 1)), weight)
    return matrix


def _tent(t: np.ndarray, _) -> np.ndarray:
    return np.maximum(1 - np.abs(t), 0)


def _cubic(t: np.ndarray, a: float) -> np.ndarray:
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))
