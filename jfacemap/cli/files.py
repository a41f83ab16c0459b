"""The files a command is given: that they are there, and what it may write."""

import os
from pathlib import Path

import tyro

from ..data.arrays import check_writable, InputError, near, split_spec


Flag = tyro.conf.FlagCreatePairsOff[bool]
"""An option that is off unless named."""

array_ends = ".npy", ".npz", ".safetensors"


def check_output(
    path: Path | None, suffix: str | tuple[str, ...], inputs: list[str], force: bool
) -> None:
    """Raise `InputError` unless `path` may be written, before any work is done."""
    if path is None:
        return
    ends = (suffix,) if isinstance(suffix, str) else suffix
    if path.suffix not in ends:
        wanted = " or ".join(ends)
        raise InputError(f"{path}: the name of this output ends in {wanted}.")
    check_writable(path)
    if not path.exists():
        return
    if not force:
        raise InputError(f"{path} exists: give --force to replace it, or another name.")
    for spec in inputs:
        source, _ = split_spec(spec)
        if source.exists() and os.path.samefile(source, path):
            raise InputError(f"{path} is an input too: give the output another name.")


def check_file(path: Path, ends: tuple[str, ...] = array_ends) -> None:
    """Raise `InputError` unless `path` is a file; `ends` are those that would do."""
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() in ends)
        held = f"one of its files ({_some(inside)})" if inside else "a file"
        raise InputError(f"{path} is a folder: give {held}.")
    if not path.exists():
        raise InputError(f"{path} does not exist.{near(path)}")
    if not path.is_file():
        raise InputError(f"{path} is not a regular file: give the name of a file.")


def check_folder(path: Path) -> None:
    """Raise `InputError` unless `path` is a folder."""
    if not path.exists():
        raise InputError(f"{path} does not exist.{near(path)}")
    if not path.is_dir():
        raise InputError(f"{path} is a file: give the folder it is in, {path.parent}.")


def short_name(spec: str) -> str:
    """A spec without its folders."""
    path, key = split_spec(spec)
    return path.name if key is None else f"{path.name}:{key}"


def at(rows) -> str:
    """The first few of many rows, as a remark."""
    return f"counted from 0: {_some(list(map(str, rows)), 5)}"


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
