"""What `mnist_invariance` asks of one network: means, verdicts, scree, layers, pictures."""

import dataclasses

import jax
import numpy as np

import jfacemap as jfm
from jfacemap import network
from jfacemap.study.depth import LayerReading, read_layer
from jfacemap.study.rotated_digits import (
    angle_moments,
    DigitStatistics,
    DigitVerdict,
    judge_digits,
    summarise_digits,
)

from .mnist_invariance_data import Data


of_last = "softmax, weights of the last minibatch"
"""Not of the mean over minibatches, which all else is of."""


@dataclasses.dataclass(frozen=True)
class Findings:
    """Of one network of one seed."""

    statistics: DigitStatistics
    verdict: DigitVerdict
    missed: dict[str, float]
    """Shares of test images missed, in the ways of the verdict and by `of_last`."""
    scree: np.ndarray
    """Singular values of its test features, scaled to [-1, 1]."""
    layers: dict[str, LayerReading]
    dead: int
    sparsity: float
    why: dict[str, float]
    """Deviation of the angle read in other ways; only of LeNet."""


def grid_of(digits: network.Digits, images) -> tuple[np.ndarray, np.ndarray]:
    """Angles and images by position: each image at every angle, angle by angle."""
    angles = np.arange(digits.images.shape[0], dtype=np.int32)
    return np.repeat(angles, len(images)), np.tile(np.int32(images), len(angles))


def by_class(weights, digits, rows, classes=range(10)):
    """ip1 and angle of the rows of one class after the other."""
    label = np.asarray(digits.label)
    for c in classes:
        angle, image = grid_of(digits, rows[label[rows] == c])
        if not len(image):
            yield np.zeros((0, 500), np.float32), angle
            continue
        yield network.extract(weights, digits, angle, image)["ip1"][0], angle


def examine(
    weights, last, data: Data, *, seed: int, quick: bool, why: bool
) -> tuple[Findings, dict]:
    """All that is asked of one network, and its test features.

    `last`: its weights after the last minibatch; `weights` are their mean. None if its
    ip2 was never trained: its softmax says nothing, and is left out.
    """
    label = np.asarray(data.test.label)
    most = len(network.angles) * int(np.bincount(np.asarray(data.train.label)).max())
    statistics = summarise_digits(
        by_class(weights, data.train, data.fit), network.angles, most=most
    )
    angle, image = grid_of(data.test, np.arange(len(label)))
    seen = network.extract(weights, data.test, angle, image, ("ip1", "softmax"))
    x = seen["ip1"][0]
    layers = network.layers if last is not None else network.layers[:-1]
    softmax = None if last is None else seen["softmax"][0].argmax(axis=1)
    verdict = judge_digits(statistics, x, label[image], angle, softmax)
    missed = dict(verdict.error)
    if last is not None:
        at_last = network.extract(last, data.test, angle, image, ("softmax",))["softmax"]
        missed[of_last] = float(np.mean(at_last[0].argmax(axis=1) != label[image]))
    blocks = jfm.block_diagonalize(x, label[image])
    found = Findings(
        statistics,
        verdict,
        missed,
        np.asarray(jfm.scree(x, scaled=True).singular_values),
        layer_by_layer(weights, data, layers, seed, quick),
        int(blocks.dead),
        float(blocks.sparsity),
        why_15(
            some_features(weights, data, seed),
            (x, label[image], angle),
            network.angles,
        )
        if why
        else {},
    )
    # Columns of the heat maps: some test images of each digit at each angle.
    each = 3 if quick else 20
    shown = np.concatenate(
        [
            np.flatnonzero((label[image] == c) & (angle == a))[:each]
            for c in range(10)
            for a in range(len(network.angles))
        ]
    )
    picture = {
        "heat": x[shown].T,
        "label": label[image][shown],
        "order": np.asarray(blocks.order),
        "cluster": np.asarray(blocks.cluster),
    }
    return found, picture


def some_features(weights, data: Data, seed: int):
    """ip1 of training images drawn at random, with labels and angles by position."""
    rng = np.random.default_rng(seed)
    image = rng.choice(data.fit, min(30_000, len(data.fit)), replace=False)
    angle = rng.integers(0, len(network.angles), len(image))
    x = network.extract(weights, data.train, angle, image)["ip1"][0]
    return x, np.asarray(data.train.label)[image], angle


def layer_by_layer(
    weights, data: Data, names: tuple[str, ...], seed: int, quick: bool
) -> dict[str, LayerReading]:
    """Each layer read linearly, on some training images, judged on some test images."""
    some = 200 if quick else 12_000
    rng = np.random.default_rng(seed)
    degrees = np.array(network.angles, np.float32)
    sides = []
    for digits, rows in ((data.train, data.fit), (data.test, None)):
        rows = np.arange(digits.label.shape[0]) if rows is None else rows
        image = rng.choice(rows, min(some, len(rows)), replace=False)
        angle = rng.integers(0, len(degrees), len(image))
        layers = network.extract(weights, digits, angle, image, names)
        sides.append((layers, np.asarray(digits.label)[image], degrees[angle]))
    (fit, label, turned), (test, truth, angle) = sides
    return {
        name: read_layer(fit[name][0], label, turned, (test[name][0], truth, angle))
        for name in names
    }


def one(weights, seed: int):
    """The network of one seed, with a leading axis of one."""
    return jax.tree.map(lambda x: x[seed : seed + 1], weights)


def why_15(fit, test, degrees) -> dict[str, float]:
    """Deviation of the angle, mean over angles, when it is read in other ways.

    `fit` and `test` are features, labels and angles by position. The chapter reports some
    15 degrees and does not say how its regressor was made.
    """
    x, label, angle = fit
    rows, truth, at = test
    degrees = np.asarray(degrees, np.float32)
    shape = 10, len(degrees)

    def spread(read) -> float:
        return float(np.mean(angle_moments(read, truth, at, shape)[1]))

    def per_class(x, rows, **options):
        read = np.zeros(len(rows), np.float32)
        for c in range(10):
            used = (label == c).astype(np.float32)
            m = jfm.fit_ridge(x, degrees[angle], weights=used, **options)
            read[truth == c] = np.asarray(m(rows))[truth == c]
        return spread(read)

    scale = lambda x: np.asarray(jfm.unit(x))
    mean = x.mean(axis=0)
    axes = np.linalg.svd(x[::5] - mean, full_matrices=False)[2]
    project = lambda rows, k: np.asarray((rows - mean) @ axes[:k].T)
    everything = jfm.fit_ridge(x, degrees[angle], ridge=1e-6)
    vectors = [
        jfm.mean_activation_vectors(x, np.where(label == c, angle, -1), classes=shape[1])
        for c in range(10)
    ]
    nearest = np.zeros(len(rows), np.float32)
    for c, mavs in enumerate(vectors):
        found = np.asarray(jfm.classify_by_mav(rows, mavs).label)
        nearest[truth == c] = degrees[found][truth == c]
    return {
        "least squares for each digit": per_class(x, rows, ridge=1e-6),
        "the same, rows of unit length": per_class(scale(x), scale(rows), ridge=1e-6),
        "the same, penalty 1": per_class(x, rows, ridge=1.0),
        "the same, penalty 10": per_class(x, rows, ridge=10.0),
        "the same, on 10 principal axes of all digits": per_class(
            project(x, 10), project(rows, 10), ridge=1e-6
        ),
        "one regressor for all digits": spread(np.asarray(everything(rows))),
        "angle of the nearest of the digit's seven MAVs": spread(nearest),
    }
