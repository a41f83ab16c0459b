"""The digits of `mnist_invariance`: MNIST at seven angles, on the device."""

import dataclasses
import pathlib

import jax.numpy as jnp
import numpy as np

import jfacemap as jfm
from jfacemap import network


@dataclasses.dataclass(frozen=True)
class Data:
    """Rotated digits on the device, and which are for what."""

    train: network.Digits
    test: network.Digits
    fit: np.ndarray
    """Positions of training images."""
    validation: np.ndarray
    source: str
    digest: str


def load_digits(source: pathlib.Path | None, *, quick: bool) -> Data:
    """MNIST at all angles; of a smoke run some digits."""
    mnist = jfm.data.load_mnist(source)
    train, test = (600, 200) if quick else (60_000, 10_000)
    degrees = jnp.asarray(network.angles, jnp.float32)
    rotate = lambda x, y: network.Digits(
        network.rotate_images(x, degrees), jnp.asarray(y, jnp.int32)
    )
    held = 100 if quick else 5000
    return Data(
        rotate(mnist.train_images[:train], mnist.train_labels[:train]),
        rotate(mnist.test_images[:test], mnist.test_labels[:test]),
        np.arange(train - held),
        np.arange(train - held, train),
        mnist.source,
        mnist.digest,
    )
