"""Whose embedding is this, to who has some leaked pairs and a model of their own?"""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Key

from ...core.maps import identity_map
from ...fit.all_pairs import PairMaps
from ..attack import AttackPlan, identify_mapped, plan_attack
from ..sweep import fit_subset, subset_rows


images_each = 20
"""Images of a person in gallery and probes at most."""


class Attack(eqx.Module):
    """Rank-1 of searching every model's mapped embeddings in every other's gallery.

    - `sizes (sizes,)`: leaked pairs; `rank1 (sizes, N, N)`: by (unknown, own) model, mapped
      by rotations of centred spaces; the diagonal is a search without a map, the ceiling
    - `random`, `unmapped (N, N)`: controls, of rotations fitted on all leaked rows paired
      at random, and of no map but zeros or fewer coordinates
    - `chance`: of a guess; `counts`: people of each part and images of some; those of
      "victim probes" are searched for, and rank-1 is a share of them
    """

    sizes: tuple[int, ...] = eqx.field(static=True)
    rank1: np.ndarray
    random: np.ndarray
    unmapped: np.ndarray
    chance: float = eqx.field(static=True)
    counts: dict[str, int] = eqx.field(static=True)


def deal_attack(key: Key[Array, ""], label: np.ndarray) -> AttackPlan:
    """A quarter of the people are victims, an eighth distractors, an eighth strangers."""
    _, count = np.unique(label, return_counts=True)
    people = len(count)
    return plan_attack(
        key,
        label,
        victims=max(1, min(people // 4, int(np.sum(count > 1)))),
        distractors=people // 8,
        strangers=people // 8,
        images=images_each,
    )


def attack_models(
    key: Key[Array, ""],
    plan: AttackPlan,
    spaces: Sequence[np.ndarray],
    names: Sequence[str],
    identity: PairMaps,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Attack:
    """Attack every model from every other; `spaces` are unit rows about leaked means."""
    total = len(plan.leaked)
    sizes = (*(k for k in (16, 64, 256) if k < total), total)
    draw, shuffle = jax.random.split(key)
    found = []
    progress(0, len(sizes) + 2)
    for i, size in enumerate(sizes):
        rows = plan.leaked[subset_rows(draw, total, size, 1)[0]]
        maps = fit_subset([x[rows] for x in spaces], ["rotation"], names)["rotation"]
        found.append(_search(maps, spaces, plan))
        progress(i + 1, len(sizes) + 2)
    rng = np.random.default_rng(np.asarray(jax.random.bits(shuffle, (4,), "uint32")))
    mixed = [x[rng.permutation(plan.leaked)] for x in spaces]
    random = _search(fit_subset(mixed, ["rotation"], names)["rotation"], spaces, plan)
    progress(len(sizes) + 1, len(sizes) + 2)
    unmapped = _search(identity, spaces, plan)
    progress(len(sizes) + 2, len(sizes) + 2)
    rank1 = np.stack(found)
    return Attack(sizes, rank1, random, unmapped, plan.chance(1), count_parts(plan))


def count_parts(plan: AttackPlan) -> dict[str, int]:
    """People and images of each part of an attack."""
    gallery, probes = plan.label[plan.gallery], plan.label[plan.probes]
    mated = np.isin(probes, gallery)
    people = lambda labels: len(np.unique(labels))
    return {
        "leaked people": people(plan.label[plan.leaked]),
        "leaked images": len(plan.leaked),
        "gallery people": people(gallery),
        "gallery images": len(gallery),
        "victims": people(probes[mated]),
        "victim probes": int(mated.sum()),
        "distractors": people(gallery) - people(probes[mated]),
        "strangers": people(probes[~mated]),
        "stranger probes": int(np.sum(~mated)),
    }


def _search(maps: PairMaps, spaces, plan: AttackPlan) -> np.ndarray:
    each = range(len(spaces))
    rank1 = lambda m, i, j: float(
        identify_mapped(m, spaces[i], spaces[j], plan, fpirs=1e-1).hit_rate(1)
    )
    own = lambda i, j: maps[i, j] if i != j else identity_map(spaces[i].shape[1])
    return np.array([[rank1(own(i, j), i, j) for j in each] for i in each])
