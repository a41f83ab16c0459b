"""Moments in `.safetensors` files: to go on later, or to merge what machines gathered."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core.energy import EnergyMoments
from ..core.moments import JointMoments, PairMoments
from .arrays import check_writable, InputError, open_arrays


Moments = PairMoments | JointMoments | EnergyMoments

_kinds: dict[str, type] = {
    t.__name__: t for t in (PairMoments, JointMoments, EnergyMoments)
}
_ours = "jfacemap.moments"


def save_moments(
    path: str | os.PathLike[str],
    moments: Moments | Sequence[Moments],
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write moments bit for bit to a `.safetensors` file, which appears whole or not.

    Or several of the same models, as of the folds of `jfm.stream_fold_moments`.

    `metadata`: what JSON holds, for `read_moments_metadata`. An older file is replaced in
    one step once the new one is on disk: whatever kills the writer leaves one of the two.
    Raises `InputError` if it cannot be written.
    """
    from safetensors.numpy import save_file

    path = check_moments_path(path)
    leaves = [np.asarray(leaf, order="C") for leaf in jax.tree.leaves(moments)]
    arrays = {str(i): leaf for i, leaf in enumerate(leaves)}
    several = not isinstance(moments, Moments)
    first = moments[0] if several else moments
    dims, names = _form(first)
    about = {
        "kind": type(first).__name__,
        "parts": len(moments) if several else None,
        "dims": dims,
        "names": names,
        "dtype": str(leaves[0].dtype),
        "metadata": dict(metadata or {}),
    }
    # One name: a writer that was killed leaves no more than one such file behind.
    temporary = path.with_name(f".{path.name}.partial")
    try:
        save_file(arrays, temporary, {_ours: json.dumps(about)})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def load_moments(path: str | os.PathLike[str]) -> Any:
    """The moments that `save_moments` wrote; `InputError` if the file holds none.

    A tuple of them if it was given several.
    """
    about = _about(path)
    kind, dtype = _kinds[about["kind"]], np.dtype(about["dtype"])
    if kind is PairMoments:
        d, k = about["dims"]
        zero = PairMoments.zero(d, k, dtype)
    else:
        zero = kind.zero(about["dims"], about["names"], dtype)
    if about.get("parts") is not None:
        zero = (zero,) * about["parts"]
    arrays = open_arrays(Path(path))
    leaves, form = jax.tree.flatten(zero)
    with jax.enable_x64(True):  # else a float64 leaf would lose half its bits
        read = [jnp.asarray(arrays[str(i)]()) for i in range(len(leaves))]
    if [(a.shape, a.dtype) for a in read] != [(a.shape, a.dtype) for a in leaves]:
        raise InputError(f"{path} is damaged: its arrays make no {kind.__name__}.")
    return jax.tree.unflatten(form, read)


def read_moments_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata that `save_moments` was given."""
    return _about(path)["metadata"]


def _form(moments: Moments) -> tuple[tuple[int, ...], tuple[str, ...] | None]:
    """Widths, and the names of the models if they have any."""
    if isinstance(moments, PairMoments):
        return (moments.mean_x.shape[-1], moments.mean_y.shape[-1]), None
    joint = moments.joint if isinstance(moments, EnergyMoments) else moments
    return joint.dims, joint.names


def check_moments_path(path: str | os.PathLike[str]) -> Path:
    """`path` if moments can be saved there; else `InputError`, before any are gathered."""
    return check_writable(_check_name(path))


def _check_name(path) -> Path:
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: the name of a moments file ends in .safetensors.")
    return path


def _about(path) -> dict[str, Any]:
    import safetensors

    open_arrays(_check_name(path))  # says what is wrong with a missing or damaged file
    with safetensors.safe_open(path, framework="numpy") as file:
        entries = dict(file.metadata() or {})
    if _ours not in entries:
        raise InputError(f"{path} holds no moments: jfm.data.save_moments writes them.")
    return json.loads(entries[_ours])
