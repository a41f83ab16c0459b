"""Sets of rows that share no person: to fit on, to choose on, and to judge on."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Bool, Key, Shaped

from ..core.types import Numeric


def split_identities(
    key: Key[Array, ""],
    identity: Shaped[Numeric, " n"],
    shares: Sequence[float] = (0.5, 0.25, 0.25),
    *,
    strata: Shaped[Numeric, " n"] | None = None,
) -> tuple[Bool[np.ndarray, " n"], ...]:
    """Deal people, with all their rows, into sets: one mask of rows a set.

    By default three, as an honest number needs: maps are fitted on the first, ridge and
    rank are chosen on the second, and the third is looked at once.

    **Arguments:**

    - `key`: of the deal; one key, one deal.
    - `identity (n,)`: who each row shows, in numbers or strings.
    - `shares`: of the people in each set; they sum to at most 1, and what is left over is
      in no set. Sizes are rounded so that the sets of a stratum add up.
    - `strata (n,)`: groups of people, as the collection they come from, each of which is
      dealt by the same shares. A person belongs to one.

    Raises `ValueError` on shares that are no parts of a whole, a set that would get
    nobody, or a person in two strata.
    """
    identity, parts = np.asarray(identity), np.asarray(shares, np.float64)
    if not np.all(parts > 0) or parts.sum() > 1 + 1e-9:
        raise ValueError(f"Shares are above 0 and sum to at most 1; got {list(shares)}.")
    people, first, code = np.unique(identity, return_index=True, return_inverse=True)
    layer = np.zeros(identity.shape, int) if strata is None else np.asarray(strata)
    if layer.shape != identity.shape:
        raise ValueError(f"Strata {layer.shape} are one a row of {identity.shape}.")
    astray = np.flatnonzero(layer != layer[first][code])
    if astray.size:
        raise ValueError(f"Person {identity[astray[0]]} is in more than one stratum.")
    dealt = np.full(len(people), -1)
    for i, name in enumerate(np.unique(layer)):
        mine = np.flatnonzero(layer[first] == name)
        order = jax.random.permutation(jax.random.fold_in(key, i), len(mine))
        ends = np.rint(np.cumsum(parts) * len(mine)).astype(int)
        sizes = np.diff(ends, prepend=0)
        shuffled = mine[np.asarray(order)][: ends[-1]]
        dealt[shuffled] = np.repeat(np.arange(len(parts)), sizes)
    empty = np.flatnonzero(~np.isin(np.arange(len(parts)), dealt))
    if empty.size:
        raise ValueError(
            f"{len(people)} people dealt by shares {list(shares)} leave set {empty[0]} "
            "empty: give fewer sets, or more even shares."
        )
    return tuple(dealt[code] == part for part in range(len(parts)))
