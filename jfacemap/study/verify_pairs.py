"""Every model's probes in every other model's gallery: a protocol at full size.

Each model's images are read once. From one pass over them come its own templates and its
templates in all other spaces; a pair of models is scored as soon as both have been read.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key

from ..core.types import Numeric
from ..data.protocol import Protocol
from ..evaluate.confidence import TarConfidence
from ..evaluate.difference import tar_difference, TarDifference
from ..evaluate.pooling import pool_mapped, pool_templates
from ..evaluate.scoring import score_pairs
from ..evaluate.subject_bootstrap import subject_confidence
from ..evaluate.tar import tar_at_far, TarAtFar
from ..evaluate.templates import Templates
from ..fit.all_pairs import PairMaps
from .verify_map import (
    as_plan,
    check_images,
    check_side,
    check_weights,
    ijb_fars,
    Side,
    VerificationPlan,
)


sides = "gallery", "probe"


class PairVerdicts(eqx.Module):
    """TAR of each kind of map, `(source, target, far)`; the diagonal is native.

    - `spread`: intervals of the same cells over probe subjects; None unless a key was
      given
    - `pool_first`: whether templates were mapped in place of images
    """

    tar: dict[str, TarAtFar]
    names: tuple[str, ...] = eqx.field(static=True)
    mapped_side: str = eqx.field(static=True)
    spread: dict[str, TarConfidence] | None = None
    pool_first: bool = eqx.field(static=True, default=False)

    def less_native(self, kind: str) -> TarDifference:
        """TAR of each pair less the target's own, paired; the diagonal is 0."""
        if self.spread is None:
            raise ValueError("No intervals were drawn: give verify_pairs a key.")
        return less_native(self.spread[kind])


def less_native(cells: TarConfidence) -> TarDifference:
    """Cells `(source, target, far)` less each target's own, on their diagonal; paired."""
    return tar_difference(cells, _own(cells))


def verify_pairs(
    maps: Mapping[str, PairMaps],
    embeddings: Sequence | Mapping[str, Any] | Callable[[int], np.ndarray],
    protocol: Protocol | VerificationPlan,
    *,
    mapped_side: Side = "probe",
    fars: float | Sequence[float] = ijb_fars,
    rule: str = "strict",
    weights: Float[Numeric, " n"] | None = None,
    normalize_images: bool = True,
    pool_first: bool = False,
    key: Key[Array, ""] | None = None,
    replicates: int = 200,
    level: float = 0.95,
    inspect: Callable[[str, int, int, Array], None] = lambda kind, i, j, scores: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PairVerdicts:
    """`verify_map` of all ordered pairs of N models, for each kind of map.

    **Arguments:**

    - `maps`: by kind, as `fit_all_pairs` returns them.
    - `embeddings`: of each model all images of the protocol `(n, d)`, in order or by name;
      or a function that loads model i, called once, one model in memory at a time.
    - `protocol`, `mapped_side`, `fars`, `rule`, `weights`, `normalize_images`,
      `pool_first`: as in `verify_map`. The side that is not mapped is the target's own.
    - `key`: draws probe subjects for intervals of every cell (`subject_confidence`, the
      strict rule), the same draws for all, so that cells subtract; `replicates` and
      `level` as there. Takes longer than all else.
    - `inspect`: called with kind, source, target and the scores `(P,)` of each pair of
      models, which are not kept. Of the diagonal the kind is "native".
    - `progress`: called with (model pairs done, of how many).

    Memory is one model's images and the mapped templates of the pairs that wait for their
    target. Raises `ValueError` if kinds differ in their models, there is no kind, or
    embeddings, their rows or weights do not match.
    """
    plan = as_plan(protocol)
    check_side(mapped_side)
    check_weights(weights, plan.n_images)
    if not maps:
        raise ValueError("No kind of maps to verify: pass at least one, by its name.")
    names = next(iter(maps.values())).names
    if any(each.names != names for each in maps.values()):
        raise ValueError("All kinds of maps must be of the same models in one order.")
    if isinstance(embeddings, Mapping):
        if set(embeddings) != set(names):
            raise ValueError(
                f"Maps are of {', '.join(names)}, embeddings of {', '.join(embeddings)}."
            )
        embeddings = [embeddings[name] for name in names]
    if not callable(embeddings) and len(embeddings) != len(names):
        raise ValueError(
            f"Maps of {len(names)} models but {len(embeddings)} embeddings: one each."
        )
    load = embeddings if callable(embeddings) else embeddings.__getitem__
    n, total = len(names), len(names) * (len(maps) * (len(names) - 1) + 1)
    mapped = [side for side in sides if mapped_side in (side, "both")]
    subject = np.zeros(0) if key is None else plan.protocol.probe_subject
    own: list[dict[str, Templates]] = []
    waiting: dict[tuple[str, int, int], dict[str, Templates]] = {}
    found: dict[tuple[str, int, int], TarAtFar] = {}
    spread: dict[tuple[str, int, int], TarConfidence] = {}

    def judge(cell):
        kind, i, j = cell
        templates = own[j] | waiting.pop(cell)
        scores = score_pairs(templates["gallery"], templates["probe"], plan.pairs)
        inspect(kind, i, j, scores)
        if key is not None:
            spread[cell] = subject_confidence(
                key, scores, plan.genuine, subject, fars, replicates=replicates, level=level
            )
        return tar_at_far(scores, plan.genuine, fars, rule=rule)

    for i in range(n):
        x = load(i)
        check_images(x, f"the embeddings of {names[i]}", plan.n_images)
        own.append({})
        cells = [(kind, i, j) for kind in maps for j in range(n) if j != i]
        waiting |= {cell: {} for cell in [("native", i, i), *cells]}
        for side, used, grouping in zip(sides, plan.rows, plan.grouping, strict=True):
            given = None if weights is None else weights[used]
            options = {"weights": given, "normalize_images": normalize_images}
            images = x[used]
            own[i][side] = pool_templates(images, grouping, **options)
            if side in mapped:
                each = [maps[kind][i, j] for kind, _, j in cells]
                options["pool_first"] = pool_first
                pooled = pool_mapped(each, images, grouping, **options)
                for cell, templates in zip(cells, pooled, strict=True):
                    waiting[cell][side] = templates
            del images
        del x
        for cell in [cell for cell in waiting if cell[2] <= i]:
            found[cell] = judge(cell)
            progress(len(found), total)
    table = lambda cells, kind: _table(cells, kind, n)
    return PairVerdicts(
        {kind: table(found, kind) for kind in maps},
        names,
        mapped_side,
        {kind: _by_draw(table(spread, kind)) for kind in maps} if spread else None,
        pool_first,
    )


def _table(found: Mapping, kind: str, n: int):
    """Results of single cells as one of arrays `(source, target, ...)`."""
    cells = [found["native" if i == j else kind, i, j] for i, j in np.ndindex(n, n)]
    stack = lambda *x: np.stack([np.asarray(y) for y in x]).reshape(n, n, *np.shape(x[0]))
    return jax.tree.map(stack, *cells)


def _by_draw(table: TarConfidence) -> TarConfidence:
    """Draws first, as `TarConfidence` has them."""
    draws = np.moveaxis(table.replicates, 2, 0)
    return eqx.tree_at(lambda t: t.replicates, table, draws)


def _own(cells: TarConfidence) -> TarConfidence:
    """Each target's own cell, as `(1, target, ...)` to be taken from all sources'."""

    def take(x, at):
        own = np.moveaxis(np.diagonal(x, axis1=at, axis2=at + 1), -1, at)
        return np.expand_dims(own, at)

    fields = lambda t: (t.tar, t.lower, t.upper, t.replicates)
    own = [*(take(x, 0) for x in fields(cells)[:3]), take(cells.replicates, 1)]
    return eqx.tree_at(fields, cells, own)
