"""Every model's probes in every other model's gallery: a protocol at full size.

Each model's images are read once. From one pass over them come its own templates and its
templates in all other spaces; a pair of models is scored as soon as both have been read.
"""

from collections.abc import Callable, Mapping, Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array

from ..data.protocol import Protocol
from ..evaluate.pooling import pool_mapped, pool_templates
from ..evaluate.scoring import score_pairs
from ..evaluate.tar import tar_at_far, TarAtFar
from ..evaluate.templates import Templates
from ..fit.all_pairs import PairMaps
from .verify_map import as_plan, ijb_fars, VerificationPlan


class PairVerdicts(eqx.Module):
    """TAR of each kind of map, `(source, target, far)`; the diagonal is native."""

    tar: dict[str, TarAtFar]
    names: tuple[str, ...] = eqx.field(static=True)


def verify_pairs(
    maps: Mapping[str, PairMaps],
    embeddings: Sequence | Callable[[int], np.ndarray],
    protocol: Protocol | VerificationPlan,
    *,
    fars: float | Sequence[float] = ijb_fars,
    rule: str = "strict",
    normalize_images: bool = True,
    pool_first: bool = False,
    inspect: Callable[[str, int, int, Array], None] = lambda kind, i, j, scores: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PairVerdicts:
    """`verify_map` of all ordered pairs of N models, for each kind of map.

    **Arguments:**

    - `maps`: by kind, as `fit_all_pairs` returns them.
    - `embeddings`: of each model all images of the protocol `(n, d)`; or a function that
      loads model i, called once, one model in memory at a time.
    - `protocol`, `fars`, `rule`, `normalize_images`, `pool_first`: as in `verify_map`.
      Probes are mapped, galleries are the target's own.
    - `inspect`: called with kind, source, target and the scores `(P,)` of each pair of
      models, which are not kept, for intervals say. Of the diagonal the kind is "native".
    - `progress`: called with (model pairs done, of how many).

    Memory is one model's images and the probe templates of the pairs that wait for their
    target. Raises `ValueError` if kinds differ in their models or rows do not match.
    """
    plan = as_plan(protocol)
    names = next(iter(maps.values())).names
    if any(each.names != names for each in maps.values()):
        raise ValueError("All kinds of maps must be of the same models in one order.")
    load = embeddings if callable(embeddings) else embeddings.__getitem__
    n, options = len(names), {"normalize_images": normalize_images}
    galleries: list[Templates] = []
    waiting: dict[tuple[str, int, int], Templates] = {}
    found: dict[tuple[str, int, int], TarAtFar] = {}

    def judge(key):
        kind, i, j = key
        scores = score_pairs(galleries[j], waiting.pop(key), plan.pairs)
        inspect(kind, i, j, scores)
        return tar_at_far(scores, plan.genuine, fars, rule=rule)

    for i in range(n):
        galleries.append(_read(load(i), i, names, plan, maps, options, pool_first, waiting))
        ready = [key for key in waiting if key[2] < len(galleries)]
        for key in ready:
            found[key] = judge(key)
            progress(len(found), n * (len(maps) * (n - 1) + 1))
    tables = {}
    for kind in maps:
        cell = lambda i, j, kind=kind: found["native" if i == j else kind, i, j]
        rows = [_stack([cell(i, j) for j in range(n)]) for i in range(n)]
        tables[kind] = _stack(rows)
    return PairVerdicts(tables, names)


def _read(x, i, names, plan, maps, options, pool_first, waiting) -> Templates:
    """Pool model i's images: its own gallery, and its probes for every target."""
    if x.shape[0] != plan.n_images:
        raise ValueError(
            f"The protocol has {plan.n_images} images, but the embeddings of {names[i]} "
            f"are {x.shape}: one row an image, in the order of the protocol."
        )
    gallery, probe = (x[used] for used in plan.rows)
    groups = plan.grouping
    native = pool_templates(probe, groups[1], **options)
    waiting["native", i, i] = native
    others = [(kind, j) for kind in maps for j in range(len(names)) if j != i]
    each = [maps[kind][i, j] for kind, j in others]
    pooled = pool_mapped(each, probe, groups[1], pool_first=pool_first, **options)
    for (kind, j), templates in zip(others, pooled, strict=True):
        waiting[kind, i, j] = templates
    return pool_templates(gallery, groups[0], **options)


def _stack(parts: list[TarAtFar]) -> TarAtFar:
    return jax.tree.map(lambda *x: np.stack([np.asarray(y) for y in x]), *parts)
