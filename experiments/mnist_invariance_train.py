"""The trainings of `mnist_invariance`: kept in a folder, two at a time."""

import contextlib
import dataclasses
import functools as ft
import pathlib
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent import futures

import jax.random as jr
import numpy as np
from rich.progress import Progress

from jfacemap import network

from .harness import console
from .mnist_invariance_data import Data


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Trains, or takes up trainings where the folder has them."""

    data: Data
    work: pathlib.Path
    seeds: int
    seed: int
    chunk: int
    """Minibatches between two looks at the validation loss, and two savings."""
    bar: Progress
    stop: threading.Event
    """Once set, a training ends at its next chunk."""

    def __call__(
        self,
        name: str,
        objective: network.AbstractObjective,
        rows: np.ndarray | None = None,
        validation: np.ndarray | None = None,
        *,
        iterations: int,
        most: int,
        solver: network.CaffeSolver | None = None,
    ) -> network.TrainState:
        """Networks of that name, one a seed.

        `rows`, `validation (seeds, _)`: digits to train and to validate on, by default all
        that are for it.
        """
        everyone = lambda x: np.tile(x, (self.seeds, 1))
        rows = everyone(self.data.fit) if rows is None else rows
        validation = everyone(self.data.validation) if validation is None else validation
        path = self.work / f"{name}.npz"
        about = (
            f"{name}, seeds {self.seeds} from {self.seed}, {rows.shape[1]} images, "
            f"{constants_of(objective)}{solver or network.CaffeSolver()}, "
            f"MNIST {self.data.digest[:8]}"
        )
        key = jr.fold_in(jr.key(self.seed), zlib.crc32(name.encode()))
        state = network.load_training(path, about)
        task = self.bar.add_task(name, total=None)

        def progress(done: int, total: int) -> None:
            self.bar.update(task, completed=done, total=total)
            if self.stop.is_set():
                raise InterruptedError(f"{name} was stopped after {done:,} minibatches.")

        state = network.train(
            jr.split(key, self.seeds),
            objective,
            self.data.train,
            rows,
            validation,
            iterations=iterations,
            most=most,
            chunk=self.chunk,
            patience=16,
            solver=solver,
            state=state,
            save=ft.partial(network.save_training, path, about=about),
            progress=progress,
        )
        self.bar.remove_task(task)
        console.print(
            f"{name}: {state.step:,} minibatches, loss {state.loss[:, -1].mean():.4f}, "
            f"validation {state.validation[:, -1].mean():.4f}"
        )
        return state


def constants_of(objective: network.AbstractObjective) -> str:
    """Tells apart trainings with other weights, or on the means of another LeNet."""
    match objective:
        case network.Means():
            crc = zlib.crc32(np.asarray(objective.targets).tobytes())
            return f"targets {crc:08x}, "
        case network.Pairs() | network.Classes():
            return f"weights {np.asarray(objective.layer_weights)[0].tolist()}, "
    return ""


@contextlib.contextmanager
def beside(stop: threading.Event) -> Iterator[Callable[..., futures.Future]]:
    """A thread for what need not wait for others: two trainings fill more cores than one.

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
def training_folder(given: pathlib.Path | None) -> Iterator[pathlib.Path]:
    """The folder given, made if need be; otherwise one that vanishes."""
    if given is None:
        with tempfile.TemporaryDirectory() as scratch:
            yield pathlib.Path(scratch)
        return
    given.mkdir(parents=True, exist_ok=True)
    yield given
