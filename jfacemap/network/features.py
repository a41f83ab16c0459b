"""Layers of several networks for many images, some at a time."""

import functools as ft
from collections.abc import Callable, Iterator

import jax
import numpy as np
from flax import nnx
from jaxtyping import Int

from .lenet import Activations, apply_lenet
from .objective import Digits


batch = 100
"""Images at a time: what is computed of them stays in cache (500: a third of the speed)."""


def extract(
    weights: nnx.State,
    digits: Digits,
    angle: Int[np.ndarray, " m"],
    image: Int[np.ndarray, " m"],
    layers: tuple[str, ...] = ("ip1",),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, np.ndarray]:
    """Layers `(seeds, m, width)` of networks with a leading axis of seeds.

    Of images at angles given by position; `layers` as `Activations.layer` names them.
    """
    parts = {name: [] for name in layers}
    for start, some in _batches(weights, digits, angle, image, layers):
        for name, x in some.items():
            parts[name].append(x)
        progress(min(start + batch, len(image)), len(image))
    return {name: np.concatenate(x, axis=1) for name, x in parts.items()}


def _batches(weights, digits, angle, image, layers) -> Iterator:
    for start in range(0, len(image), batch):
        at = np.arange(start, min(start + batch, len(image)), dtype=np.int32)
        used = len(at)
        at = np.resize(at, batch)  # the last one as large as all: one program
        found = _extract(
            weights, digits, np.int32(angle[at]), np.int32(image[at]), layers=layers
        )
        yield start, {name: np.asarray(x)[:, :used] for name, x in found.items()}


@ft.partial(jax.jit, static_argnames="layers")
def _extract(weights, digits, angle, image, *, layers):
    images = digits.take(angle, image)

    def one(weights):
        seen: Activations = apply_lenet(weights, images)
        return {name: seen.layer(name) for name in layers}

    return jax.vmap(one)(weights)
