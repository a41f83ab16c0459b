"""What the experiments with edited faces share: images, networks, or a substitute."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jfacemap as jfm

from .data_folder import find_model
from .harness import lacking


names = "rotation", "size", "blur", "brightness", "contrast", "warmth", "covering"
"""Edits that grey images show too."""

chosen = {name: jfm.data.edits[name] for name in names}


@dataclasses.dataclass(frozen=True)
class Network:
    """A face network, how it wants images, and what it is, in words."""

    fn: Callable[..., Any]
    preprocess: str | jfm.data.Preprocess
    what: str


known = {
    "fr_feature": ("mobilefacenet", None, "MobileFaceNet, trained to tell people"),
    "fr_liveness": (
        "mobilefacenet",
        ["581"],
        "a network of the same family that tells faces from pictures of faces, its last "
        "layer but one",
    ),
    "fr_pose": ("imagenet", ["615"], "a network of head pose, its last layer but one"),
}
"""Preprocessing (of the latter two not documented), the value inside, and what it is."""


def find_networks(
    folder: pathlib.Path | None, names: tuple[str, ...] = ("fr_feature", "fr_liveness")
) -> dict[str, Network]:
    """The networks that `fetch_models` brought to a folder; none where they are not."""
    found = {}
    for name in names:
        if name not in known:
            raise ValueError(f"No network {name!r} is known; known are {', '.join(known)}.")
        preprocess, outputs, what = known[name]
        path = folder and find_model(folder, name)
        if path:
            fn = jfm.onnx2jax.load(path, outputs=outputs)
            found[name] = Network(fn, preprocess, what)
    return found


def substitutes(count: int) -> dict[str, Network]:
    """Small networks of fixed random weights: they run anywhere and know nothing."""
    plain = jfm.data.Preprocess((28, 28), layout="nhwc")
    return {
        f"substitute {seed}": Network(random_network(seed), plain, "random weights")
        for seed in range(count)
    }


class RandomNetwork(eqx.Module):
    """Two convolutions and a layer, of weights that can learn."""

    weights: list[jax.Array]

    def __call__(self, x):
        for kernel in self.weights[:2]:
            x = jax.lax.conv_general_dilated(
                x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = jax.nn.relu(x)
        return jnp.tanh(x.reshape(x.shape[0], -1) @ self.weights[2])


def random_network(seed: int) -> RandomNetwork:
    """Of random weights that a seed gives."""
    rng = np.random.default_rng(seed)
    shapes = (5, 5, 3, 8), (5, 5, 8, 16), (7 * 7 * 16, 64)
    draw = lambda s: rng.normal(size=s) / np.sqrt(np.prod(s[:-1]))
    return RandomNetwork([jnp.asarray(draw(s), jnp.float32) for s in shapes])


def load_faces(
    folder: pathlib.Path | None, most: int, quick: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Aligned ORL and LFW faces (n, 112, 112, 3) of `most` people, and who they show.

    Every LFW person comes first, as they are few and in colour.
    """
    for name in ("lfw100.npz", "orl_faces.npz"):
        if folder is None or not (folder / name).is_file():
            where = f"{name} is not in {folder}" if folder else "no folder of data"
            fault = f"{where}: give --data FOLDER, or set JFACEMAP_DATA"
            lacking(f"{fault}.", quick)
    assert folder is not None
    with np.load(folder / "lfw100.npz") as file:
        lfw, colour = file["name"].astype(str), file["aligned112"]
    with np.load(folder / "orl_faces.npz") as file:
        orl, grey = file["subject"].astype(str), file["aligned112"]
    images = np.concatenate([colour, np.repeat(grey[..., None], 3, axis=-1)])
    who = np.concatenate([np.char.add("lfw ", lfw), np.char.add("orl ", orl)])
    first = list(dict.fromkeys(who))[:most]
    rows = np.flatnonzero(np.isin(who, first))
    return images[rows], who[rows]
