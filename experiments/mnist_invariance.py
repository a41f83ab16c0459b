"""Rotated MNIST: how invariant is what LeNet learns (paper 001, section 4)?

LeNet, mu-LeNet (trained on class means of LeNet's features) and PAIR-LeNet (trained on
pairs of rotations), over several seeds at once; their accuracy by softmax and by mean
activation vectors, the angle read off their features, scree plots, heat maps and block
diagonals. Beyond the chapter: class-wise instead of pair-wise distances, invariance layer
by layer, and mu-LeNet on digits it was never trained on.
"""

import dataclasses
import functools as ft
import pathlib
import threading
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.progress import Progress

import jfacemap as jfm
from jfacemap import network
from jfacemap.study.rotated_digits import summarise_digits

from .harness import console, lacking, launch, Results
from .mnist_invariance_data import Data, load_digits
from .mnist_invariance_examine import by_class, examine, grid_of, one
from .mnist_invariance_report import draw, gather_arrays, gather_rows, report
from .mnist_invariance_train import beside, Trainer, training_folder


nets = "LeNet", "mu-LeNet", "PAIR-LeNet", "class-wise LeNet"
gentle = network.CaffeSolver(warmup=1000)
"""For mu-LeNet: at the full rate the first steps of a loss over 500 features silence them
all; at a tenth of it throughout, 11,000 minibatches are far too few (MAV .87)."""

unseen = (7, 8, 9), (4, 5, 6), (1, 2, 3)
"""Digits held out of open-set training, by seed in turn."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    data: pathlib.Path | None = None
    """MNIST: a file or folder for jfm.data.load_mnist; by default $JFACEMAP_DATA."""
    work: pathlib.Path | None = None
    """Folder to keep trainings in; another run goes on from them. By default none."""
    seeds: int = 3
    iterations: int = 10_000
    """Minibatches at least; then on until the validation loss is flat, or to the most."""
    most: int = 30_000
    """Minibatches at most, of LeNet, mu-LeNet and PAIR-LeNet."""
    class_most: int = 10_000
    """The same of class-wise LeNet."""
    open_iterations: int = 4_000
    """Of the open-set trainings."""
    pair_weights: tuple[float, float, float, float] = (3e-6, 3e-6, 3e-5, 3e-5)
    """Of the Euclidean losses at conv1, conv2, ip1 and ip2, for pairs and for classes; the
    chapter gives none."""
    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/mnist_invariance-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: few digits, few iterations, one seed; its numbers mean little."""


def prepare(config: Config) -> Config:
    if not config.quick:
        least = lambda most: max(config.iterations, most)
        return dataclasses.replace(
            config,
            most=least(config.most),
            class_most=least(config.class_most),
        )
    few = dict.fromkeys(("iterations", "most", "class_most", "open_iterations"), 20)
    return dataclasses.replace(config, seeds=1, **few)


def open_set(trainer: Trainer, config: Config, data: Data) -> dict[str, np.ndarray]:
    """Error `(seeds,)` on digits held out of training, by MAVs of their training images.

    Each seed holds out three digits; a mu-LeNet has the class means of the others alone.
    """
    label = np.asarray(data.train.label)
    held = [unseen[s % len(unseen)] for s in range(config.seeds)]
    known = lambda rows, out: rows[~np.isin(label[rows], out)]
    allowed, checked = (
        [known(rows, out) for out in held] for rows in (data.fit, data.validation)
    )
    # As many for each seed, some of them twice: as many as all have, for one program.
    filled = lambda parts, n: np.stack([np.resize(rows, n) for rows in parts])
    begin = ft.partial(
        trainer.begin,
        rows=filled(allowed, len(data.fit)),
        validation=filled(checked, len(data.validation)),
        iterations=config.open_iterations,
        most=config.open_iterations,
    )
    errors = {}
    plain = begin("open-LeNet", network.Softmax())()
    stats = [
        summarise_digits(
            by_class(one(plain.mean, s), data.train, allowed[s]), network.angles
        )
        for s in range(config.seeds)
    ]
    targets = jnp.asarray(np.stack([np.nan_to_num(s.targets) for s in stats]))
    mu = begin("open-mu-LeNet", network.Means(targets), solver=gentle)()
    pair = begin("open-PAIR-LeNet", network.Pairs(layer_weights(config)))()
    for name, state in (("LeNet", plain), ("mu-LeNet", mu), ("PAIR-LeNet", pair)):
        errors[name] = np.array(
            [open_error(one(state.mean, s), data, held[s]) for s in range(config.seeds)]
        )
    return errors


def layer_weights(config: Config) -> jax.Array:
    """Weights of pairs and of classes, the same for each seed."""
    return jnp.tile(jnp.float32(config.pair_weights), (config.seeds, 1))


def open_error(weights, data: Data, digits) -> float:
    """Error among some digits, by MAVs of their training images."""
    classes = {c: i for i, c in enumerate(digits)}
    rows = by_class(weights, data.train, data.fit, digits)
    gallery = np.stack([x.mean(axis=0) for x, _ in rows])
    label = np.asarray(data.test.label)
    angle, image = grid_of(data.test, np.flatnonzero(np.isin(label, digits)))
    x = network.extract(weights, data.test, angle, image)["ip1"][0]
    truth = np.array([classes[c] for c in label[image]])
    return float(np.mean(np.asarray(jfm.classify_by_mav(x, gallery).label) != truth))


def describe(config: Config, data: Data) -> dict[str, str]:
    return {
        "source": f"MNIST from {data.source.rpartition('/')[2]}, {data.train.label.size:,} "
        f"and {data.test.label.size:,} digits, each at {len(network.angles)} angles, "
        "bilinear",
        "sha256 of the training images": data.digest,
        "training": f"{config.seeds} seeds; {len(data.fit):,} digits to train on, "
        f"{len(data.validation):,} for validation; all accuracies on the test digits",
    }


def run(config: Config) -> Results:
    config = prepare(config)
    try:
        data = load_digits(config.data, quick=config.quick)
    except jfm.data.InputError as error:
        lacking(str(error), config.quick)
    about = describe(config, data)
    console.print(f"[bold]Data.[/bold] {about['source']}\n{about['training']}\n")
    stop = threading.Event()
    with (
        training_folder(config.work) as work,
        Progress(console=console, transient=True) as bar,
        beside(stop) as submit,
    ):
        chunk = 20 if config.quick else 250
        trainer = Trainer(data, work, config.seeds, config.seed, chunk, bar, stop)
        begin = ft.partial(trainer.begin, iterations=config.iterations)
        found = {name: [] for name in nets}
        pictures, steps = {}, {}

        def study(name, state):
            steps[name] = state.step
            for s in range(config.seeds):
                task = bar.add_task(f"{name}: features of seed {s}", total=None)
                each, picture = examine(
                    one(state.mean, s),
                    None if name == nets[1] else one(state.weights, s),
                    data,
                    seed=config.seed,
                    quick=config.quick,
                    why=name == nets[0],
                )
                bar.remove_task(task)
                found[name].append(each)
                pictures.setdefault(name, picture)

        lenet, mu, pair, classwise = nets
        weights = layer_weights(config)
        plain = begin(lenet, network.Softmax(), most=config.most)
        of_pairs = submit(begin(pair, network.Pairs(weights), most=config.most))
        classes = network.Classes(weights)
        of_classes = submit(begin(classwise, classes, most=config.class_most))
        study(lenet, plain())
        targets = np.stack([each.statistics.targets for each in found[lenet]])
        means = network.Means(jnp.asarray(targets))
        study(mu, begin(mu, means, most=config.most, solver=gentle)())
        opened = open_set(trainer, config, data)
        study(pair, of_pairs.result())
        study(classwise, of_classes.result())
    report(found, opened, steps)
    return Results(
        arrays=gather_arrays(found, opened, pictures, steps),
        rows=gather_rows(found, opened),
        figures=draw(found, opened, pictures),
        data=about,
        config=config,
    )


if __name__ == "__main__":
    launch("mnist_invariance", Config, run, __doc__)
