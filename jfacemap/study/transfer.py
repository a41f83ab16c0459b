"""Does a map fitted on one data set serve another?"""

from collections.abc import Callable, Mapping, Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Shaped

from ..core.types import Numeric
from ..fit.all_pairs import PairMaps
from .sweep import check_kinds, fit_subset, same_rows


class Transfer(eqx.Module):
    """`values[kind] (fit set, test set, *v)`: what `test_on` returned."""

    values: dict[str, np.ndarray]
    fit_sets: tuple[str, ...] = eqx.field(static=True)
    test_sets: tuple[str, ...] = eqx.field(static=True)


def transfer_maps(
    embeddings: Sequence[Shaped[Numeric, "n _"]],
    fit_on: Mapping[str, Numeric],
    test_on: Mapping[str, Callable[[PairMaps], Numeric]],
    kinds: Sequence[str] = ("linear", "rotation"),
    *,
    names: Sequence[str] | None = None,
) -> Transfer:
    """Fit all pairs of models on each set of rows, and test the maps in each way.

    **Arguments:**

    - `embeddings`: of each model the same n rows.
    - `fit_on`: rows by name, positions or a mask `(n,)`.
    - `test_on`: by name, maps to an array of one shape, such as TAR on people of a data
      set who are in none of the sets fitted on.
    - `kinds`: as in `sweep_subsets`.

    Raises `ValueError` for another kind, rows that do not pair up, or a set without rows
    or of rows there are not.
    """
    check_kinds(kinds)
    embeddings, names = same_rows(embeddings, names)
    embeddings = [np.asarray(x) for x in embeddings]
    found = {kind: [] for kind in kinds}
    for name, rows in fit_on.items():
        try:
            subset = [x[rows] for x in embeddings]
        except IndexError as error:
            shape = embeddings[0].shape
            raise ValueError(
                f"The set {name!r} does not fit rows {shape}: {error}."
            ) from error
        if not len(subset[0]):
            raise ValueError(f"The set {name!r} has no rows to fit on.")
        for kind, maps in fit_subset(subset, kinds, names).items():
            tested = [np.asarray(test(maps)) for test in test_on.values()]
            found[kind].append(np.stack(tested))
    values = {kind: np.stack(rows) for kind, rows in found.items()}
    return Transfer(values, tuple(fit_on), tuple(test_on))
