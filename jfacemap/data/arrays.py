"""Arrays in and out of files, with errors that name the file, the fault and the remedy.

A spec names one array: `X.npy`, `X.npz:key` or `X.safetensors:key`, where the key may be
left out if the file holds one array. Nothing is ever unpickled.
"""

import contextlib
import difflib
import os
import re
import uuid
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np


Spec = str | os.PathLike[str]
Arrays = dict[str, Callable[[], np.ndarray]]

scan_rows = 16384
"""Rows looked at in one go; bounds the memory of a scan."""


class InputError(ValueError):
    """A file or an option cannot be used; the message says why and what to do."""


def split_spec(spec: Spec) -> tuple[Path, str | None]:
    """The file and the key that a spec names; a file of exactly that name wins."""
    text = os.fspath(spec)
    parts = re.fullmatch(r"(.+?\.(?:npy|npz|safetensors)):(.*)", text, re.I | re.S)
    if parts is None or os.path.exists(text):
        return Path(text), None
    return Path(parts[1]), parts[2]


def read_array(spec: Spec) -> np.ndarray:
    """The array a spec names, memory-mapped from a `.npy`; bfloat16 comes as float32."""
    path, key = split_spec(spec)
    arrays = open_arrays(path)
    names = ", ".join(arrays)
    if path.suffix.lower() == ".npy":
        if key is not None:
            raise InputError(f"{path} holds one array without a key: drop ':{key}'.")
        key = ""
    if not arrays:
        raise InputError(f"{path} holds no arrays.")
    if key is None:
        if len(arrays) > 1:
            raise InputError(
                f"{path} holds several arrays; add a key, as '{path}:KEY': {names}."
            )
        (key,) = arrays
    if key not in arrays:
        raise InputError(f"{path} holds no array {key!r}; it holds: {names}.")
    array = arrays[key]()
    # A type NumPy itself does not know; float32 holds every bfloat16 exactly.
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def open_arrays(path: Spec) -> Arrays:
    """The arrays of a file by key, each read when called; that of a `.npy` is ''."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist.{near(path)}")
    if not path.is_file():
        raise InputError(f"{path} is not a file.")
    opener = _openers.get(path.suffix.lower())
    if opener is None:
        raise InputError(
            f"{path} is not an array file: give a .npy, .npz or .safetensors file "
            "(numpy.save writes a .npy)."
        )
    with _explained(path), path.open("rb"):  # tells a lack of permission from damage
        arrays = opener(path)
    return {key: _guarded(path, read) for key, read in arrays.items()}


def read_rows(spec: Spec, *, used: np.ndarray | None = None) -> np.ndarray:
    """Embeddings (n, d) in float16, float32 or float64, checked row by row.

    Raises `InputError` for NaN or infinite rows and warns of all-zero rows, both only
    among the rows of the mask `used (n,)`.
    """
    x = read_array(spec)
    if not is_floating(x):
        raise InputError(
            f"{spec} holds {x.dtype}, not float16, float32 or float64: convert it, "
            "as numpy.save('X.npy', x.astype('float32'))."
        )
    if x.ndim != 2:
        raise InputError(
            f"{spec} has shape {x.shape}; embeddings are (n, d): one row per image, all "
            "of one width."
        )
    if 0 in x.shape:
        raise InputError(f"{spec} is empty: its shape is {x.shape}.")
    if used is not None and len(used) != len(x):
        raise InputError(f"{spec} has {len(x):,} rows, for {len(used):,} weights.")
    broken, zero = scan(x)
    if used is not None:
        broken, zero = broken[used[broken]], zero[used[zero]]
    if len(broken):
        raise InputError(
            f"{spec}: {_count(broken, x)} hold NaN or infinity. Drop them here and in "
            "every file that pairs with this one."
        )
    if len(zero):
        warnings.warn(
            f"{spec}: {_count(zero, x)} are all zero; they score 0 with anything.",
            stacklevel=2,
        )
    return x


def read_labels(spec: Spec) -> np.ndarray:
    """Identity labels (n,), integers or strings."""
    labels = read_array(spec)
    if labels.dtype.kind not in "iubUS":
        raise InputError(
            f"{spec} holds {labels.dtype}; labels are integers or strings: convert them, "
            "as numpy.save('L.npy', labels.astype(str))."
        )
    if labels.ndim != 1 or not len(labels):
        raise InputError(f"{spec} has shape {labels.shape}; labels are (n,): one per row.")
    return labels


def is_floating(x: np.ndarray) -> bool:
    """Whether rows of `x` can be computed with: float16, float32 or float64."""
    return x.dtype.kind == "f" and x.dtype.itemsize in (2, 4, 8)


def scan(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows of `x (n, d)` that are not finite, and of those all zero."""
    finite, zero = np.empty(len(x), bool), np.empty(len(x), bool)
    for start in range(0, len(x), scan_rows):
        part = slice(start, start + scan_rows)
        np.all(np.isfinite(x[part]), axis=1, out=finite[part])
        np.all(x[part] == 0, axis=1, out=zero[part])
    return np.flatnonzero(~finite), np.flatnonzero(zero)


def check_writable(path: Spec) -> Path:
    """`path` if a file can be put there; else an error, before any work is done."""
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} does not exist: mkdir -p {path.parent}")
    if path.exists() and not path.is_file():  # a rename would replace even /dev/null
        raise InputError(f"{path} is not a regular file: give the name of a file.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            f"The folder {path.parent} cannot be written to: name a file in another, or "
            f"chmod u+w {path.parent}"
        )
    return path


@contextlib.contextmanager
def new_file(path: Spec) -> Iterator[Path]:
    """A temporary name beside `path`: renamed to it at the end, removed on failure."""
    path = check_writable(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _open_npy(path: Path) -> Arrays:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic != b"\x93NUMPY":
        raise InputError(f"{path} is not a .npy file inside: numpy.save writes one.")
    return {"": lambda: np.lib.format.open_memmap(path, mode="r")}


def _open_npz(path: Path) -> Arrays:
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is truncated, or no .npz file: numpy.savez writes one.")
    members = np.load(path, allow_pickle=False)
    stored = [n.removesuffix(".npy") for n in members.zip.namelist() if n.endswith(".npy")]
    return {key: lambda key=key: members[key] for key in stored}


def _open_safetensors(path: Path) -> Arrays:
    import safetensors

    members = safetensors.safe_open(path, framework="numpy")
    return {key: lambda key=key: members.get_tensor(key) for key in members.keys()}


_openers = {".npy": _open_npy, ".npz": _open_npz, ".safetensors": _open_safetensors}


def _guarded(path: Path, read: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    def guarded():
        with _explained(path):
            return read()

    return guarded


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Whatever the readers of three formats raise, as an `InputError`."""
    from safetensors import SafetensorError

    faults = OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, SafetensorError
    try:
        yield
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path} may not be read: permission denied.") from error
    except faults as error:
        if re.search("Object arrays|Python objects", str(error)):
            raise InputError(
                f"{path} holds pickled Python objects, which are not read because they "
                "can run code: save plain numbers or strings, as array.astype(str)."
            ) from error
        raise InputError(
            f"{path} is truncated or damaged ({error}): write or copy it again."
        ) from error


def near(path: Path) -> str:
    """A sentence of names in its folder that a missing `path` might have meant."""
    if not path.parent.is_dir():
        return f" Nor does the folder {path.parent}."
    stems: dict[str, list[str]] = {}
    for entry in sorted(path.parent.iterdir()):
        stems.setdefault(entry.stem.lower(), []).append(entry.name)
    close = difflib.get_close_matches(path.stem.lower(), stems, n=2)
    names = [name for stem in close for name in stems[stem]][:3]
    return f" Did you mean {' or '.join(names)}?" if names else ""


def _count(rows: np.ndarray, x: np.ndarray) -> str:
    first = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    return f"{len(rows):,} of {len(x):,} rows (counted from 0: {first})"
