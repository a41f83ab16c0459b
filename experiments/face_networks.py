"""What further networks of the model folder say of a face: pose, gender, expression."""

import pathlib

import jax.numpy as jnp
import numpy as np

import jfacemap as jfm

from .data_folder import find_model
from .harness import watch


imagenet_mean = np.array((123.675, 116.28, 103.53), np.float32)
imagenet_std = np.array((58.395, 57.12, 57.375), np.float32)
bins = np.arange(66, dtype=np.float32)


def network_signs(folder: pathlib.Path, images, landmarks) -> dict[str, np.ndarray]:
    """Yaw, pitch and roll in degrees, of images around their 68 landmarks.

    `fr_pose` as its package uses it: the box of the face and a quarter more on each side,
    224 pixels wide, ImageNet's colours; the expected bin of 66, of 3 degrees each.
    """
    path = find_model(folder, "fr_pose")
    assert path is not None
    f = jfm.onnx2jax.load(path)
    poses = []
    with watch("pose") as progress:
        for i, (image, points) in enumerate(zip(images, landmarks, strict=True)):
            pixels = (crop(image, points, 0.25, 224) - imagenet_mean) / imagenet_std
            out = f(jnp.asarray(pixels.transpose(2, 0, 1)[None]))
            values = out.values() if isinstance(out, dict) else out
            poses.append([expected(np.asarray(v)[0]) for v in values][:3])
            progress(i + 1, len(images))
    names = "Yaw", "Pitch", "Roll"
    return dict(zip(names, np.array(poses, np.float32).T, strict=True))


def expected(logits) -> float:
    """Degrees."""
    share = np.exp(logits - logits.max())
    return float(np.sum(share * bins) / share.sum()) * 3 - 99


def crop(image, points, more: float, size: int) -> np.ndarray:
    """The box of some points and `more` of it on each side, as (size, size, 3)."""
    from PIL import Image

    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    wide, high = more * (right - left), more * (bottom - top)
    box = left - wide, top - high, right + wide, bottom + high
    face = Image.fromarray(image).convert("RGB").crop(tuple(map(round, box)))  # type: ignore
    return np.asarray(face.resize((size, size), Image.Resampling.BILINEAR), np.float32)
