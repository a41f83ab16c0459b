"""How many pairs a map needs: fits on random subsets (paper 000, Figures 3 and 6)."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ..core.moments import as_named, as_rows, joint_moments
from ..core.types import Numeric
from ..fit.all_pairs import fit_all_pairs, PairMaps
from ..fit.few_rows import fit_few_rows


known = "linear", "affine", "rotation"


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
    - `progress`: called with (subsets done, of how many).

    All subsets of a size share their programs. Linear maps and rotations of fewer rows
    than any model has dimensions are fitted in the span of the rows (`fit_few_rows`); all
    others, also where only some models are wider, as `fit_all_pairs` does. The two choose
    differently among the rotations that few rows leave open. Raises `ValueError` for a
    size that cannot be drawn, no size or repeat, another kind, or rows that do not pair up.
    """
    embeddings, names = same_rows(embeddings, names)
    n = len(embeddings[0])
    if not len(sizes) or repeats < 1:
        raise ValueError(f"A sweep has sizes and repeats; got {sizes} and {repeats}.")
    wrong = [size for size in sizes if not 0 < size <= n]
    if wrong:
        raise ValueError(f"Subsets have 1 to {n} rows, as many as there are; got {wrong}.")
    check_kinds(kinds)
    values: dict[str, list] = {kind: [] for kind in kinds}
    for i, size in enumerate(sizes):
        found: dict[str, list] = {kind: [] for kind in kinds}
        # From the host, one by one: `evaluate` is a function of the host, a fit of all
        # pairs fills the cores, and only one subset's maps are held at a time.
        for j, rows in enumerate(subset_rows(key, n, size, repeats)):
            subset = [x[rows] for x in embeddings]
            for kind, maps in fit_subset(subset, kinds, names).items():
                found[kind].append(np.asarray(evaluate(maps)))
            progress(i * repeats + j + 1, len(sizes) * repeats)
        for kind in kinds:
            values[kind].append(np.stack(found[kind]))
    stacked = {kind: np.stack(each) for kind, each in values.items()}
    return SubsetSweep(stacked, tuple(sizes), repeats, names)


def same_rows(embeddings: Sequence, names: Sequence[str] | None):
    """Arrays and names; `ValueError` unless rows are as many: JAX clamps indices."""
    embeddings, names = as_named(embeddings, names)
    return as_rows(embeddings, names, None)[0], names


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise `ValueError` for a kind that cannot be fitted on subsets."""
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        raise ValueError(f"kind is one of {', '.join(known)}; got {unknown}.")


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
