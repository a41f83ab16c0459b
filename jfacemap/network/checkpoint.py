"""Trainings on disk: written whole or not at all, gone on with to the same numbers."""

import os
import pathlib

import equinox as eqx
import jax
import jax.random as jr
import numpy as np

from .solver import CaffeSolver
from .train import start_training, TrainState


def save_training(path: str | os.PathLike[str], state: TrainState, about: str = "") -> None:
    """Write a training to a `.npz`; `about` says which one it is."""
    path = pathlib.Path(path)
    leaves = jax.tree_util.tree_leaves_with_path(
        (state.weights, state.velocity, state.mean)
    )
    arrays = {jax.tree_util.keystr(at): np.asarray(x) for at, x in leaves}
    rest = {"step": state.step, "loss": state.loss, "validation": state.validation}
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        np.savez(file, **arrays, **rest, about=np.array(about))  # type: ignore
    os.replace(temporary, path)


def load_training(path: str | os.PathLike[str], about: str = "") -> TrainState | None:
    """The training in that file, None if there is none yet.

    Raises `ValueError` if the file is of another training than `about`, or damaged.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        of = str(arrays.pop("about"))
        step, loss, validation = (
            arrays.pop(name) for name in ("step", "loss", "validation")
        )
    except Exception as error:  # NumPy raises five kinds
        raise ValueError(
            f"{path} is no training, or damaged ({error}): remove it to train anew."
        ) from error
    if of != about:
        raise ValueError(
            f"{path} is of another training ({of}; wanted {about}): remove it, or name "
            "another folder."
        )
    keys = jr.split(jr.key(0), len(loss))
    shapes = eqx.filter_eval_shape(start_training, keys, CaffeSolver())
    tree = shapes.weights, shapes.velocity, shapes.mean
    paths, structure = jax.tree_util.tree_flatten_with_path(tree)
    names = [jax.tree_util.keystr(at) for at, _ in paths]
    if set(names) != set(arrays):
        raise ValueError(f"{path} holds other weights than a LeNet's: remove it.")
    leaves = [jax.numpy.asarray(arrays[name]) for name in names]
    weights, velocity, mean = jax.tree_util.tree_unflatten(structure, leaves)
    return TrainState(weights, velocity, mean, int(step), loss, validation)
