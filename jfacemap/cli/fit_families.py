"""Fits of `jfacemap fit` whose ridge or rank folds choose, and options of one kind."""

import jax
import jax.numpy as jnp
import numpy as np

from ..core.maps import AbstractMap, LowRankMap
from ..core.moments import PairMoments
from ..data.arrays import InputError
from ..fit.folds import as_folds
from ..fit.low_rank import solve_low_rank
from ..fit.low_rank_path import solve_low_rank_path
from ..fit.ridge_path import solve_ridge_path
from .fit_steps import check_every, contrastive
from .row_order import RowOrder


by_folds = "ridge", "low-rank"
"""Kinds that cross-validation has a say in."""


of_steps = (
    *("start", "loss", "steps", "batch_size", "learning_rate", "seed"),
    *("held_out", "patience"),
)
"""Options of a gradient fit."""


def read_folds(groups: str | None, folds: int, n: int, order: RowOrder) -> np.ndarray:
    """The fold of each row: people together where there are labels, else neighbours."""
    if folds < 2:
        raise InputError(f"--folds is at least 2; got {folds}.")
    if groups is None:
        if folds > n:
            raise InputError(f"--folds {folds} is more than the {n:,} rows.")
        return as_folds(n, folds, None)
    who = read_labels_of(groups, n, order)
    people = int(who.max()) + 1
    if folds > people:
        raise InputError(f"--folds {folds} is more than the {people:,} people in {groups}.")
    return as_folds(n, folds, who)


def read_labels_of(groups: str, n: int, order: RowOrder) -> np.ndarray:
    """Who each of `n` rows shows, as numbers."""
    who = order.people(groups)
    if len(who) != n:
        raise InputError(f"{groups} has {len(who):,} labels, for {n:,} rows.")
    return np.unique(who, return_inverse=True)[1].astype(np.int32)


def stack(parts: list[PairMoments]) -> PairMoments:
    """Moments of the folds, along a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)


def solve_ridge(parts: list[PairMoments]) -> tuple[AbstractMap, dict[str, str]]:
    """The affine map of the best ridge, and what is said of it."""
    path = solve_ridge_path(stack(parts))
    error, best = np.asarray(path.error) / float(path.spread), int(path.best)
    said = {
        "ridge": f"{float(path.ridge):.4g}, number {best + 1} of {len(error)}",
        "held out": _held_out(error[best], len(parts))
        + f" (least ridge {error[0]:.4f}, largest {error[-1]:.4f})",
    }
    return path.map, said


def solve_rank(parts, rank: int | None) -> tuple[AbstractMap, dict[str, str]]:
    """The map of a rank, or of the best one, and what is said of it."""
    if rank is not None:
        (moments,) = parts
        return solve_low_rank(moments, rank), {"rank": str(rank)}
    path = solve_low_rank_path(stack(parts))
    error = np.asarray(path.error) / float(path.spread)
    best = int(np.argmin(error))
    rank = int(path.rank)
    tried = ", ".join(map(str, np.asarray(path.ranks)))
    m = LowRankMap(path.map.left[:, :rank], path.map.right[:rank], path.map.bias)
    said = {"rank": f"{rank}, of {tried}", "held out": _held_out(error[best], len(parts))}
    return m, said


def check_options(c) -> None:
    """Raise `InputError` for options that another kind has."""
    own = {
        "groups": (*by_folds, "gradient"),
        "folds": by_folds,
        "rank": ("low-rank",),
        **dict.fromkeys(of_steps, ("gradient",)),
    }
    for name, kinds in own.items():
        if getattr(c, name) != type(c).__dataclass_fields__[name].default:
            if c.kind not in kinds:
                flag = "--" + name.replace("_", "-")
                what = " and ".join(kinds)
                raise InputError(f"{flag} is for --kind {what}; this is {c.kind}.")
    if c.rank is not None and c.groups is not None:
        raise InputError("--groups help to choose a rank: leave out --rank, or them.")
    if c.rank is not None and c.rank < 1:
        raise InputError(f"--rank is at least 1; got {c.rank}.")
    for name in ("steps", "batch_size"):
        if getattr(c, name) < 1:
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} is at least 1; got {getattr(c, name)}.")
    if not 0 < c.learning_rate < np.inf:
        raise InputError(f"--learning-rate is a number above 0; got {c.learning_rate}.")
    _check_held_out(c)


def _check_held_out(c) -> None:
    if not 0 <= c.held_out <= 0.5:
        raise InputError(f"--held-out is a share of at most 0.5; got {c.held_out}.")
    if c.held_out and c.steps % check_every:
        raise InputError(
            f"--steps is a multiple of {check_every} with --held-out; got {c.steps}."
        )
    if c.patience is not None and c.patience < 1:
        raise InputError(f"--patience is at least 1; got {c.patience}.")
    if c.patience is not None and not c.held_out:
        raise InputError("--patience is with rows held out: give --held-out 0.1, say.")
    told = c.held_out or c.loss in contrastive
    if c.groups is not None and c.kind == "gradient" and not told:
        raise InputError(
            f"--groups are for --loss info-nce or triplet, or --held-out; this is {c.loss}."
        )


def _held_out(error, folds: int) -> str:
    return (
        f"{float(error):.4f} of the target's spread is left unexplained, in {folds} folds"
    )
