"""Rotated MNIST: how invariant is what LeNet learns (paper 001, section 4)?

LeNet, mu-LeNet (trained on class means of LeNet's features) and PAIR-LeNet (trained on
pairs of rotations), over several seeds at once; their accuracy by softmax and by mean
activation vectors, the angle read off their features, scree plots, heat maps and block
diagonals. Beyond the chapter: class-wise instead of pair-wise distances, invariance layer
by layer, and mu-LeNet on digits it was never trained on.
"""

import contextlib
import dataclasses
import functools as ft
import pathlib
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Annotated

import jax
import jax.numpy as jnp
import jax.random as jr
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
    """Minibatches; then on until the validation loss is flat."""
    most: int = 20_000
    """Minibatches at most, of LeNet and mu-LeNet."""
    pair_most: int = 30_000
    """The same of PAIR-LeNet, whose minibatches take two images for each."""
    class_most: int = 10_000
    """The same of class-wise LeNet, which takes two as well."""
    open_iterations: int = 4_000
    """Of the open-set trainings."""
    pair_weights: tuple[float, float, float, float] = (3e-6, 3e-6, 3e-5, 3e-5)
    """Of the Euclidean losses at conv1, conv2, ip1 and ip2, for pairs and for classes; the
    chapter gives none. These cost no accuracy on validation images; ten times heavier ones
    bring MAV more and cost some."""
    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/mnist_invariance-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: few digits, few iterations, one seed; its numbers mean little."""


def prepare(config: Config) -> Config:
    if not config.quick:
        return config
    few = dict.fromkeys(
        ("iterations", "most", "pair_most", "class_most", "open_iterations"), 20
    )
    return dataclasses.replace(config, seeds=1, **few)


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Trains, or takes up trainings where the folder has them."""

    config: Config
    data: Data
    work: pathlib.Path
    bar: Progress
    stop: threading.Event
    """Once set, a training ends at its next chunk."""

    def __call__(
        self,
        name: str,
        objective,
        rows=None,
        validation=None,
        iterations=None,
        *,
        most: int,
        solver=None,
    ) -> network.TrainState:
        """Networks of that name, one a seed."""
        config, data = self.config, self.data
        seeds = config.seeds
        everyone = lambda x: np.tile(x, (seeds, 1))
        rows = everyone(data.fit) if rows is None else rows
        validation = everyone(data.validation) if validation is None else validation
        iterations = iterations or config.iterations
        doubled = isinstance(objective, network.Pairs | network.Classes)
        path = self.work / f"{name}.npz"
        about = (
            f"{name}, seeds {seeds} from {config.seed}, {rows.shape[1]} images, "
            f"{f'weights {config.pair_weights}, ' * doubled}{of_targets(objective)}"
            f"{solver or network.CaffeSolver()}, MNIST {data.digest[:8]}"
        )
        keys = jr.split(jr.fold_in(jr.key(config.seed), zlib.crc32(name.encode())), seeds)
        state = network.load_training(path, about)
        save = ft.partial(network.save_training, path, about=about)
        task = self.bar.add_task(name, total=None)

        def progress(done: int, total: int) -> None:
            self.bar.update(task, completed=done, total=total)
            if self.stop.is_set():
                raise InterruptedError(f"{name} was stopped after {done:,} minibatches.")

        state = network.train(
            keys,
            objective,
            data.train,
            rows,
            validation,
            iterations=iterations,
            most=most,
            chunk=20 if config.quick else 250,
            patience=16,
            solver=solver,
            state=state,
            save=save,
            progress=progress,
        )
        self.bar.remove_task(task)
        console.print(
            f"{name}: {state.step:,} minibatches, loss {state.loss[:, -1].mean():.4f}, "
            f"validation {state.validation[:, -1].mean():.4f}"
        )
        return state


def of_targets(objective) -> str:
    """Tells apart trainings on other class means, as of a LeNet that was trained on."""
    if not isinstance(objective, network.Means):
        return ""
    return f"targets {zlib.crc32(np.asarray(objective.targets).tobytes()):08x}, "


def open_set(trainer: Trainer, config: Config, data: Data) -> dict[str, np.ndarray]:
    """Error `(seeds,)` on digits held out of training, by MAVs of their training images.

    Each seed holds out three digits; a mu-LeNet has the class means of the others alone.
    """
    label = np.asarray(data.train.label)
    held = [unseen[s % len(unseen)] for s in range(config.seeds)]
    known = lambda rows, out: rows[~np.isin(label[rows], out)]
    allowed = [known(data.fit, out) for out in held]
    # As many for each seed, some of them twice: as many as all have, for one program.
    rows, validation = (
        np.stack([np.resize(known(of, out), len(of)) for out in held])
        for of in (data.fit, data.validation)
    )
    steps = {"iterations": config.open_iterations, "most": config.open_iterations}
    digits = {"rows": rows, "validation": validation}
    errors = {}
    plain = trainer("open-LeNet", network.Softmax(), **digits, **steps)
    stats = [
        summarise_digits(
            by_class(one(plain.mean, s), data.train, allowed[s]), network.angles
        )
        for s in range(config.seeds)
    ]
    targets = jnp.asarray(np.stack([np.nan_to_num(s.targets) for s in stats]))
    mu = trainer("open-mu-LeNet", network.Means(targets), **digits, solver=gentle, **steps)
    pair = trainer("open-PAIR-LeNet", pairs(config), **digits, **steps)
    for name, state in (("LeNet", plain), ("mu-LeNet", mu), ("PAIR-LeNet", pair)):
        errors[name] = np.array(
            [open_error(one(state.mean, s), data, held[s]) for s in range(config.seeds)]
        )
    return errors


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


def pairs(config: Config) -> network.Pairs:
    return network.Pairs(layer_weights(config))


def layer_weights(config: Config) -> jax.Array:
    return jnp.tile(jnp.float32(config.pair_weights), (config.seeds, 1))


@contextlib.contextmanager
def beside(stop: threading.Event) -> Iterator[Callable[..., futures.Future]]:
    """A thread for what need not wait for others: together two trainings use more cores.

    It is told to stop where the first thread fails or is interrupted.
    """
    with futures.ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


@contextlib.contextmanager
def training_folder(config: Config):
    """The folder named by the flags, made if need be; otherwise one that vanishes."""
    if config.work is None:
        with tempfile.TemporaryDirectory() as scratch:
            yield pathlib.Path(scratch)
        return
    config.work.mkdir(parents=True, exist_ok=True)
    yield config.work


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
        training_folder(config) as work,
        Progress(console=console, transient=True) as bar,
        beside(stop) as submit,
    ):
        trainer = Trainer(config, data, work, bar, stop)
        found = {name: [] for name in nets}
        pictures, steps = {}, {}

        def study(name, state):
            steps[name] = state.step
            # All of LeNet's, whose features are mu-LeNet's targets; in a smoke run no more.
            some = 1 if config.quick and name != nets[0] else config.seeds
            for s in range(some):
                task = bar.add_task(f"{name}: features of seed {s}", total=None)
                each, picture = examine(
                    one(state.mean, s),
                    one(state.weights, s),
                    data,
                    seed=config.seed,
                    quick=config.quick,
                    why=name == nets[0] and not (config.quick and s),
                )
                bar.remove_task(task)
                found[name].append(each)
                pictures.setdefault(name, picture)

        lenet, mu, pair, classwise = nets
        classes = network.Classes(layer_weights(config))
        of_pairs = submit(trainer, pair, pairs(config), most=config.pair_most)
        of_classes = submit(trainer, classwise, classes, most=config.class_most)
        study(lenet, trainer(lenet, network.Softmax(), most=config.most))
        targets = np.stack([each.statistics.targets for each in found[lenet]])
        means = network.Means(jnp.asarray(targets))
        study(mu, trainer(mu, means, most=config.most, solver=gentle))
        opened = open_set(trainer, config, data)
        study(pair, of_pairs.result())
        study(classwise, of_classes.result())
    report(found, opened, steps)
    return Results(
        arrays=gather_arrays(found, opened, pictures),
        rows=gather_rows(found, opened),
        figures=draw(found, opened, pictures),
        data=about,
        config=config,
    )


if __name__ == "__main__":
    launch("mnist_invariance", Config, run, __doc__)
