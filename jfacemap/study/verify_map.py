"""Verification through a map, from image embeddings to TAR (paper 000, section 3.3)."""

import warnings
from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Key

from ..core.maps import AbstractMap
from ..core.moments import check_signs
from ..core.types import Numeric
from ..data.protocol import Protocol
from ..evaluate.confidence import TarConfidence
from ..evaluate.difference import tar_difference, TarDifference
from ..evaluate.pooling import pool_mapped, pool_templates
from ..evaluate.scoring import PairPlan, plan_pairs, score_pairs
from ..evaluate.subject_bootstrap import subject_confidence
from ..evaluate.tar import tar_at_far, TarAtFar
from ..evaluate.templates import group_templates, Grouping, Templates


ijb_fars = 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1
"""The six false accept rates of paper 000, Table 2."""

Side = Literal["probe", "gallery", "both"]


class VerificationPlan(eqx.Module):
    """A protocol made ready, once for all models: rows, groups and pairs of each side.

    - `rows`, `grouping`: images of the first and of the second templates of the pairs, and
      the templates they make
    - `pairs`: where each pair's score is computed
    - `protocol`: what was planned
    """

    rows: tuple[np.ndarray, np.ndarray]
    grouping: tuple[Grouping, Grouping]
    pairs: PairPlan
    protocol: Protocol

    @property
    def genuine(self) -> Bool[np.ndarray, " P"]:
        """Whether a pair is one person."""
        return self.protocol.genuine

    @property
    def n_images(self) -> int:
        """Images the protocol has: rows every model must embed."""
        return self.rows[0].size


class Spread(eqx.Module):
    """Intervals over probe subjects, all from the same draws.

    - `mapped`, `native`: TAR through the map, and of the target model on both sides
    - `excess`: mapped less native, paired
    """

    mapped: TarConfidence
    native: TarConfidence
    excess: TarDifference


class MapVerdict(eqx.Module):
    """TAR at each FAR of one map, its scores `(P,)`, and which side was mapped.

    - `spread`: intervals; None unless a key was given
    - `pool_first`: whether templates were mapped in place of images
    """

    tar: TarAtFar
    scores: Float[Array, " P"]
    mapped_side: str = eqx.field(static=True)
    spread: Spread | None = None
    pool_first: bool = eqx.field(static=True, default=False)


def plan_verification(protocol: Protocol) -> VerificationPlan:
    """Group images by template and media, and look up the pairs; on the host, once.

    Of a pair the first template is the gallery's and the second the probe's, as in the
    published files. Only templates that occur in a pair are pooled.
    """
    rows, groups = [], []
    for side in protocol.pairs.T:
        used = np.isin(protocol.template, np.unique(side))
        rows.append(used)
        groups.append(group_templates(protocol.template[used], protocol.media[used]))
    blank = [Templates(g.ids, np.zeros((len(g.ids), 1), np.float32)) for g in groups]
    pairs = plan_pairs(blank[0], blank[1], protocol.pairs)
    both = (rows[0], rows[1]), (groups[0], groups[1])
    return VerificationPlan(*both, pairs, protocol)


def as_plan(protocol: Protocol | VerificationPlan) -> VerificationPlan:
    """The plan of a protocol, or the plan given."""
    ready = isinstance(protocol, VerificationPlan)
    return protocol if ready else plan_verification(protocol)


def verify_map(
    m: AbstractMap,
    source: Float[Numeric, "n d"],
    target: Float[Numeric, "n k"],
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
) -> MapVerdict:
    """Compare source embeddings, mapped, with target embeddings, pair by pair.

    Images of the mapped side are embedded by the source, mapped, scaled to unit length and
    pooled to templates; those of the other side are embedded by the target and pooled.
    Score is the inner product of unit templates.

    **Arguments:**

    - `source`, `target`: embeddings of all n images of the protocol, in its order. The map
      gets source rows as they are: scale them first (`jfm.unit`) if it was fitted on unit
      rows and has a bias. For a map with a bias, rows that are not of unit length warn.
    - `protocol`: a `Protocol`, or its `plan_verification`, which saves the look-up when
      several maps are verified.
    - `mapped_side`: "probe" maps the probes into the target's gallery; "gallery" the
      gallery; "both" maps both.
    - `fars`, `rule`: as in `tar_at_far`.
    - `weights`, `normalize_images`, `pool_first`: as in `pool_mapped`; weights serve both
      sides. `normalize_images` scales the images of the unmapped side too.
    - `key`: draws probe subjects (`subject_confidence`, the strict rule) `replicates`
      times for the intervals of `spread`: of TAR through the map, of the target's own,
      and of their difference.

    Raises `ValueError` if rows or weights do not match the protocol or widths the map.
    """
    plan = as_plan(protocol)
    check_side(mapped_side)
    check_weights(weights, plan.n_images)
    check_rows(m, source, target, plan.n_images)

    def pool(side: int, name: str, m: AbstractMap | None) -> Templates:
        used, grouping = plan.rows[side], plan.grouping[side]
        given = None if weights is None else weights[used]
        options = {"weights": given, "normalize_images": normalize_images}
        if m is not None and mapped_side in (name, "both"):
            return pool_mapped(m, source[used], grouping, pool_first=pool_first, **options)
        return pool_templates(target[used], grouping, **options)

    def score(m: AbstractMap | None) -> Array:
        return score_pairs(pool(0, "gallery", m), pool(1, "probe", m), plan.pairs)

    scores = score(m)
    tar = tar_at_far(scores, plan.genuine, fars, rule=rule)
    if key is None:
        return MapVerdict(tar, scores, mapped_side, pool_first=pool_first)
    subject = plan.protocol.probe_subject
    mapped, native = (
        subject_confidence(
            key, each, plan.genuine, subject, fars, replicates=replicates, level=level
        )
        for each in (scores, score(None))
    )
    spread = Spread(mapped, native, tar_difference(mapped, native))
    return MapVerdict(tar, scores, mapped_side, spread, pool_first)


def check_side(mapped_side: str) -> None:
    """Raise `ValueError` unless this names a side."""
    if mapped_side not in ("probe", "gallery", "both"):
        raise ValueError(
            f"mapped_side is 'probe', 'gallery' or 'both'; got {mapped_side!r}."
        )


def check_images(rows, whose: str, n_images: int) -> None:
    """Raise `ValueError` unless there is a row an image."""
    if rows.shape[0] != n_images:
        raise ValueError(
            f"The protocol has {n_images} images, but {whose} are {rows.shape}: one row "
            "an image, in the order of the protocol."
        )


def check_weights(weights, n_images: int) -> None:
    """Raise `ValueError` unless there is a weight an image, or none at all."""
    if weights is not None and np.shape(weights) != (n_images,):
        raise ValueError(
            f"weights are ({n_images},), one an image of the protocol; got "
            f"{np.shape(weights)}."
        )
    check_signs(weights, of="an image")


def check_rows(m: AbstractMap, source, target, n_images: int) -> None:
    """Raise `ValueError` unless both have a row an image, and widths fit the map."""
    for name, rows in (("source", source), ("target", target)):
        check_images(rows, f"the {name} embeddings", n_images)
    if m.out_dim != target.shape[1]:
        raise ValueError(
            f"The map ends in width {m.out_dim}, the target has {target.shape[1]}."
        )
    if getattr(m, "bias", None) is not None and not _of_unit_length(source):
        warnings.warn(
            "The map has a bias, and the source rows are not of unit length: if it was "
            "fitted on unit rows, pass jfm.unit(source).",
            stacklevel=3,
        )


def _of_unit_length(rows) -> bool:
    """Whether some rows, zeros aside, are; those being traced are taken to be."""
    if isinstance(rows, Tracer):
        return True
    length = np.linalg.norm(np.asarray(rows[: 2**10], np.float64), axis=1)
    return bool(np.all(np.abs(length[length > 0] - 1) < 0.01))
