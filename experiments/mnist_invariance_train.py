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

    def begin(
        self,
        name: str,
        objective: network.AbstractObjective,
        rows: np.ndarray | None = None,
        validation: np.ndarray | None = None,
        *,
        iterations: int,
        most: int,
        solver: network.CaffeSolver | None = None,
    ) -> Callable[[], network.TrainState]:
        """Networks of that name, one a seed, yet to be trained.

        Their file, if there is one, is read at once, so that a wrong one is told before
        they are trained, and one trained for longer than `most`.
        `rows`, `validation (seeds, _)`: digits to train and to validate on, by default all
        that are for it.
        """
        everyone = lambda x: np.tile(x, (self.seeds, 1))
        rows = everyone(self.data.fit) if rows is None else rows
        validation = everyone(self.data.validation) if validation is None else validation
        path = self.work / f"{name}{targets_of(objective)}.npz"
        about = (
            f"{name}, seeds {self.seeds} from {self.seed}, {rows.shape[1]} images, "
            f"{weights_of(objective)}{solver or network.CaffeSolver()}, "
            f"MNIST {self.data.digest[:8]}"
        )
        key = jr.fold_in(jr.key(self.seed), zlib.crc32(name.encode()))
        try:
            state = network.load_training(path, about)
        except ValueError as error:
            raise SystemExit(str(error)) from None
        if state is not None and state.step > most:
            raise SystemExit(
                f"{path} has been trained for {state.step:,} minibatches, more than the "
                f"{most:,} asked for: raise that number, or name another folder."
            )
        train = ft.partial(
            network.train,
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
        )
        return ft.partial(self._watch, name, most, train)

    def _watch(self, name: str, most: int, train) -> network.TrainState:
        task = self.bar.add_task(name, total=None)

        def progress(done: int, total: int) -> None:
            self.bar.update(task, completed=done, total=total)
            if self.stop.is_set():
                raise InterruptedError(f"{name} was stopped after {done:,} minibatches.")

        state = train(progress=progress)
        self.bar.remove_task(task)
        console.print(
            f"{name}: {state.step:,} minibatches{', flat' * (state.step < most)}; loss "
            f"{state.loss[:, -1].mean():.4f}, of mean weights on validation images "
            f"{state.validation[:, -1].mean():.4f}"
        )
        return state


def targets_of(objective: network.AbstractObjective) -> str:
    """In the name of a file: a mu-LeNet of a LeNet trained on is another one."""
    if not isinstance(objective, network.Means):
        return ""
    return f"-{zlib.crc32(np.asarray(objective.targets).tobytes()):08x}"


def weights_of(objective: network.AbstractObjective) -> str:
    """Tells apart trainings whose layers are weighed otherwise."""
    if not isinstance(objective, network.Pairs | network.Classes):
        return ""
    return f"weights {np.asarray(objective.layer_weights)[0].tolist()}, "


@contextlib.contextmanager
def beside(stop: threading.Event) -> Iterator[Callable[..., futures.Future]]:
    """A thread for what need not wait for others: two trainings fill more cores than one.

    Either thread is told to `stop` where the other one fails or is interrupted, and it is
    the first failure that is raised.
    """
    first = []

    def heed(future: futures.Future) -> None:
        if not future.cancelled() and future.exception() and not stop.is_set():
            first.append(future.exception())
            stop.set()

    def submit(*call) -> futures.Future:
        future = pool.submit(*call)
        future.add_done_callback(heed)
        return future

    with futures.ThreadPoolExecutor(1) as pool:
        try:
            yield submit
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            stop.set()
            if first and error is not first[0]:
                raise first[0] from None
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
