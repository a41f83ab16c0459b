"""What features of rotated digits say of the digit and of its angle (paper 001, section 4).

Statistics of training features, class by class as they come from a network, and the
judgement of test features by them: by mean activation vectors, by such vectors of each
angle, and by regressors of the angle.
"""

from collections.abc import Iterable, Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ..probe.activation import classify_by_mav, mean_activation_vectors
from ..probe.regression import fit_ridge


class DigitStatistics(eqx.Module):
    """Of training features of width d.

    - `mavs (classes, angles, d)`, `count (classes, angles)`: means by class and angle; NaN
      where there is none
    - `low`, `high (d,)`: extremes of each feature
    - `weight (classes, d)`, `bias (classes,)`: each class's regressor of the angle
    - `degrees (angles,)`
    """

    mavs: Float[np.ndarray, "classes angles d"]
    count: Float[np.ndarray, "classes angles"]
    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]
    weight: Float[np.ndarray, "classes d"]
    bias: Float[np.ndarray, " classes"]
    degrees: Float[np.ndarray, " angles"]

    @property
    def class_mavs(self) -> Float[np.ndarray, "classes d"]:
        """The mean of all training rows of each class."""
        return weighted_mean(self.mavs, self.count)

    @property
    def targets(self) -> Float[np.ndarray, "classes d"]:
        """Class means of features scaled to [0, 1]: what mu-LeNet is trained on.

        By the extremes over all training rows; a constant feature is 0.
        """
        reach = self.high - self.low
        scaled = (self.class_mavs - self.low) / np.where(reach > 0, reach, 1)
        return np.where(reach > 0, scaled, 0).astype(np.float32)


def weighted_mean(mavs, count) -> np.ndarray:
    """Means by class from means by class and angle."""
    total = np.where(count[..., None] > 0, mavs * count[..., None], 0).sum(axis=-2)
    number = count.sum(axis=-1)[..., None]
    mean = total / np.where(number > 0, number, 1)
    return np.where(number > 0, mean, np.nan).astype(np.float32)


def summarise_digits(
    by_class: Iterable[tuple[Float[np.ndarray, "_ d"], Int[np.ndarray, " _"]]],
    degrees: Sequence[float | int] | Float[np.ndarray, " angles"],
    *,
    ridge: float = 0.0,
    most: int | None = None,
) -> DigitStatistics:
    """Statistics from the features of one class after the other, with angles by position.

    Only one class's rows are looked at a time. `most`: rows of the largest class, which
    all are padded to, so that one program serves. A class without rows has NaN.
    """
    turned = np.asarray(degrees, np.float32)
    mavs, count, weight, bias, low, high = [], [], [], [], None, None
    for x, angle in by_class:
        if not len(x):
            d = x.shape[1]
            mavs.append(np.full((len(turned), d), np.nan, np.float32))
            count.append(np.zeros(len(turned), np.float32))
            weight.append(np.full(d, np.nan, np.float32))
            bias.append(np.float32(np.nan))
            continue
        low = x.min(axis=0) if low is None else np.minimum(low, x.min(axis=0))
        high = x.max(axis=0) if high is None else np.maximum(high, x.max(axis=0))
        padded = np.zeros((max(most or 0, len(x)) - len(x), x.shape[1]), x.dtype)
        rows = np.concatenate([x, padded])
        at = np.append(angle, np.full(len(padded), -1)).astype(np.int32)
        means = mean_activation_vectors(rows, at, classes=len(turned))
        mavs.append(np.asarray(means.vectors))
        count.append(np.asarray(means.count))
        used = (at >= 0).astype(np.float32)
        regressor = fit_ridge(rows, turned[at], weights=used, ridge=ridge)
        weight.append(np.asarray(regressor.weight))
        bias.append(np.asarray(regressor.bias))
    if low is None or high is None:
        raise ValueError("There are no training features at all.")
    return DigitStatistics(
        np.stack(mavs), np.stack(count), low, high, np.stack(weight), np.stack(bias), turned
    )


class DigitVerdict(eqx.Module):
    """How test features fare; errors are shares of images, NaN of a class without any.

    - `errors[way] (classes,)`: by original class, for each way in `ways`
    - `error[way]`: of all images
    - `angle_mean[reader]`, `angle_std[reader] (angles,)`: mean and standard deviation of
      the angle read off in degrees, each averaged over classes (Figure 3); `reader` is
      "true class" (that class's regressor, as published) or "predicted class" (the
      nearest MAV's)
    """

    errors: dict[str, Float[np.ndarray, " classes"]]
    error: dict[str, float]
    angle_mean: dict[str, Float[np.ndarray, " angles"]]
    angle_std: dict[str, Float[np.ndarray, " angles"]]


ways = {
    "MAV": "nearest mean activation vector of the ten classes",
    "label-and-angle MAV": "nearest of the seventy means by label and angle",
    "per-angle MAV": "angle by the true class's regressor, then MAVs of that angle: as "
    "published, and it leaks the label",
    "per-angle MAV, leak-free": "each class's angle by its regressor, then its MAV",
}


def judge_digits(
    statistics: DigitStatistics,
    x: Float[np.ndarray, "n d"],
    label: Int[np.ndarray, " n"],
    angle: Int[np.ndarray, " n"],
    softmax: Int[np.ndarray, " n"] | None = None,
) -> DigitVerdict:
    """Classify rows by `statistics` in the four `ways`, and read their angles.

    `softmax`: the network's own predictions, for a fifth way of that name.
    """
    s, everyone = statistics, np.arange(len(label))
    classes, angles, d = s.mavs.shape
    near = np.asarray(classify_by_mav(x, s.class_mavs).label)
    match = classify_by_mav(x, s.mavs.reshape(-1, d))
    both = np.asarray(match.similarity).reshape(-1, classes, angles)
    read = np.asarray(x) @ np.nan_to_num(s.weight).T + s.bias  # (n, classes)
    nearest = np.abs(read[..., None] - s.degrees).argmin(axis=-1)
    of_true = nearest[everyone, label]
    own = np.take_along_axis(both, nearest[..., None], axis=2)[..., 0]
    best = lambda similarity: np.argmax(np.nan_to_num(similarity, nan=-np.inf), axis=1)
    dead = near < 0
    said = {
        "MAV": near,
        "label-and-angle MAV": np.where(dead, -1, np.asarray(match.label) // angles),
        "per-angle MAV": np.where(dead, -1, best(both[everyone, :, of_true])),
        "per-angle MAV, leak-free": np.where(dead, -1, best(own)),
    }
    said |= {} if softmax is None else {"softmax": np.asarray(softmax)}
    wrong = {way: guess != label for way, guess in said.items()}
    readers = {"true class": label, "predicted class": np.where(dead, label, near)}
    moments = {
        reader: angle_moments(read[everyone, who], label, angle, (classes, angles))
        for reader, who in readers.items()
    }
    return DigitVerdict(
        errors={way: _by(w, label, classes) for way, w in wrong.items()},
        error={way: float(np.mean(w)) for way, w in wrong.items()},
        angle_mean={reader: m for reader, (m, _) in moments.items()},
        angle_std={reader: sd for reader, (_, sd) in moments.items()},
    )


def angle_moments(read, label, angle, shape) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of angles read, by angle: first by class, then over classes."""
    classes, angles = shape
    cell = label * angles + angle
    size = classes * angles
    number = np.maximum(np.bincount(cell, minlength=size), 1)
    mean = np.bincount(cell, read, size) / number
    square = np.bincount(cell, (read - mean[cell]) ** 2, size) / number
    some = np.bincount(cell, minlength=size) > 0
    table = lambda t: np.where(some, t, np.nan).reshape(shape)
    return np.nanmean(table(mean), axis=0), np.nanmean(table(np.sqrt(square)), axis=0)


def _by(wrong, label, classes):
    number = np.bincount(label, minlength=classes)
    rate = np.bincount(label, wrong, classes) / np.maximum(number, 1)
    return np.where(number > 0, rate, np.nan)
