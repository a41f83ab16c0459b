"""The networks of `classifier_swap`: a user's, EfficientNet-Lite, or simulated ones."""

import dataclasses
import pathlib

import numpy as np

import jfacemap as jfm
from jfacemap.core.rows import ArrayRows

from .data_folder import data_folder


@dataclasses.dataclass(frozen=True)
class Fold:
    """Rows of each network to fit on, and rows of other images to be judged on.

    `fit_image (m,)` and `image (n,)` tell which rows are of one image.
    """

    fit_rows: list
    fit_image: np.ndarray
    features: list[np.ndarray]
    labels: np.ndarray
    image: np.ndarray

    def halves(self, seed: int) -> np.ndarray:
        """0 or 1 for each row to fit on: whole images at random, half of them each."""
        images = np.random.default_rng(seed).permutation(np.unique(self.fit_image))
        return np.isin(self.fit_image, images[::2]).astype(np.int32)

    def sample(self, seed: int, most: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Up to `most` rows to fit on of each network, in memory, and their images.

        Whole images at random from all of them: the first rows of a file that is sorted
        by class would show few classes.
        """
        images, sizes = np.unique(self.fit_image, return_counts=True)
        order = np.random.default_rng(seed).permutation(len(images))
        kept = images[order[np.cumsum(sizes[order]) <= most]]
        index = np.flatnonzero(np.isin(self.fit_image, kept))
        return [_take(rows, index) for rows in self.fit_rows], self.fit_image[index]


def _take(rows, index: np.ndarray) -> np.ndarray:
    if isinstance(rows, jfm.data.EmbeddingStore):
        return rows.rows(index)
    return np.asarray(rows.x[index] if isinstance(rows, ArrayRows) else rows[index])


def pair_at_random(
    rows: list[np.ndarray], image: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Rows of which each network shows other images: whole images change places."""
    rng, order = np.random.default_rng(seed), np.argsort(image, kind="stable")
    _, sizes = np.unique(image, return_counts=True)
    groups = np.split(order, np.cumsum(sizes)[:-1])

    def shuffle():
        # Images of as many rows change places with each other.
        place = np.arange(len(groups))
        for size in np.unique(sizes):
            same = np.flatnonzero(sizes == size)
            place[same] = rng.permutation(same)
        moved = np.empty(len(order), int)
        for here, there in enumerate(place):
            moved[groups[here]] = groups[there]
        return moved

    return [x[shuffle()] for x in rows]


@dataclasses.dataclass(frozen=True)
class Networks:
    """Names and heads of the networks, the folds, and where all is from."""

    names: tuple[str, ...]
    heads: dict[str, jfm.Head]
    folds: list[Fold]
    about: str
    short: str

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All ordered pairs of two networks."""
        return [(a, b) for a in self.names for b in self.names if a != b]


def open_networks(features, data, seed: int, *, simulated: bool) -> Networks:
    """A user's folder, else EfficientNet-Lite, else a simulation."""
    if features is not None:
        return from_folder(features, seed)
    folder = None if simulated else data_folder(data)
    file = folder and folder / "imagenet_effnet.npz"
    if file and file.exists():
        return efficientnets(file, seed)
    return simulate(seed)


def from_folder(folder: pathlib.Path, seed: int) -> Networks:
    found = jfm.data.read_classifiers(folder)
    first = found[0]
    names = tuple(c.name for c in found)
    heads = {c.name: c.head for c in found}
    if first.fit_image is None:
        image = first.image
        half = np.isin(
            image, np.random.default_rng(seed).permutation(np.unique(image))[::2]
        )
        folds = [
            Fold(
                [c.features[~test] for c in found],
                image[~test],
                [c.features[test] for c in found],
                first.labels[test],
                image[test],
            )
            for test in (half, ~half)
        ]
        how = "maps fitted on half of the images and judged on the other half, both ways"
    else:
        rows = [c.fit_rows for c in found]
        images = first.fit_image
        features = [c.features for c in found]
        folds = [Fold(rows, images, features, first.labels, first.image)]
        how = f"maps fitted on {len(images):,} rows of {len(np.unique(images)):,} others"
    judged = f"{len(first.labels):,} rows of {len(np.unique(first.image)):,} images judged"
    about = f"{folder}: {len(found)} networks, {judged}; {how}."
    return Networks(names, heads, folds, about, folder.name)


def efficientnets(file: pathlib.Path, seed: int) -> Networks:
    """Fitted on crops of half the images, judged on the other half's centres; both ways."""
    arrays = np.load(file)
    names = tuple(k.removesuffix(".center") for k in arrays if k.endswith(".center"))
    # The float16 file, in float32, which holds the same numbers.
    of = lambda name, what: arrays[f"{name}.{what}"].astype(np.float32)
    heads = {n: jfm.Head(of(n, "head_weight"), of(n, "head_bias")) for n in names}
    label, crop_image = (arrays[k].astype(int) for k in ("label", "crop_image"))
    image = np.arange(len(label))
    half = np.isin(image, np.random.default_rng(seed).permutation(image)[::2])
    folds = []
    for test in (half, ~half):
        crops = ~test[crop_image]
        folds.append(
            Fold(
                [of(n, "crops")[crops] for n in names],
                crop_image[crops],
                [of(n, "center")[test] for n in names],
                label[test],
                image[test],
            )
        )
    about = (
        "EfficientNet-Lite 0, 1 and 2 (1280-d) on 1,000 real ImageNet images, one a class. "
        "Maps fitted on 4 random crops of each of 500 images, judged on the centres of the "
        "other 500, and the other way round. The networks may have been trained on these "
        "images: read agreement and change, not accuracy."
    )
    short = {n: n.replace("efficientnet_", "") for n in names}
    heads = {short[n]: head for n, head in heads.items()}
    return Networks(tuple(heads), heads, folds, about, "EfficientNet-Lite, ImageNet")


def simulate(seed: int) -> Networks:
    """Networks that see one latent code, each in a mixture and with noise of its own.

    Of 24 shared dimensions 12 tell the class, so that something is shared that logits do
    not force.
    """
    rng = np.random.default_rng(seed)
    classes, n, m = 20, 1200, 3000
    centre = np.concatenate(
        [2 * rng.normal(size=(classes, 12)), np.zeros((classes, 12))], 1
    )
    label = rng.integers(0, classes, n + m)
    code = centre[label] + rng.normal(size=(n + m, 24))
    names, heads, fit, held, d = ("clear", "noisy", "noisier"), {}, [], [], 40
    for name, noise in zip(names, (0.5, 1.0, 1.5), strict=True):  # of one width: quick
        mix = rng.normal(size=(24, d)) / np.sqrt(24)
        x = code @ mix + noise * rng.normal(size=(n + m, d)) / np.sqrt(2)
        x = x.astype(np.float32)
        # A linear discriminant: what a head trained on the fit rows would be near to.
        means = np.stack([x[n:][label[n:] == c].mean(axis=0) for c in range(classes)])
        weight = np.linalg.solve(np.cov((x[n:] - means[label[n:]]).T), means.T)
        bias = -0.5 * np.sum(means.T * weight, axis=0)
        heads[name] = jfm.Head(weight.astype(np.float32), bias.astype(np.float32))
        fit.append(x[n:])
        held.append(x[:n])
    folds = [Fold(fit, np.arange(m), held, label[:n], np.arange(n))]
    about = (
        f"a simulation: three networks that see 24 shared dimensions, {classes} classes, "
        f"maps fitted on {m:,} rows and judged on {n:,} others. It shows that the program "
        "works and nothing about networks."
    )
    return Networks(names, heads, folds, about, "simulated networks")
