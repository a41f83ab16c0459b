"""Exact TAR at FAR over every gallery x probe comparison, however many there are."""

from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np

from .match_counts import FineCounts, MatchCounts
from .match_points import (
    choose,
    count_limits,
    Points,
    read_points,
    rules,
    tar_from_points,
    unsure,
)
from .match_tiles import count_bins, count_inside, Progress
from .tar import TarAtFar
from .templates import Templates


class CrossMatch(eqx.Module):
    """TAR at each target FAR, and the counts every curve can be read off.

    With several sets of probes (one a map) all have them as their first axis.
    """

    tar: TarAtFar
    counts: MatchCounts


def cross_match(
    gallery: Templates,
    probes: Templates | Sequence[Templates],
    gallery_subjects,
    probe_subjects,
    fars: float | Sequence[float],
    *,
    rule: str = "strict",
    progress: Progress = lambda done, total: None,
) -> CrossMatch:
    """Compare every gallery template with every probe template; keep no score.

    **Arguments:**

    - `gallery`: m templates; `probes`: n templates, or a sequence of such sets with the
      same subjects, one a map, each compared with the gallery.
    - `gallery_subjects (m,)`, `probe_subjects (n,)`: who each template shows. A
      comparison of one subject is genuine.
    - `fars`: targets, plain numbers from 0 to 1.
    - `rule`: "strict", "nearest" or "interpolate", as in `tar_at_far`.
    - `progress`: called with (tiles done, tiles in this pass) after each tile.

    Scores are inner products. Results are bit-equal to `tar_at_far` of the same scores:
    a first pass counts them in bins, a second one looks into the bins that hold a
    threshold (a third, rarely, beside them). Memory is that of the vectors, a tile of 4
    million scores and the counts: a billion comparisons take no more than a million.
    Driven from the host. Raises `ValueError` on shapes that do not match, an unknown
    rule, or targets that are no rates.
    """
    if rule not in rules:
        raise ValueError(
            f"rule is one of {', '.join(rules)}; got {rule!r}. (Rule 'insightface' needs "
            "the whole curve: score the pairs, then jfm.tar_at_far.)"
        )
    several = not isinstance(probes, Templates)
    each = list(probes) if several else [probes]
    people = _code_people(gallery, each, gallery_subjects, probe_subjects)
    targets = np.asarray(fars, np.float64)
    if not np.all((targets >= 0) & (targets <= 1)):
        raise ValueError(f"FAR targets are rates from 0 to 1; got {fars}.")
    counts, points = [], []
    for side in each:
        pair = gallery.vectors, side.vectors
        counts.append(count_bins(*pair, people, progress))
        points.append(
            _look_inside(pair, people, counts[-1], targets.ravel(), rule, progress)
        )
    whole = jax.tree.map(lambda *x: np.stack(x), *counts) if several else counts[0]
    shape = (len(each),) if several else ()
    return CrossMatch(tar_from_points(points, whole.n_nan, fars, rule, shape), whole)


def _look_inside(pair, people, counts, targets, rule, progress) -> Points:
    """Points that are sure around each target: passes until nothing is hidden."""
    wanted: set[int] = set()
    fine: FineCounts | None = None
    limits = count_limits(int(counts.impostor.sum()), targets)
    asked = [(0, 0.0, "strict")]
    asked += [
        (k, far, rule) for k, far in zip(limits.tolist(), targets.tolist(), strict=True)
    ]
    while True:
        points = read_points(counts, fine)
        more = set().union(*(unsure(points, choose(points, *ask)) for ask in asked))
        if not more:
            return points
        wanted |= more
        fine = count_inside(*pair, people, sorted(wanted), progress)


def _code_people(gallery, each, gallery_subjects, probe_subjects):
    """Both sides' subjects as numbers of one list."""
    sides = np.asarray(gallery_subjects), np.asarray(probe_subjects)
    for name, subjects, templates in zip(
        ("gallery", "probe"), sides, (gallery, each[0]), strict=True
    ):
        if subjects.shape != (len(templates.ids),):
            raise ValueError(
                f"{len(templates.ids)} {name} templates need as many subjects, one each; "
                f"got {subjects.shape}."
            )
    for templates in each:
        if templates.vectors.shape != (len(sides[1]), gallery.vectors.shape[1]):
            raise ValueError(
                f"Probes {templates.vectors.shape} do not compare with a gallery "
                f"{gallery.vectors.shape}: map one side, and keep the same probes."
            )
    _, code = np.unique(np.concatenate(sides), return_inverse=True)
    return np.split(code.astype(np.int32), [len(sides[0])])
