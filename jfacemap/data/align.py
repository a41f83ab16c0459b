"""Faces turned, scaled and moved so that eyes, nose and mouth lie where a model wants them.

The template is ArcFace's, for images of 112 x 112 pixels (Deng et al., 2019). As in its
code, the similarity is of least squares (Umeyama, 1991) and the resampling bilinear.
"""

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from ..core.extras import need


template = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""(x, y) of the eyes, the tip of the nose and the corners of the mouth, of 112 x 112."""

_template_side = 112


def five_points(landmarks: Shaped[np.ndarray, "k 2"]) -> Float[np.ndarray, "5 2"]:
    """The five points of a face from 5 or 68 of it (iBUG's order), (x, y) in pixels.

    Eyes are the means of their six points. `ValueError` for another number of points.
    """
    points = np.asarray(landmarks, np.float64)
    if len(points) == 5:
        return points
    if len(points) != 68:
        raise ValueError(f"Landmarks are 5 or 68 points (x, y); got {points.shape}.")
    eyes = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    return np.stack([*eyes, points[30], points[48], points[54]])


def solve_alignment(
    source: Float[np.ndarray, "k 2"], target: Float[np.ndarray, "k 2"]
) -> Float[np.ndarray, "3 3"]:
    """The similarity A that minimises sum_i |A source_i - target_i|^2, without mirroring.

    Points are (x, y); A acts on (x, y, 1). Umeyama (1991), equations 40 to 43. NaN where
    the source points are all the same.
    """
    mean_s, mean_t = source.mean(axis=0), target.mean(axis=0)
    s, t = source - mean_s, target - mean_t
    u, d, vt = np.linalg.svd(t.T @ s)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    energy = np.sum(s**2)
    scale = np.sum(d * sign) / energy if energy > 0 else np.nan
    out = np.eye(3)
    out[:2, :2] = scale * rotation
    out[:2, 2] = mean_t - out[:2, :2] @ mean_s
    return out


def align_face(
    image: UInt8[np.ndarray, "h w ..."],
    landmarks: Shaped[np.ndarray, "k 2"],
    size: tuple[int, int] = (112, 112),
) -> UInt8[np.ndarray, "_ _ ..."]:
    """The face of an image (h, w) or (h, w, c), its five points upon the template's.

    - `landmarks`: 5 or 68 points (x, y) in pixels of the image
    - `size`: (height, width) of the result, to which the template is scaled

    What lies outside the image is black. Raises `ValueError` for landmarks that are not
    finite, or all the same.
    """
    points = five_points(landmarks)
    if not np.all(np.isfinite(points)):
        raise ValueError("The landmarks are not finite: no face was found there.")
    scale = np.array([size[1], size[0]]) / _template_side
    a = solve_alignment(points, template * scale[None])
    if not np.isfinite(a).all() or abs(np.linalg.det(a)) < 1e-12:
        raise ValueError("The landmarks are all one point: no face was found there.")
    return _warp(image, np.linalg.inv(a), size)


def _warp(image: np.ndarray, inverse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels of a new image, each where `inverse` of its (x, y, 1) lies in the old one."""
    pil = need("PIL.Image", "images")
    image, inverse = _near(image, inverse, size)
    # Pillow counts from the corner of a pixel, landmarks count from its middle.
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    where = (shift @ inverse @ np.linalg.inv(shift))[:2].ravel().tolist()
    bands = image.reshape(*image.shape[:2], -1).astype(np.float32)  # of uint8 it truncates
    warped = [
        pil.fromarray(np.ascontiguousarray(bands[..., c])).transform(
            size[::-1], pil.Transform.AFFINE, where, pil.Resampling.BILINEAR
        )
        for c in range(bands.shape[2])
    ]
    out = np.rint(np.stack(warped, axis=-1)).clip(0, 255).astype(np.uint8)
    return out.reshape(*size, *image.shape[2:])


def _near(image: np.ndarray, inverse: np.ndarray, size: tuple[int, int]):
    """The part of an image that is asked for, one pixel at least, and `inverse` into it."""
    ends = np.array([[-1, -1, 1], [size[1], -1, 1], [-1, size[0], 1], [*size[::-1], 1]])
    xy = (inverse @ ends.T)[:2]
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(xy.min(axis=1)) - 1, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(xy.max(axis=1)) + 2, low + 1, limit).astype(int)
    inverse = inverse.copy()
    inverse[:2, 2] -= low
    return image[low[1] : high[1], low[0] : high[0]], inverse
