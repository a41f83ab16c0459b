"""Identification: each probe searched in a gallery (IJB 1:N; paper 000, section 3.1)."""

import functools as ft
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from ..core.linalg import matmul
from ..core.mesh import each_shard, everywhere, placed
from ..core.order import largest
from .subjects import code_sides
from .tar import tar_at_far, TarAtFar
from .templates import Templates


tile_scores = 2**22
"""Scores held at once."""


class Identification(eqx.Module):
    """What searching n probes in a gallery found; host arrays.

    - `mated (n,)`: whether the gallery holds the probe's subject
    - `rank (n,)`: place of the mate, 1 the best; 0 where there is none, or its score is NaN
    - `mate_score`, `best_score (n,)`: of the best mate (-inf without) and of the best of
      all others; NaN if one of them is
    - `open_set`: the true positive identification rate (`.tar`) at each target false
      positive identification rate (`.far` achieved, `.threshold`)
    - `gallery_size`: people in the gallery
    - `within`: ranks that count for the open set; None for all
    """

    mated: Bool[np.ndarray, " n"]
    rank: Int[np.ndarray, " n"]
    mate_score: Float[np.ndarray, " n"]
    best_score: Float[np.ndarray, " n"]
    open_set: TarAtFar | None
    gallery_size: int = eqx.field(static=True)
    within: int | None = eqx.field(static=True, default=None)

    def hit_rate(self, ranks) -> Float[np.ndarray, "*r"]:
        """Share of mated probes whose mate is among the first `ranks`; NaN without any."""
        found = self.rank[self.mated]
        ranks = np.asarray(ranks)
        hits = (found > 0) & (found <= ranks[..., None])
        with np.errstate(invalid="ignore"):
            return np.asarray(hits.sum(-1) / np.float64(found.size))

    @property
    def open_scores(self) -> Float[np.ndarray, " n"]:
        """What thresholds are held against: a mate's score (NaN beyond `within`), or the
        best score of a probe without one."""
        mate = self.mate_score
        if self.within is not None:
            mate = np.where(self.rank <= self.within, mate, np.nan)
        return np.where(self.mated, mate, self.best_score)

    @property
    def cmc(self) -> Float[np.ndarray, " r"]:
        """Cumulative match characteristic: `hit_rate` at ranks 1, 2, ... gallery size."""
        return self.hit_rate(np.arange(1, self.gallery_size + 1))

    @property
    def tpir_at_fpir(self) -> Float[np.ndarray, "*q"]:
        """Mated probes whose mate scores at least the threshold, at each target FPIR."""
        if self.open_set is None:
            raise ValueError(
                "An open-set rate needs probes of both kinds: here "
                f"{np.count_nonzero(self.mated)} of {self.mated.size} have a mate."
            )
        return np.asarray(self.open_set.tar)


def identify(
    gallery: Templates,
    probes: Templates,
    gallery_subjects,
    probe_subjects,
    *,
    fpirs: float | Sequence[float] = (1e-2, 1e-1),
    rule: str = "strict",
    within: int | None = None,
) -> Identification:
    """Search every probe in the gallery.

    **Arguments:**

    - `gallery`, `probes`: templates of one space; scores are inner products.
    - `gallery_subjects (m,)`, `probe_subjects (n,)`: who each template shows. A subject
      with several gallery templates counts once, by its best.
    - `fpirs`: targets. FPIR is the share of probes without a mate whose best score reaches
      the threshold; TPIR the share of those with one whose mate's does. The threshold
      follows `rule` of `tar_at_far`.
    - `within`: count a mate for TPIR only among the first `within` ranks.

    A mate's rank is 1 plus the other subjects who score at least as much: ties count
    against it. NaN is never a hit. Without probes of both kinds `open_set` is None. Raises
    `ValueError` on shapes that do not match, or subjects of which one side are numbers and
    the other strings.
    """
    sides = (gallery, gallery_subjects), (probes, probe_subjects)
    for templates, subjects in sides:
        if np.shape(subjects) != (len(templates.ids),):
            raise ValueError(
                f"{len(templates.ids)} templates need a subject each; got "
                f"{np.shape(subjects)}."
            )
    if gallery.vectors.shape[1] != probes.vectors.shape[1]:
        raise ValueError(
            f"Probes {probes.vectors.shape} do not compare with a gallery "
            f"{gallery.vectors.shape}: map one side."
        )
    known, searched = code_sides(gallery_subjects, probe_subjects)
    people, left = np.unique(known, return_inverse=True)
    at = np.searchsorted(people, searched)
    mated = people[np.minimum(at, len(people) - 1)] == searched
    right = np.where(mated, at, -1).astype(np.int32)
    mate, best, rank = _search(
        gallery.vectors, probes.vectors, left.astype(np.int32), right, len(people)
    )
    found = Identification(mated, rank, mate, best, None, len(people), within)
    if not mated.any() or mated.all():
        return found
    open_set = tar_at_far(found.open_scores, mated, fpirs, rule=rule)
    return Identification(mated, rank, mate, best, open_set, len(people), within)


def _search(gallery, probes, left, right, people: int):
    """Best mate, best other, and rank of the mate, of each probe, tile by tile.

    `left (m,)` and `right (n,)` number the gallery's people; -1 is none of them.
    """
    (gallery, probes), shards = everywhere((gallery, probes))
    devices = 1 if shards is None else shards.number
    size = max(1, min(-(-len(probes) // devices), tile_scores // len(gallery))) * devices
    shards = None if shards is None else shards._replace(n=size)
    parts = []
    for start in range(0, len(probes), size):
        rows, who = probes[start : start + size], right[start : start + size]
        fill = size - len(who)  # one shape, one program
        rows = jnp.pad(jnp.asarray(rows), ((0, fill), (0, 0)))
        found = _search_tile(
            gallery, rows, left, np.pad(who, (0, fill)), people=people, shards=shards
        )
        parts.append([np.asarray(x)[: len(who)] for x in everywhere(found)[0]])
    return tuple(map(np.concatenate, zip(*parts, strict=True)))


@ft.partial(jax.jit, static_argnames=("people", "shards"))
def _search_tile(gallery, probes, left, right, *, people: int, shards=None):
    def search(rows, gallery, left):
        return _search_rows(gallery, rows[0], left, rows[1], people)

    with placed(shards):
        rows = probes, jnp.asarray(right)
        return each_shard(search, rows, gallery, jnp.asarray(left), gives_rows=True)


def _search_rows(gallery, probes, left, right, people: int):
    scores = matmul(probes, gallery.T)
    if people < gallery.shape[0]:
        scores = jax.ops.segment_max(scores.T, left, people).T
        left = jnp.arange(people, dtype=jnp.int32)
    same = right[:, None] == left[None]
    mate = largest(jnp.where(same, scores, -jnp.inf), axis=1)
    best = largest(jnp.where(same, -jnp.inf, scores), axis=1)
    ahead = jnp.sum(~same & (scores >= mate[:, None]), axis=1, dtype=jnp.int32)
    rank = jnp.where(jnp.any(same, axis=1) & ~jnp.isnan(mate), 1 + ahead, 0)
    return mate, best, rank
