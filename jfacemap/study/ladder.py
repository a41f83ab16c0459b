r"""Which family of maps do the data support? Each in turn, judged on people held out.

From the stiffest to the freest: nothing, a rotation, a similarity, a map of low rank, an
affine map, one with a ridge, a small network. A freer family fits the rows better in any
case; whether it fits other people better is what the ladder shows.
"""

import functools as ft
import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from ..core.linalg import unit
from ..core.maps import AbstractMap, identity_map
from ..core.mlp import mlp_map
from ..core.moments import as_rows
from ..core.types import Numeric
from ..fit.closed_form import solve_affine
from ..fit.folds import as_folds
from ..fit.gradient import fit_gradient
from ..fit.groups import group_moments, merge_groups
from ..fit.low_rank_path import solve_low_rank_path
from ..fit.ridge_path import solve_ridge_path
from ..fit.rotation import solve_rotation, solve_similarity


families = "identity", "rotation", "similarity", "low rank", "affine", "ridge", "mlp"
"""From the stiffest to the freest; the ridge chooses how free it is."""


class Ladder(eqx.Module):
    """Families of maps and what they are worth on rows held out.

    - `error (families, folds)`: squared error as a share of the spread of y about its mean:
      0 is exact, 1 what the mean of y would do
    - `cosine (families, folds)`: mean cosine of mapped and target rows
    - `maps`: of each family, fitted on all rows
    - `choices`: what was chosen for them by cross-validation: {"low rank": r, "ridge": r}
    """

    error: Float[np.ndarray, "families folds"]
    cosine: Float[np.ndarray, "families folds"]
    maps: tuple[AbstractMap, ...]
    choices: dict[str, float]
    families: tuple[str, ...] = eqx.field(static=True)

    @property
    def best(self) -> str:
        """The family of least mean error; a family whose error is NaN is not it.

        Raises `ValueError` if all are NaN.
        """
        mean = self.error.mean(axis=1)
        if np.isnan(mean).all():
            raise ValueError("The error of every family is NaN: is there NaN in the rows?")
        return self.families[int(np.nanargmin(mean))]

    @property
    def supported(self) -> str:
        """The stiffest family that is not worse than the best beyond the folds' noise.

        Its mean error is within one standard error, over folds, of the difference of the
        two: what a freer one gains is not told apart from chance.
        """
        gap = self.error - self.error[self.families.index(self.best)]
        noise = gap.std(axis=1, ddof=1) / np.sqrt(gap.shape[1])
        return self.families[int(np.argmax(gap.mean(axis=1) <= noise))]

    def rows(self) -> list[dict[str, Any]]:
        """A table: a row a family, means over folds and their standard errors."""
        folds = self.error.shape[1]
        deviation = lambda a: float(a.std(ddof=1) / np.sqrt(folds))
        return [
            {
                "family": family,
                "error": float(self.error[i].mean()),
                "error_se": deviation(self.error[i]),
                "cosine": float(self.cosine[i].mean()),
                "cosine_se": deviation(self.cosine[i]),
                "chosen": self.choices.get(family),
                "best": family == self.best,
                "supported": family == self.supported,
            }
            for i, family in enumerate(self.families)
        ]


def map_ladder(
    key: Key[Array, ""],
    x: Float[Numeric, "n d"],
    y: Float[Numeric, "n k"],
    *,
    folds: int | Int[Numeric, " n"] = 5,
    groups: Shaped[Numeric, " n"] | None = None,
    weights: Float[Numeric, " n"] | None = None,
    families: Sequence[str] = families,
    ridges: Float[Numeric, " r"] | None = None,
    ranks: Sequence[int] | None = None,
    hidden: int = 64,
    steps: int = 300,
    batch_size: int | None = 256,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Ladder:
    """Fit every family without each fold in turn, and judge it on that fold.

    **Arguments:**

    - `key`: of the network's start and batches.
    - `folds`, `groups`: as in `fit_ridge_path`; give who a row shows as its group.
    - `families`: some of `jfacemap.study.ladder.families`, in that order.
    - `ridges`, `ranks`: to choose from, by cross-validation among the folds left (nested:
      the fold that judges never chooses). By default those of `fit_ridge_path`, and powers
      of two below min(d, k): of all ranks a map is affine.
    - `hidden`, `steps`, `batch_size`: of the network (`mlp_map`). It starts as a map of the
      ridge chosen; one of the folds left tells when it was best, and neither is fitted on
      that.
    - `progress`: called with fits done and their number.

    Rows are summed once for all but the network; those of zero weight may be NaN. Raises
    `ValueError` for unknown families, rows of y that are all equal, or folds that cannot
    be: three are needed to choose among two, each with weight.
    """
    (x, y), weights = as_rows((x, y), ("x", "y"), weights)
    unknown = [name for name in families if name not in _ladder]
    if unknown or not len(families):
        raise ValueError(f"Families are {', '.join(_ladder)}; got {list(families)}.")
    fold = as_folds(x.shape[0], folds, groups)
    number = int(fold.max()) + 1
    if number < 3:
        raise ValueError(f"A ladder takes three folds or more; got {number}.")
    w = np.ones(len(fold), np.float32) if weights is None else np.asarray(weights)
    empty = np.flatnonzero(np.bincount(fold, w) == 0)
    if len(empty):
        raise ValueError(f"Each fold needs rows of weight; none in {empty.tolist()}.")
    rows = Rows(key, x, y, w, fold, group_moments(x, y, fold, weights))
    path = ft.cache(lambda k: solve_ridge_path(rows.apart(k), ridges))
    tools = Tools(path, ranks, hidden, steps, batch_size)
    names = tuple(name for name in _ladder if name in families)
    total = len(names) * (number + 1)
    error, cosine = np.zeros((2, len(names), number))
    spread = np.sum(np.asarray(merge_groups(rows.moments).yy)) / np.sum(w, dtype=float)
    if spread == 0:
        raise ValueError("All rows of y are equal: there is no spread to tell a share of.")
    maps, choices = [], {}
    for i, name in enumerate(names):
        for k in range(number):
            m, _ = _ladder[name](rows, tools, k)
            missed, cosines, mass = _judge(m, x, y, np.where(fold == k, w, 0))
            error[i, k] = missed / mass / spread
            cosine[i, k] = cosines / mass
            progress(i * (number + 1) + k + 1, total)
        m, chosen = _ladder[name](rows, tools, -1)
        maps.append(m)
        choices |= {} if chosen is None else {name: float(chosen)}
        progress((i + 1) * (number + 1), total)
    return Ladder(error, cosine, tuple(maps), choices, names)


class Rows(eqx.Module):
    """What every family is fitted to."""

    key: Any
    x: Any
    y: Any
    weights: np.ndarray
    fold: np.ndarray
    moments: Any

    def without(self, *k: int):
        """Moments of all folds but some together; of all if k is -1."""
        here = ~np.isin(np.arange(self.fold.max() + 1), k)
        return merge_groups(self.moments, here.astype(self.moments.mass.high.dtype))

    def apart(self, k: int):
        """Moments of the folds; nothing in fold k. One program serves every k."""
        here = np.arange(self.fold.max() + 1) != k
        empty = lambda leaf: jnp.where(here.reshape(-1, *(1,) * (leaf.ndim - 1)), leaf, 0)
        return jax.tree.map(empty, self.moments)


class Tools(eqx.Module):
    """Settings of the families that have any, and the ridge path without a fold."""

    path: Callable
    ranks: Any
    hidden: int
    steps: int
    batch_size: int | None


def _identity(rows: Rows, tools: Tools, k: int):
    widths = rows.x.shape[1], rows.y.shape[1]
    return identity_map(*widths, dtype=rows.moments.mass.high.dtype), None


def _low_rank(rows: Rows, tools: Tools, k: int):
    most = min(rows.x.shape[1], rows.y.shape[1])
    powers = [2**i for i in range(most.bit_length()) if 2**i < max(most, 2)]
    ranks = powers if tools.ranks is None else tools.ranks
    path = solve_low_rank_path(rows.apart(k), ranks)
    return path.map, path.rank


def _ridge(rows: Rows, tools: Tools, k: int):
    path = tools.path(k)
    return path.map, path.ridge


def _mlp(rows: Rows, tools: Tools, k: int):
    start, batches = jax.random.split(jax.random.fold_in(rows.key, k + 1))
    judge = (k + 1) % (int(rows.fold.max()) + 1)
    base = solve_affine(rows.without(k, judge), ridge=tools.path(k).ridge)
    used = rows.weights > 0  # the others may be NaN
    square = np.sum(np.square(np.asarray(rows.x)[used]), axis=1)
    length = np.sqrt(np.average(square, weights=rows.weights[used]))
    init = mlp_map(start, base, tools.hidden, length=jnp.asarray(length, jnp.float32))
    fit = fit_gradient(
        batches,
        rows.x,
        rows.y,
        init=init,
        steps=tools.steps,
        batch_size=tools.batch_size,
        weights=np.where(rows.fold == k, 0, rows.weights).astype(np.float32),
        held_out=rows.fold == judge,
        check_every=math.gcd(tools.steps, 10),  # so that the last step is looked at
    )
    return fit.map, None


_ladder: dict[str, Callable] = {
    "identity": _identity,
    "rotation": lambda rows, tools, k: (solve_rotation(rows.without(k)), None),
    "similarity": lambda rows, tools, k: (solve_similarity(rows.without(k)), None),
    "low rank": _low_rank,
    "affine": lambda rows, tools, k: (solve_affine(rows.without(k)), None),
    "ridge": _ridge,
    "mlp": _mlp,
}


@jax.jit
def _judge(m: AbstractMap, x, y, w):
    guess, used = m(x), w != 0
    mean = lambda each: jnp.sum(jnp.where(used, w * each, 0))
    missed = mean(jnp.sum((guess - y) ** 2, axis=1))
    return missed, mean(jnp.sum(unit(guess) * unit(y), axis=1)), jnp.sum(w)
