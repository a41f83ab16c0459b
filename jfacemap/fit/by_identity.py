r"""Maps between sources that share people but no image (paper 000, section 5).

Rows of two sources are matched by who they show. A person seen in $n_p$ rows of x and
$m_p$ of y makes $n_p m_p$ pairs, each of weight $1 / (n_p m_p)$, so that people count
alike. Their moments need no pair: what x and y have in common lies between the people's
means, and each side's spread is that of its own rows,

$$\sum_p \tfrac{1}{n_p m_p} \sum_{i,j \in p} (x_i - \bar x)'(y_j - \bar y)
  = \sum_p (\bar x_p - \bar x)'(\bar y_p - \bar y).$$
"""

import itertools
from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from ..core.gram import sum_over_chunks
from ..core.maps import identity_map
from ..core.moments import as_rows, batch_moments, PairMoments
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from .all_pairs import PairMaps
from .closed_form import solve_affine, solve_linear
from .rotation import solve_rotation


Of = Literal["pairs", "means"]


class IdentityPairing(eqx.Module):
    """Who of two sources' rows are the same person; host arrays, made once.

    - `people (P,)`: labels that both sources have, sorted
    - `person_x (n,)`, `person_y (m,)`: the row's place in `people`; P if it has none
    - `count_x`, `count_y (P,)`: rows of each person
    """

    people: Shaped[np.ndarray, " P"]
    person_x: Int[np.ndarray, " n"]
    person_y: Int[np.ndarray, " m"]
    count_x: Int[np.ndarray, " P"]
    count_y: Int[np.ndarray, " P"]

    @property
    def n_pairs(self) -> int:
        """Pairs of rows that show one person."""
        return int(self.count_x.astype(np.int64) @ self.count_y)


def pair_by_identity(labels_x, labels_y) -> IdentityPairing:
    """Match the rows of two sources by the person they show; on the host, once.

    `labels_x (n,)` and `labels_y (m,)` are numbers or strings that mean the same person in
    both. Raises `ValueError` if no label is in both.
    """
    labels = [np.asarray(labels) for labels in (labels_x, labels_y)]
    if any(each.ndim != 1 for each in labels):
        shapes = " and ".join(str(each.shape) for each in labels)
        raise ValueError(f"Labels are one a row of each source; got {shapes}.")
    people = np.intersect1d(labels[0], labels[1])
    if not people.size:
        raise ValueError("The sources have no label in common: no person links them.")

    def find(labels):
        at = np.minimum(np.searchsorted(people, labels), people.size - 1)
        person = np.where(people[at] == labels, at, people.size).astype(np.int32)
        count = np.bincount(person, minlength=people.size + 1)[:-1]
        return person, count.astype(np.int32)

    (person_x, count_x), (person_y, count_y) = map(find, labels)
    return IdentityPairing(people, person_x, person_y, count_x, count_y)


def identity_moments(
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "m k"],
    pairing: IdentityPairing,
    *,
    of: Of = "pairs",
) -> PairMoments:
    """Moments of all pairs of rows that show one person, each person of mass 1.

    Equal to `pair_moments` of the pairs written out, with weights 1 / (pairs of the
    person); `solve_linear`, `solve_affine` and `solve_rotation` make maps of them.

    - `of="pairs"`: every row of x with every row of y. What varies within a person counts
      as noise of the source, and shrinks a least squares map as a ridge would.
    - `of="means"`: each person's mean row of x with its mean row of y.

    Rotations do not tell the two apart. Rows of a person that the other source lacks leave
    no trace and may be NaN; NaN elsewhere makes the moments NaN. Moments of disjoint people
    `merge`. Raises `ValueError` if rows are not those of the pairing.
    """
    if of not in ("pairs", "means"):
        raise ValueError(f"of is 'pairs' or 'means'; got {of!r}.")
    for name, rows, person in (("x", x, pairing.person_x), ("y", y, pairing.person_y)):
        as_rows((rows,), (name,), None)
        if rows.shape[0] != person.size:
            raise ValueError(
                f"{name} has shape {rows.shape}, but {person.size} rows were labelled: "
                "pass the labels of these rows, in this order, to pair_by_identity."
            )
    sides = (pairing.person_x, pairing.count_x), (pairing.person_y, pairing.count_y)
    return _identity_moments(x, y, *sides, of=of)


def fit_by_identity(
    embeddings: Sequence[Float[Numeric, "_ _"]],
    labels: Sequence,
    kind: str = "rotation",
    *,
    of: Of = "pairs",
    ridge: float | int | Float[Numeric, ""] = 0.0,
    names: Sequence[str] | None = None,
) -> PairMaps:
    """Fit all ordered pairs of N sources that know some of the same people.

    **Arguments:**

    - `embeddings`: of each source its own rows `(n_i, d_i)`, of any images, scaled as they
      are to be fitted.
    - `labels`: of each source who its rows show.
    - `kind`: "linear", "affine" or "rotation". `ridge`, of the first two, is relative to a
      mass of 1 a person.
    - `of`: as in `identity_moments`.

    The diagonal is the identity, and a rotation's way back its transpose. Two sources share
    the people that both know; raises `ValueError` if there are none.
    """
    solve = {
        "linear": lambda m: solve_linear(m, ridge=ridge),
        "affine": lambda m: solve_affine(m, ridge=ridge),
        "rotation": solve_rotation,
    }
    if kind not in solve:
        raise ValueError(f"kind is one of {', '.join(solve)}; got {kind!r}.")
    if len(embeddings) != len(labels):
        raise ValueError(f"{len(embeddings)} sources but labels of {len(labels)}.")
    n = range(len(embeddings))
    names = tuple(map(str, n)) if names is None else tuple(names)

    def between(i, j):
        pairing = pair_by_identity(labels[i], labels[j])
        return solve[kind](identity_moments(embeddings[i], embeddings[j], pairing, of=of))

    maps = {(i, i): identity_map(embeddings[i].shape[1]) for i in n}
    for i, j in itertools.combinations(n, 2):
        maps[i, j] = between(i, j)
        maps[j, i] = maps[i, j].inverse if kind == "rotation" else between(j, i)
    return PairMaps(tuple(tuple(maps[i, j] for j in n) for i in n), names)


def _moments(dtype, x, y, side_x, side_y, *, of) -> PairMoments:
    mean_x, mean_y = _person_means(dtype, x, *side_x), _person_means(dtype, y, *side_y)
    between = batch_moments(dtype, mean_x, mean_y, None)
    if of == "means":
        return between
    weight_x, weight_y = _weights(dtype, *side_x), _weights(dtype, *side_y)
    pairs = jnp.sum(side_x[1].astype(dtype) * side_y[1].astype(dtype))
    return PairMoments(
        count=pairs,
        mass=between.mass,
        mean_x=between.mean_x,
        mean_y=between.mean_y,
        xx=batch_moments(dtype, x, x[:, :0], weight_x).xx,
        xy=between.xy,
        yy=batch_moments(dtype, y[:, :0], y, weight_y).yy,
    )


def _weights(dtype, person, count):
    """Of each row 1 / (rows of its person); 0 for a person the other source lacks."""
    return jnp.append(1 / count.astype(dtype), jnp.zeros(1, dtype))[person]


def _person_means(dtype, x, person, count):
    people = count.shape[0]

    def sums(rows):
        x, person = rows
        used = jnp.where(person[:, None] < people, widen(x, dtype), 0)
        return jax.ops.segment_sum(used, person, people + 1)[:-1]

    return sum_over_chunks(sums, (x, person)) / count.astype(dtype)[:, None]


_identity_moments = in_float64(_moments, wide=True, static=("of",))
