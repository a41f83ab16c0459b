"""The energies of every attribute of a lattice, one identity after the other."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int, Key

from ..attribute.energy import field_energy
from ..attribute.fields import field_alignment, gravity
from ..attribute.neighbours import KNearest, Neighbours
from ..attribute.nulls import field_null
from ..attribute.tiles import Metric
from ..data.arrays import InputError, new_file, read_array
from ..data.lattice import Lattice


fields = "energy", "pooled", "coverage", "neighbours", "displacement", "skipped", "gravity"
"""What is kept of each identity and attribute, beside null and alignment."""


class LatticeEnergies(eqx.Module):
    """Of I identities and A attributes; `*s` as the neighbourhood has scales. Host arrays.

    `energy`, `pooled`, `coverage`, `neighbours (I, A, *s)`, `displacement`, `skipped` as in
    `FieldEnergy`; `gravity (I, A)`; `null_mean`, `null_deviation (I, A, *s)` of random
    fields, NaN if none were drawn, and `p (I, A, *s)` how often they were as coherent;
    `alignment (I, A, A)` between attributes on shared base points.
    """

    identities: tuple[str, ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    energy: Float[np.ndarray, "..."]
    pooled: Float[np.ndarray, "..."]
    coverage: Float[np.ndarray, "..."]
    neighbours: Float[np.ndarray, "..."]
    displacement: Float[np.ndarray, "I A"]
    skipped: Int[np.ndarray, "I A"]
    gravity: Float[np.ndarray, "I A"]
    null_mean: Float[np.ndarray, "..."]
    null_deviation: Float[np.ndarray, "..."]
    p: Float[np.ndarray, "..."]
    alignment: Float[np.ndarray, "I A A"]

    @property
    def z(self) -> Float[np.ndarray, "..."]:
        """Standard deviations above the mean of the random fields; it only describes."""
        spread = np.where(self.null_deviation > 0, self.null_deviation, np.nan)
        return (self.energy - self.null_mean) / spread


def lattice_energies(
    key: Key[jax.Array, ""],
    lattice: Lattice,
    files: Mapping[str, str | Path],
    *,
    neighbours: Neighbours = KNearest(10),  # noqa: B008  frozen
    metric: Metric = "cosine",
    nulls: int = 0,
    keep: str | Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LatticeEnergies:
    """Energies of all attributes in the embeddings of each identity.

    **Arguments:**

    - `lattice`: the curves, as of `jfm.data.read_lattice`, alike for all identities.
    - `files`: by identity, its `.npy` (or another spec of `read_array`) of rows (N, d).
      One is in memory, and the next is read meanwhile.
    - `neighbours`, `metric`: as in `field_energy`; `nulls`: random fields of each.
    - `keep`: a folder for what is found of each identity; called again with it, those are
      not computed again. Raises `InputError` if they were computed in another way.
    - `progress`: called with the number of identities done, and of all.
    """
    how = json.dumps({"neighbours": str(neighbours), "metric": metric, "nulls": nulls,
                      "names": lattice.names, "size": lattice.size,
                      "key": np.asarray(jax.random.key_data(key)).tolist()})  # fmt: skip
    if keep is not None:
        Path(keep).mkdir(parents=True, exist_ok=True)
    found, todo = {}, []
    for name in files:
        old = _read(keep, name, how)
        found[name] = old
        if old is None:
            todo.append(name)
    done = len(files) - len(todo)
    for name, rows in _ahead({name: files[name] for name in todo}):
        found[name] = _one(key, lattice, rows, neighbours, metric, nulls)
        _write(keep, name, how, found[name])
        done += 1
        progress(done, len(files))
    stack = lambda field: np.stack([each[field] for each in found.values()])
    return LatticeEnergies(
        identities=tuple(files),
        names=lattice.names,
        **{f: stack(f) for f in (*fields, "null_mean", "null_deviation", "p", "alignment")},
    )


def _ahead(files: Mapping[str, str | Path]) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of files, the next one read while one is in use."""
    names = list(files)
    with ThreadPoolExecutor(1) as pool:
        load = lambda name: pool.submit(_load, str(files[name]))
        waiting = load(names[0]) if names else None
        for i, name in enumerate(names):
            assert waiting is not None
            rows = waiting.result()
            waiting = load(names[i + 1]) if i + 1 < len(names) else None
            yield name, rows


def _load(spec: str) -> np.ndarray:
    rows = np.array(read_array(spec))  # read now, not when first used
    if rows.ndim != 2 or rows.dtype.kind != "f":
        raise InputError(f"{spec} holds {rows.dtype}{list(rows.shape)}, not rows (N, d).")
    return rows if rows.dtype == np.float64 else rows.astype(np.float32, copy=False)


def _one(key, lattice: Lattice, rows, neighbours, metric, nulls) -> dict[str, np.ndarray]:
    """All that is kept of one identity."""
    joined = _joined(lattice, rows)
    if joined is not None:
        parts = [_fields(key, joined.points, joined.vectors, neighbours, metric, nulls)]
        alignment = field_alignment(joined.vectors, joined.present).energy
    else:
        parts = []
        for name in lattice.names:
            points, vectors = lattice.field(name, rows)
            parts.append(_fields(key, points, vectors[None], neighbours, metric, nulls))
        alignment = np.full((len(lattice.names),) * 2, np.nan)
    whole = {f: np.concatenate([part[f] for part in parts]) for f in parts[0]}
    if joined is not None:
        # Absent is not skipped: an attribute without a curve there has nothing to skip.
        whole["skipped"] = whole["skipped"] - (~joined.present).sum(axis=1)
    return whole | {"alignment": np.asarray(alignment, np.float64)}


def _joined(lattice: Lattice, rows):
    """All fields on one list of points, if most attributes have most of them."""
    bases = [curve[:, 1] for curve in lattice.curves]
    union = np.unique(np.concatenate(bases))
    if any(len(np.unique(b)) < len(b) for b in bases):
        return None
    if sum(map(len, bases)) < 0.5 * len(union) * len(bases):
        return None
    return lattice.joined(rows)


def _fields(key, points, vectors, neighbours, metric, nulls) -> dict[str, np.ndarray]:
    options = {"neighbours": neighbours, "metric": metric}
    if nulls:
        null = field_null(key, points, vectors, repeats=nulls, **options)
        found = null.found
        random = np.asarray(null.null, np.float64)
        mean, deviation = random.mean(axis=0), random.std(axis=0, ddof=1)
        p = np.asarray(null.p_value)
    else:
        found = field_energy(points, vectors, **options)
        mean = deviation = p = np.full(found.energy.shape, np.nan)
    pull = np.asarray(gravity(points, vectors).mean)
    kept = {f: np.asarray(getattr(found, f)) for f in fields if f != "gravity"}
    return kept | {"gravity": pull, "null_mean": mean, "null_deviation": deviation, "p": p}


def _path(keep, name: str) -> Path:
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    return Path(keep) / f"{safe}.npz"


def _read(keep, name: str, how: str) -> dict[str, np.ndarray] | None:
    if keep is None or not _path(keep, name).exists():
        return None
    with np.load(_path(keep, name)) as file:
        if str(file["how"]) != how:
            raise InputError(
                f"{_path(keep, name)} was computed in another way: give another folder, or "
                "remove it."
            )
        return {f: file[f] for f in file.files if f != "how"}


def _write(keep, name: str, how: str, found) -> None:
    if keep is not None:
        with new_file(_path(keep, name)) as temporary, temporary.open("wb") as file:
            np.savez(file, how=np.array(how), **found)
