"""Images sampled at points of grids and of affine maps."""

import jax.numpy as jnp
import numpy as np

from ..registry import one_of, operator
from .values import cast, highest, like, same_dtype, to_jax


@operator("AffineGrid", static=["size"])
def affine_grid(theta, size, *, align_corners: int = 0):
    """Points (n, ..., k) of a grid over [-1, 1] under maps theta (n, k, k + 1)."""
    sizes = [int(s) for s in np.ravel(size)[2:]]

    def steps(n):
        if align_corners:
            return np.linspace(-1, 1, n)
        return (2 * np.arange(n) + 1) / n - 1

    # The last spatial axis is the first coordinate.
    axes = np.meshgrid(*map(steps, sizes), indexing="ij")[::-1]
    points = np.stack([*axes, np.ones(sizes)], axis=-1).reshape(-1, len(sizes) + 1)
    theta = to_jax(theta)
    out = jnp.matmul(
        cast(points, theta.dtype), jnp.swapaxes(theta, 1, 2), precision=highest
    )
    return out.reshape(theta.shape[0], *sizes, len(sizes))


modes = "nearest", "linear", "bilinear", "cubic", "bicubic"
paddings = "zeros", "border", "reflection"


@operator("GridSample", check=one_of(mode=modes, padding_mode=paddings))
def grid_sample(
    x,
    grid,
    *,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
):
    """x (n, c, ...) at the points of a grid (n, ..., k) over [-1, 1]: (n, c, ...)."""
    x, grid = (to_jax(v) for v in same_dtype(x, grid))
    sizes = x.shape[2:]
    kernels = {"nearest": _nearest, "linear": _linear, "cubic": _cubic}
    kernel = kernels[mode.removeprefix("bi")]
    n, k = x.shape[0], len(sizes)
    points = grid.reshape(n, -1, k)
    axes = []
    for i, size in enumerate(sizes):
        place = points[..., k - 1 - i]
        scale = (size - 1) / 2 if align_corners else size / 2
        place = (place + like(place, 1)) * like(place, scale)
        place = place if align_corners else place - like(place, 0.5)
        if padding_mode != "zeros" and kernel is not _cubic:
            place = _into(place, size, padding_mode, align_corners)
        axes.append(kernel(place, size, padding_mode, align_corners))
    out = _gather_products(x, axes)
    return out.reshape(*x.shape[:2], *grid.shape[1:-1])


def _gather_products(x, axes):
    """The sum over the taps of all axes: products of their weights times the pixels."""
    n, c, *sizes = x.shape
    flat = x.reshape(n, c, -1)
    places, weights = [jnp.zeros(axes[0][0][0].shape, jnp.int32)], [None]
    for size, taps in zip(sizes, axes, strict=True):
        places = [p * size + index for p in places for index, _ in taps]
        weights = [w if v is None else v * w for v in weights for _, w in taps]
    total = jnp.zeros((n, c, places[0].shape[1]), x.dtype)
    for place, weight in zip(places, weights, strict=True):
        # Weight zero means beyond the border: whatever is there must not count.
        pixels = jnp.take_along_axis(flat, place[:, None], axis=2)
        weight = jnp.asarray(weight)[:, None]
        total += jnp.where(weight == 0, like(x, 0), weight * pixels)
    return total


def _tap(place, size, padding_mode, align_corners):
    """A whole place as an index on the image, and whether it lies on it."""
    if padding_mode != "zeros":
        place = _into(place, size, padding_mode, align_corners)
    inside = (place >= 0) & (place <= size - 1)
    return jnp.clip(place, 0, size - 1).astype(jnp.int32), inside.astype(place.dtype)


def _nearest(place, *border):
    return [_tap(jnp.round(place), *border)]


def _linear(place, *border):
    low = jnp.floor(place)
    (i, keep), (j, keep_next) = _tap(low, *border), _tap(low + like(low, 1), *border)
    part = place - low
    return [(i, keep * (like(low, 1) - part)), (j, keep_next * part)]


def _cubic(place, *border):
    low = jnp.floor(place)
    taps = []
    for offset in (-1, 0, 1, 2):
        index, keep = _tap(low + like(low, offset), *border)
        t = jnp.abs(place - low - like(low, offset))
        near = (1.25 * t - 2.25) * t * t + 1
        far = ((-0.75 * t + 3.75) * t - 6) * t + 3
        taps.append((index, keep * jnp.where(t <= 1, near, far)))
    return taps


def _into(place, size, padding_mode, align_corners):
    if padding_mode == "border":
        return jnp.clip(place, 0, size - 1)
    low, high = (0, size - 1) if align_corners else (-0.5, size - 0.5)
    span = max(high - low, 1e-9)
    offset = jnp.mod(place - low, 2 * span)
    return jnp.clip(low + jnp.minimum(offset, 2 * span - offset), 0, size - 1)
