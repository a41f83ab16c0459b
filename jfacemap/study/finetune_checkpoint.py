"""A fine-tuning on disk: what it is of in a first line, then all that training carries."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx

from ..data.arrays import new_file
from .embed_network import digest
from .image_model import ImageModel


def describe(settings, edit, preprocess, fn) -> dict[str, Any]:
    """What a training follows from beside key and images; not how long it is."""
    rest = dataclasses.asdict(settings)
    del rest["epochs"]
    name = getattr(edit.apply, "__qualname__", type(edit.apply).__name__)
    return {
        **rest,
        "edit": [name, float(edit.low), float(edit.high)],
        "preprocess": str(ImageModel(fn, preprocess).preprocess),
        "weights": digest(fn),
        "graph": getattr(fn, "graph_digest", None),
    }


def save(path: str | Path, about: dict, epochs: int, state: Any) -> None:
    """Write a state whose histories have room for so many epochs."""
    head = json.dumps({"about": about, "epochs": epochs})
    with new_file(path) as temporary, temporary.open("wb") as file:
        file.write(head.encode() + b"\n")
        eqx.tree_serialise_leaves(file, state)


def load(path: str | Path, about: dict, like: Callable[[int], Any]) -> Any | None:
    """The state in that file, None if there is none yet; `like` has its shapes.

    Raises `ValueError` if the file is of another training, or damaged.
    """
    path = Path(path)
    if not path.exists():
        return None
    with path.open("rb") as file:
        try:
            head = json.loads(file.readline())
            old, epochs = head["about"], int(head["epochs"])
        except Exception as error:  # no text, no JSON, other JSON
            raise _damaged(path, error) from error
        differ = [name for name in about if old.get(name) != about[name]]
        if differ:
            raise ValueError(
                f"{path} is of another training ({', '.join(differ)}): give another file, "
                "or remove it."
            )
        shapes = like(epochs)
        try:
            return eqx.tree_deserialise_leaves(file, shapes)
        except Exception as error:  # NumPy and Equinox raise many kinds
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ValueError:
    what = str(error).partition("\n")[0]
    return ValueError(
        f"{path} is no checkpoint of finetune, or damaged ({what}): remove it to train "
        "anew."
    )
