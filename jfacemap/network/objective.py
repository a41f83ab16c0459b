"""What a LeNet is trained for: softmax, means, pairs, classes (paper 001, section 4.2).

An objective draws what it looks at, around the images it is given, and gives their loss;
both of one network. Euclidean losses are Caffe's: half the squared distance, a mean over
images.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key, UInt8

from ..core.linalg import matmul
from ..core.types import Numeric
from .lenet import Activations, apply_lenet


compared = "conv1", "conv2", "ip1", "logits"
"""Layers that `Pairs` and `Classes` compare, in the order of their weights."""


class Digits(eqx.Module):
    """Images at several angles `(a, n, 28, 28)` and their labels `(n,)`."""

    images: UInt8[Array, "a n 28 28"]
    label: Int[Array, " n"]

    def take(self, angle, image) -> UInt8[Array, "b 28 28"]:
        """Some images at some angles, both by position."""
        a, n, h, w = self.images.shape
        rows = self.images.reshape(a * n, h * w)[angle * n + image]
        return rows.reshape(-1, h, w)


class AbstractObjective(eqx.Module):
    """A loss of a network on a batch."""

    @property
    def share(self) -> int:
        """Images it wants for each that the batch size counts."""
        return 1

    @abc.abstractmethod
    def __call__(
        self,
        key: Key[Array, ""],
        weights: nnx.State,
        digits: Digits,
        angle: Int[Array, " b"],
        image: Int[Array, " b"],
    ) -> Float[Array, ""]:
        """The loss of `image` at `angle`, and of what else the key draws."""


class Softmax(AbstractObjective):
    """Cross-entropy: the plain LeNet."""

    def __call__(self, key, weights, digits, angle, image):
        """Mean cross-entropy of the batch."""
        seen = apply_lenet(weights, digits.take(angle, image))
        return _softmax_loss(seen.logits, digits.label[image])


class Means(AbstractObjective):
    """ip1 regressed on a vector of its class: mu-LeNet. ip2 is left as it is."""

    targets: Float[Numeric, "*seeds classes 500"]

    def __call__(self, key, weights, digits, angle, image):
        """Euclidean loss of ip1 and the class's target."""
        seen = apply_lenet(weights, digits.take(angle, image))
        return _euclidean_loss(seen.ip1, jnp.asarray(self.targets)[digits.label[image]])


class Pairs(AbstractObjective):
    """Softmax on one image, and each layer near that of another rotation: PAIR-LeNet.

    `weights`: of the Euclidean losses of the layers `compared`; the chapter gives none.
    """

    layer_weights: Float[Numeric, "*seeds 4"]

    def __call__(self, key, weights, digits, angle, image):
        """Softmax loss of the batch, Euclidean losses between it and its rotations."""
        a = digits.images.shape[0]
        other = (angle + jr.randint(key, angle.shape, 1, a, angle.dtype)) % a
        images = [digits.take(angle, image), digits.take(other, image)]
        seen = apply_lenet(weights, jnp.concatenate(images))
        one, two = _halves(seen)
        near = [
            _euclidean_loss(getattr(one, name), getattr(two, name)) for name in compared
        ]
        apart = jnp.sum(self.layer_weights * jnp.stack(near))
        return _softmax_loss(one.logits, digits.label[image]) + apart


class Classes(AbstractObjective):
    """Softmax, and each layer near its mean over the batch's images of the class.

    Class-wise distances in the place of pair-wise ones (paper 001, section 5: "use
    several images of one class at the same time and try to reduce batch-wise distances").
    A batch is twice as large, so as to cost what `Pairs` costs; softmax sees its half.
    """

    layer_weights: Float[Numeric, "*seeds 4"]

    @property
    def share(self) -> int:
        """Images for each that softmax sees."""
        return 2

    def __call__(self, key, weights, digits, angle, image):
        """Softmax loss of half the batch, Euclidean losses to the means of classes."""
        seen = apply_lenet(weights, digits.take(angle, image))
        label = digits.label[image]
        member = jax.nn.one_hot(label, seen.logits.shape[1], dtype=jnp.float32)
        near = [_scatter_loss(getattr(seen, name), member) for name in compared]
        half = label.shape[0] // 2
        loss = _softmax_loss(seen.logits[:half], label[:half])
        return loss + jnp.sum(self.layer_weights * jnp.stack(near))


def _softmax_loss(logits, label):
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, label))


def _euclidean_loss(x, y):
    return jnp.sum((x - y) ** 2) / (2 * x.shape[0])


def _scatter_loss(x, member):
    """Twice the mean half squared distance to the class mean: that of random pairs."""
    x = x.reshape(x.shape[0], -1)
    count = jnp.maximum(jnp.sum(member, axis=0), 1)
    mean = matmul(member.T, x) / count[:, None]
    return 2 * _euclidean_loss(x, matmul(member, mean))


def _halves(seen: Activations):
    half = seen.logits.shape[0] // 2
    return jax.tree.map(lambda x: x[:half], seen), jax.tree.map(lambda x: x[half:], seen)
