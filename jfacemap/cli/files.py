"""The files a command is given: what it may write, and the maps it reads."""

import os
from pathlib import Path

import jax
import tyro

from ..core.maps import AbstractMap
from ..data.arrays import check_writable, InputError, split_spec
from ..data.map_file import load, MapHeader, read_header


Flag = tyro.conf.FlagCreatePairsOff[bool]
"""An option that is off unless named."""


def check_output(path: Path | None, suffix: str, inputs: list[str], force: bool) -> None:
    """Raise `InputError` unless `path` may be written, before any work is done."""
    if path is None:
        return
    if path.suffix != suffix:
        raise InputError(f"{path}: the name of this output ends in {suffix}.")
    check_writable(path)
    if not path.exists():
        return
    if not force:
        raise InputError(f"{path} exists: give --force to replace it, or another name.")
    for spec in inputs:
        source, _ = split_spec(spec)
        if source.exists() and os.path.samefile(source, path):
            raise InputError(f"{path} is an input too: give the output another name.")


def short_name(spec: str) -> str:
    """A spec without its folders."""
    path, key = split_spec(spec)
    return path.name if key is None else f"{path.name}:{key}"


def read_map(path: str) -> tuple[AbstractMap, MapHeader]:
    """A single map and its header."""
    header, m = read_header(path), load(path)
    with jax.enable_x64(True):
        stack = jax.eval_shape(lambda m: m.as_affine().bias, m).shape[:-1]
    if stack:
        raise InputError(
            f"{path} holds a stack of {stack} maps, and the command line applies one: "
            "take it out in Python, as jax.tree.map(lambda a: a[0], jfm.load(...))."
        )
    return m, header


def wants_unit_rows(header: MapHeader, normalize: bool, no_normalize: bool) -> bool:
    """Whether rows are scaled before the map: as told, else as when it was fitted."""
    return normalize or (header.metadata.get("normalize") == "true" and not no_normalize)


def check_width(spec: str, x, path: str, m: AbstractMap) -> None:
    """Raise `InputError` unless the map takes rows as wide as those of `x`."""
    if x.shape[1] != m.in_dim:
        raise InputError(
            f"{path} maps rows of width {m.in_dim} to {m.out_dim}, and {spec} has rows "
            f"of width {x.shape[1]}: give the rows of the model the map starts from."
        )
