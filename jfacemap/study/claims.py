"""Sentences of paper 000 as counts: in how many cases does one hold on some data?

Tables are TAR `(source, target, far)` with native TAR on the diagonal, as `verify_pairs`
returns them. A NaN, a rate the data do not support, is no case.
"""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float


Table = Float[np.ndarray, "N N F"]


class Claim(eqx.Module):
    """A sentence, in how many cases it holds, and what else is to be said."""

    sentence: str = eqx.field(static=True)
    held: int = eqx.field(static=True)
    cases: int = eqx.field(static=True)
    note: str = eqx.field(static=True, default="")

    @property
    def holds(self) -> bool:
        """Whether it holds in every case, and there is one."""
        return self.cases > 0 and self.held == self.cases


def none_beats_both(tar: Table) -> Claim:
    """Section 4: "some mappings exceed the performance of their target or source model
    (but not both)". Cases are pairs of models at each FAR.
    """
    native = _native(tar)
    best = np.maximum(native[:, None], native[None])
    worst = np.minimum(native[:, None], native[None])
    off = _pairs(tar)
    one = np.count_nonzero((tar > worst)[off])
    return _count(
        "no map beats both its models",
        tar <= best,
        off & ~np.isnan(tar + best),
        f"{one} beat the lesser of the two",
    )


def rotation_costs_more(linear: Table, rotation: Table) -> Claim:
    """Section 4: "compared with linear maps, rotation produces a higher penalty in all
    cases". Cases are pairs of models at each FAR; ties count as held.
    """
    cases = _pairs(linear) & ~np.isnan(linear + rotation)
    ties = np.count_nonzero((rotation == linear)[cases])
    return _count(
        "a rotation is below the linear map",
        rotation <= linear,
        cases,
        f"{ties} ties; mean difference {(rotation - linear)[cases].mean():+.3f}",
    )


def rotation_is_ahead_below(
    linear: Float[np.ndarray, "sizes pairs"],
    rotation: Float[np.ndarray, "sizes pairs"],
    sizes: Sequence[int],
    bound: int,
) -> Claim:
    """Section 4.1: rotations are ahead "using fewer than 1024" pairs, linear maps above.

    Cases are the sizes; ahead is the kind with the higher median over pairs of models.
    `bound` is 1,024 for 512 dimensions. Where all sizes are on one side of
    it the note says that the other half is not tested.
    """
    ahead = np.median(rotation, axis=1) > np.median(linear, axis=1)
    below = np.asarray(sizes) < bound
    untested = "" if below.any() else "; not tested below"
    untested += "; not tested from there on" if below.all() else ""
    by = [str(size) for size, first in zip(sizes, ahead, strict=True) if first]
    return _count(
        f"rotations are ahead below {bound:,} pairs, linear maps from there on",
        ahead == below,
        np.ones_like(below),
        f"rotations ahead at {', '.join(by) or 'no size'}{untested}",
    )


def rotation_is_symmetric(rotation: Table, linear: Table, within: float = 0.02) -> Claim:
    """Section 4: the penalty of rotations "is (nearly) symmetric".

    Cases are unordered pairs of models at each FAR: TAR there and back differ by at most
    `within`.
    """
    gap = np.abs(rotation - rotation.swapaxes(0, 1))
    other = np.abs(linear - linear.swapaxes(0, 1))
    upper = np.triu(np.ones(gap.shape[:2], bool), 1)[..., None] & ~np.isnan(gap)
    return _count(
        f"rotations there and back differ by at most {within:g}",
        gap <= within,
        upper,
        f"mean gap {gap[upper].mean():.3f}, of linear maps {other[upper].mean():.3f}",
    )


def unmapped_is_random(identity: Table, fars: Sequence[float], n_genuine: int) -> Claim:
    """Section 4: without a map "the TAR nearly equals the FAR".

    Cases are pairs of models at each FAR; nearly is at most twice it, and one of the
    genuine pairs, of which there are `n_genuine`.
    """
    bound = 2 * np.asarray(fars) + 1 / n_genuine
    cases = _pairs(identity) & ~np.isnan(identity)
    worst = identity[cases].max(initial=0)
    return _count(
        "without a map TAR is nearly FAR", identity <= bound, cases, f"at most {worst:.3f}"
    )


def few_dimensions_suffice(
    tar: Float[np.ndarray, "ranks pairs"],
    ranks: Sequence[int],
    within: float = 0.01,
    share: float = 0.5,
) -> Claim:
    """Section 6: maps "may require far fewer dimensions than the maximum rank".

    Cases are pairs of models: the least of `ranks`, the last of which is full, with TAR
    no more than `within` below that of the full rank is at most a `share` of it.
    """
    least = np.asarray(ranks)[np.argmax(tar >= tar[-1] - within, axis=0)]
    return _count(
        f"{share:g} of the dimensions keep a map within {within:g}",
        least <= share * ranks[-1],
        ~np.isnan(tar[-1]),
        f"least rank {np.median(least):g} of {ranks[-1]} in the median",
    )


def _native(tar: Table) -> Float[np.ndarray, "N F"]:
    return np.diagonal(tar).T


def _pairs(tar: Table) -> Bool[np.ndarray, "N N F"]:
    off = ~np.eye(len(tar), dtype=bool)
    return np.broadcast_to(off[..., None], tar.shape)


def _count(sentence, held, cases, note) -> Claim:
    both = int(np.count_nonzero(held & cases))
    return Claim(sentence, both, int(np.count_nonzero(cases)), note)
