"""Energies of one identity, kept in a file beside what makes them what they are."""

import dataclasses
import hashlib
import json
from pathlib import Path

import jax
import numpy as np

from ..attribute.neighbours import Neighbours
from ..data.arrays import InputError, new_file, read_array
from ..data.lattice import Lattice
from .embed_network import digest
from .kept import file_name


def describe(key, lattice: Lattice, neighbours, metric, nulls: int, kind) -> dict:
    """All that energies follow from, but for the rows."""
    return {
        "neighbours": [type(neighbours).__name__, _values(neighbours)],
        "metric": metric,
        "nulls": [nulls, kind] if nulls else 0,
        "attributes": list(lattice.names),
        "curves": digest(lattice.curves),
        "key": np.asarray(jax.random.key_data(key)).tolist(),
    }


def _values(neighbours: Neighbours) -> dict:
    """Numbers of a neighbourhood, those in arrays too, as text does not show them."""
    names = [field.name for field in dataclasses.fields(neighbours)]
    return {name: np.asarray(getattr(neighbours, name)).tolist() for name in names}


def widened(rows: np.ndarray) -> np.ndarray:
    """Rows as energies take them: float64 as they are, others as float32."""
    return rows if rows.dtype == np.float64 else rows.astype(np.float32, copy=False)


def _path(keep, name: str) -> Path:
    # "a b" and "a_b" are two.
    own = hashlib.sha256(name.encode()).hexdigest()[:8]
    return Path(keep) / f"{file_name(name)}_{own}.npz"


def read_kept(keep, name: str, how: dict, spec) -> dict[str, np.ndarray] | None:
    """What was found of an identity, None if nothing; its rows are read to tell them."""
    if keep is None or not _path(keep, name).exists():
        return None
    with np.load(_path(keep, name)) as file:
        found = {f: file[f] for f in file.files}
    old = json.loads(str(found.pop("how")))
    how = how | {"rows": digest(widened(read_array(str(spec))))}
    differ = [each for each in how if old.get(each) != how[each]]
    if differ:
        raise InputError(
            f"{_path(keep, name)} was computed in another way ({', '.join(differ)}): give "
            "another folder, or remove it."
        )
    return found


def write_kept(keep, name: str, how: dict, rows, found) -> None:
    """Keep what was found of an identity with such rows."""
    if keep is not None:
        text = np.array(json.dumps(how | {"rows": digest(rows)}))
        with new_file(_path(keep, name)) as temporary, temporary.open("wb") as file:
            np.savez(file, how=text, **found)
