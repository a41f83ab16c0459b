"""How many pairs a map needs: fits on random subsets (paper 000, Figures 3 and 6)."""

import functools as ft
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, Key

from ..core.fan_out import devices_of, fan_out
from ..core.memory import items_at_once
from ..core.mesh import automatic, on_host
from ..core.moments import as_named, as_rows, joint_moments
from ..core.types import Numeric
from ..fit.all_pairs import fit_all_pairs, PairMaps
from ..fit.few_rows import fit_few_rows
from .kept import Kept


known = "linear", "affine", "rotation"

digest_rows = 2**16
"""Rows brought to the host at once where `keep` tells whose they are."""


class SubsetSweep(eqx.Module):
    """What maps fitted on subsets are worth.

    - `values[kind] (sizes, repeats, *v)`: what `evaluate` returned, as `(N, N, ...)` by
      source and target as a rule
    - `sizes`: rows of each subset; `repeats`: subsets of each size
    """

    values: dict[str, np.ndarray]
    sizes: tuple[int, ...] = eqx.field(static=True)
    repeats: int = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    def boxes(self, kind: str, index=()) -> Float[np.ndarray, "sizes pairs *v"]:
        """Mean over repeats of each ordered pair of two models, by size: a box a row.

        `index` picks from the axes past source and target, such as one FAR. Figure 3
        draws these with whiskers at the extremes: 90 points a box for ten models.
        """
        pairs = ~np.eye(len(self.names), dtype=bool)
        return self.values[kind].mean(axis=1)[:, pairs][(..., *np.index_exp[index])]


def subset_rows(
    key: Key[Array, ""], n: int, size: int, repeats: int
) -> Int[np.ndarray, "repeats size"]:
    """Rows of each subset: drawn without replacement, anew for each repeat."""
    order = jax.vmap(lambda k: jax.random.permutation(k, n))(
        jax.random.split(jax.random.fold_in(key, size), repeats)
    )
    return np.asarray(order[:, :size])


def sweep_subsets(
    key: Key[Array, ""],
    embeddings: Sequence[Float[Numeric, "n _"]],
    sizes: Sequence[int],
    repeats: int,
    kinds: Sequence[str] = ("linear", "rotation"),
    *,
    evaluate: Callable[[PairMaps], Numeric],
    names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    mesh: Mesh | None = None,
    keep: str | os.PathLike[str] | None = None,
) -> SubsetSweep:
    """Fit all ordered pairs of models on random subsets of rows, and evaluate the maps.

    **Arguments:**

    - `key`: of the subsets; a size has the same subsets whatever other sizes there are.
    - `embeddings`: of each model the same n rows, scaled as they are to be fitted.
    - `sizes`, `repeats`: rows of a subset, subsets of each size. One subset serves all
      pairs and kinds: its products are summed once.
    - `kinds`: of "linear", "affine", "rotation".
    - `evaluate`: maps of one subset and kind to an array, the same shape each time, such
      as TAR on people that are in no subset.
    - `progress`: called with (subsets done, of how many) after each that is computed.
    - `mesh`: its devices fit subsets of a size side by side, as many at once as memory
      holds. Maps are evaluated one after the other, on all of them.
    - `keep`: a folder. What a subset was worth is committed to it at once; a run that was
      killed, called again, goes on with the subsets that are missing, to the same result.
      It must have the same key, rows, kinds and names, which is checked, and the same
      `evaluate`, which cannot be.

    All subsets of a size share their programs. Linear maps and rotations of fewer rows
    than any model has dimensions are fitted in the span of the rows (`fit_few_rows`); all
    others, also where only some models are wider, as `fit_all_pairs` does. The two choose
    differently among the rotations that few rows leave open. Raises `ValueError` for a
    size that cannot be drawn, no size or repeat, another kind, or rows that do not pair
    up, `InputError` if `keep` holds another sweep.
    """
    embeddings, names = same_rows(embeddings, names)
    n = len(embeddings[0])
    if not len(sizes) or repeats < 1:
        raise ValueError(f"A sweep has sizes and repeats; got {sizes} and {repeats}.")
    wrong = [size for size in sizes if not 0 < size <= n]
    if wrong:
        raise ValueError(f"Subsets have 1 to {n} rows, as many as there are; got {wrong}.")
    check_kinds(kinds)
    about = _about(key, embeddings, repeats, kinds, names) if keep is not None else {}
    kept = None if keep is None else Kept(keep, about)
    found: dict[tuple[int, int], dict[str, np.ndarray]] = {}
    for i, size in enumerate(sizes):
        pieces = [f"{size}-{j}" for j in range(repeats)]
        there = [j for j in range(repeats) if kept and pieces[j] in kept.pieces]
        found |= {(i, j): kept.read(pieces[j]) for j in there if kept}
        missing = [j for j in range(repeats) if j not in there]
        drawn = subset_rows(key, n, size, repeats)[missing]
        fitted = fit_subsets(embeddings, drawn, kinds, names, mesh)
        for j, maps in zip(missing, fitted, strict=True):
            found[i, j] = {kind: np.asarray(evaluate(maps[kind])) for kind in kinds}
            if kept:
                kept.write(pieces[j], found[i, j])
            progress(i * repeats + j + 1, len(sizes) * repeats)
    stack = lambda kind: np.stack(
        [np.stack([found[i, j][kind] for j in range(repeats)]) for i in range(len(sizes))]
    )
    return SubsetSweep({kind: stack(kind) for kind in kinds}, tuple(sizes), repeats, names)


def _about(key, embeddings, repeats, kinds, names) -> dict:
    """What the values of a sweep depend on, for `Kept`."""
    digests = [f"{x.shape} {x.dtype} {_digest(x)}" for x in embeddings]
    bits = np.asarray(jax.random.key_data(key)).tolist()
    options = {"repeats": repeats, "kinds": list(kinds), "names": list(names)}
    return {"key": bits, "rows": digests} | options


def _digest(x) -> str:
    """Of all rows, wherever they lie, some at a time."""
    digest = hashlib.sha256()
    for start in range(0, x.shape[0], digest_rows):
        rows = np.ascontiguousarray(on_host(x[start : start + digest_rows]))
        digest.update(rows.view(np.uint8).data)
    return digest.hexdigest()[:16]


def same_rows(embeddings: Sequence, names: Sequence[str] | None):
    """Arrays and names; `ValueError` unless rows are as many: JAX clamps indices."""
    embeddings, names = as_named(embeddings, names)
    return as_rows(embeddings, names, None)[0], names


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise `ValueError` for a kind that cannot be fitted on subsets."""
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        raise ValueError(f"kind is one of {', '.join(known)}; got {unknown}.")


def fit_subsets(
    embeddings: Sequence[Float[Numeric, "n _"]],
    drawn: Int[np.ndarray, "subsets size"],
    kinds: Sequence[str],
    names: Sequence[str],
    mesh: Mesh | None = None,
) -> Iterator[dict[str, PairMaps]]:
    """Maps of each kind from each subset of rows; several subsets at once on a mesh."""
    if mesh is None:
        # One by one: a fit of all pairs fills the cores, and only one subset's maps are
        # held at a time.
        for rows in drawn:
            yield fit_subset([x[rows] for x in embeddings], kinds, names)
        return
    mesh, devices, size = automatic(mesh), devices_of(mesh), drawn.shape[1]
    total = sum(x.shape[1] for x in embeddings)
    each = 4 * total * (size + len(kinds) * total)  # its rows, and its maps
    together = devices * items_at_once(each, -(-len(drawn) // devices), mesh)
    for start in range(0, len(drawn), together):
        part = drawn[start : start + together]
        fill = min(together, len(drawn)) - len(part)  # one shape, one program
        rows = tuple(x[np.pad(part, ((0, fill), (0, 0)), "edge")] for x in embeddings)
        fitted = _fit_subsets(rows, tuple(kinds), tuple(names), mesh)
        for i in range(len(part)):
            yield _one_of(fitted, i, NamedSharding(mesh, PartitionSpec()))


@ft.partial(jax.jit, static_argnums=(1, 2, 3))
def _fit_subsets(rows, kinds, names, mesh):
    return fan_out(lambda subset: fit_subset(subset, kinds, names), rows, mesh=mesh)


def _one_of(fitted, i: int, where):
    """The maps of one subset, on all devices."""
    return jax.device_put(_take(fitted, np.int32(i)), where)


@jax.jit
def _take(fitted, i):
    return jax.tree.map(lambda x: x[i], fitted)


def fit_subset(
    rows: Sequence[Float[Numeric, "n _"]], kinds: Sequence[str], names: Sequence[str]
) -> dict[str, PairMaps]:
    """Maps of each kind from a few rows: in their span if a model has more dimensions."""
    few = rows[0].shape[0] < min(x.shape[1] for x in rows)
    fast = [kind for kind in kinds if few and kind != "affine"]
    maps = {kind: fit_few_rows(rows, kind, names=names) for kind in fast}
    rest = [kind for kind in kinds if kind not in fast]
    if rest:
        joint = joint_moments(rows, names=names)
        maps |= {kind: fit_all_pairs(joint, kind) for kind in rest}
    return maps
