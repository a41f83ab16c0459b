"""The energies of every attribute of a lattice, one identity after the other."""

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
from ..attribute.nulls import field_null, Kind
from ..attribute.tiles import Metric
from ..data.arrays import InputError, read_array
from ..data.lattice import JoinedFields, Lattice
from .lattice_kept import describe, read_kept, widened, write_kept


fields = "energy", "pooled", "coverage", "neighbours", "displacement", "skipped", "gravity"
"""What is kept of each identity and attribute, beside null and alignment."""


class LatticeEnergies(eqx.Module):
    """Of I identities and A attributes; `*s` as the neighbourhood has scales. Host arrays.

    `energy`, `pooled`, `coverage`, `neighbours (I, A, *s)`, `displacement`, `skipped` as in
    `FieldEnergy`; `gravity (I, A)`; `null_mean`, `null_deviation (I, A, *s)` of random
    fields, NaN if none were drawn, and `p (I, A, *s)` how often they were as coherent;
    `alignment (I, A, A)` between attributes on shared base points. Each attribute's mean
    distance of points and barycentre are of its own base points alone.
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
    kind: Kind = "permutation",
    keep: str | Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LatticeEnergies:
    """Energies of all attributes in the embeddings of each identity.

    **Arguments:**

    - `lattice`: the curves, as of `jfm.data.read_lattice`, alike for all identities.
    - `files`: by identity, its `.npy` (or another spec of `read_array`) of rows (N, d).
      One is in memory, and the next is read meanwhile.
    - `neighbours`, `metric`: as in `field_energy`; `nulls`: random fields of each, of the
      `kind` as in `field_null`.
    - `keep`: a folder for what is found of each identity; called again with it, those are
      not computed again. Raises `InputError` if they were computed in another way, of
      other curves or of other rows.
    - `progress`: called with the number of identities done, and of all.

    Raises `ValueError` without an identity.
    """
    if not files:
        raise ValueError("lattice_energies takes the file of one identity or more.")
    how = describe(key, lattice, neighbours, metric, nulls, kind)
    if keep is not None:
        Path(keep).mkdir(parents=True, exist_ok=True)
    old = {name: read_kept(keep, name, how, spec) for name, spec in files.items()}
    found = {name: each for name, each in old.items() if each is not None}
    todo = {name: spec for name, spec in files.items() if name not in found}
    done = len(files) - len(todo)
    for name, rows in _ahead(todo):
        found[name] = _one(key, lattice, rows, neighbours, metric, nulls, kind)
        write_kept(keep, name, how, rows, found[name])
        done += 1
        progress(done, len(files))
    stack = lambda field: np.stack([found[name][field] for name in files])
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
    return widened(rows)


def _one(key, lattice, rows, neighbours, metric, nulls, kind) -> dict[str, np.ndarray]:
    """All that is kept of one identity."""
    joined = _joined(lattice, rows)
    parts: list[dict[str, np.ndarray]] = [{} for _ in lattice.names]
    for which, points, vectors in _shared(lattice, rows, joined):
        of_all = _fields(key, points, vectors, neighbours, metric, nulls, kind)
        for i, a in enumerate(which):
            parts[a] = {field: values[i] for field, values in of_all.items()}
    if joined is None:
        alignment = np.full((len(lattice.names),) * 2, np.nan)
    else:
        alignment = field_alignment(joined.vectors, joined.present).energy
    whole = {f: np.stack([part[f] for part in parts]) for f in parts[0]}
    return whole | {"alignment": np.asarray(alignment, np.float64)}


def _shared(lattice: Lattice, rows, joined: JoinedFields | None):
    """Attributes, their base points and fields `(_, C, d)`: together where points are one.

    Never on points of others: an attribute's energies would depend on who is beside it.
    """
    if joined is None:
        for a, name in enumerate(lattice.names):
            points, vectors = lattice.field(name, rows)
            yield [a], points, vectors[None]
        return
    masks, group = np.unique(joined.present, axis=0, return_inverse=True)
    for g, mask in enumerate(masks):
        which = np.flatnonzero(group.reshape(-1) == g)
        yield which, joined.points[mask], joined.vectors[which][:, mask]


def _joined(lattice: Lattice, rows) -> JoinedFields | None:
    """All fields on one list of points, if most attributes have most of them."""
    bases = [curve[:, 1] for curve in lattice.curves]
    union = np.unique(np.concatenate(bases))
    if any(len(np.unique(b)) < len(b) for b in bases):
        return None
    if sum(map(len, bases)) < 0.5 * len(union) * len(bases):
        return None
    return lattice.joined(rows)


def _fields(key, points, vectors, neighbours, metric, nulls, kind) -> dict[str, np.ndarray]:
    options = {"neighbours": neighbours, "metric": metric}
    if nulls:
        null = field_null(key, points, vectors, kind=kind, repeats=nulls, **options)
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
