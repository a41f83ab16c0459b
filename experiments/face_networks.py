"""What further networks of the model folder say of a face: pose, sex, age, expression.

Faces are cut out around their 68 landmarks, not around the boxes of the package's own
detector, so that numbers differ from the package's by some.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np

import jfacemap as jfm

from .data_folder import find_model
from .harness import watch


imagenet_mean = np.array((123.675, 116.28, 103.53), np.float32)
imagenet_std = np.array((58.395, 57.12, 57.375), np.float32)
bins = np.arange(66, dtype=np.float32)
at_once = 50


@dataclasses.dataclass(frozen=True)
class Reader:
    """How a network wants a face, and what its outputs, by name, say of n of them.

    `more`: of the landmarks' box on each side. `size`: pixels. `names`: of the signs.
    """

    more: float
    size: int
    mean: np.ndarray | float
    std: np.ndarray | float
    names: tuple[str, ...]
    decode: Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]


def network_signs(folder: pathlib.Path, images, landmarks) -> dict[str, np.ndarray]:
    """What each network that the folder has says of images: sign to values (n,).

    Yaw, pitch and roll are in degrees, age in years as the network has it; Male, Smiling
    and No Expression are shares of 1.
    """
    signs = {}
    for name, reader in readers.items():
        path = find_model(folder, name)
        if path is None:
            continue
        f, outputs = jfm.onnx2jax.load(path), []
        with watch(name) as progress:
            for start in range(0, len(images), at_once):
                some = slice(start, start + at_once)
                faces = cut_faces(images[some], landmarks[some], reader)
                found = f.batched(jnp.asarray(faces))
                outputs.append(found if isinstance(found, dict) else {"": found})
                progress(min(start + at_once, len(images)), len(images))
        parts = {key: [np.asarray(o[key]) for o in outputs] for key in outputs[0]}
        values = reader.decode({key: np.concatenate(p) for key, p in parts.items()})
        signs |= {n: np.float32(v) for n, v in zip(reader.names, values, strict=True)}
    return signs


def cut_faces(images, landmarks, reader: Reader) -> np.ndarray:
    """Faces (n, 3, size, size) as a network wants them."""
    faces = [
        (crop(image, points, reader.more, reader.size) - reader.mean) / reader.std
        for image, points in zip(images, landmarks, strict=True)
    ]
    return np.asarray(faces, np.float32).transpose(0, 3, 1, 2)


def angles(outputs) -> list[np.ndarray]:
    """Of fr_pose: yaw, pitch, roll; the expected bin of 66, of 3 degrees each."""
    return [shares(outputs[name]) @ bins * 3 - 99 for name in ("output", "617", "618")]


def staged(outputs, largest: float) -> np.ndarray:
    """A quantity up to `largest` by soft stages (SSR-Net; Yang et al., IJCAI 2018).

    Three stages of three bins, each a third of the bin before, scaled and shifted.
    """
    total, width = 0.0, 1.0
    for stage in (1, 2, 3):
        width = width * 3 * (1 + outputs[f"stage{stage}_delta_k"][:, 0])
        place = np.arange(3) + outputs[f"index_offset_stage{stage}"]
        total = total + np.sum(place * outputs[f"prob_stage_{stage}"], axis=1) / width
    return largest * np.asarray(total)


def expressions(outputs) -> list[np.ndarray]:
    """Of fr_expression's seven, whose names its package does not give, two.

    On ORL and LFW the fourth goes with raised corners of the mouth (correlation .56) and
    the seventh with a closed mouth: a smile, and no expression.
    """
    found = shares(outputs[""])
    return [found[:, 3], found[:, 6]]


def shares(logits) -> np.ndarray:
    """Softmax over the last axis."""
    each = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return each / each.sum(axis=-1, keepdims=True)


readers = {
    "fr_pose": Reader(
        0.25, 224, imagenet_mean, imagenet_std, ("Yaw", "Pitch", "Roll"), angles
    ),
    "fr_gender": Reader(
        0.2, 64, imagenet_mean, imagenet_std, ("Male",), lambda o: [staged(o, 1)]
    ),
    "fr_age": Reader(
        0.2, 64, imagenet_mean, imagenet_std, ("Old",), lambda o: [staged(o, 101)]
    ),
    "fr_expression": Reader(
        0.1, 224, 0.0, 255.0, ("Smiling", "No Expression"), expressions
    ),
}


def crop(image, points, more: float, size: int) -> np.ndarray:
    """The box of some points and `more` of it on each side, as (size, size, 3)."""
    from PIL import Image

    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    wide, high = more * (right - left), more * (bottom - top)
    box = left - wide, top - high, right + wide, bottom + high
    face = Image.fromarray(image).convert("RGB").crop(tuple(map(round, box)))  # type: ignore
    return np.asarray(face.resize((size, size), Image.Resampling.BILINEAR), np.float32)
