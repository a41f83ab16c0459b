"""Exact TAR at FAR over every gallery x probe comparison, however many there are."""

from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np

from .accepts import TarAtFar
from .match_counts import MatchCounts
from .match_points import settle
from .match_tar import tar_from_points
from .match_tiles import count_bins, count_inside, Progress
from .rules import check_rule
from .subjects import code_sides
from .target import check_fars
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
    - `fars`: targets, plain numbers from 0 to 1; none, if only the counts are wanted.
    - `rule`: as in `tar_at_far`.
    - `progress`: called with (tiles done, tiles in this pass) after each tile.

    Scores are inner products, in float32 whatever the vectors are. Results are bit-equal
    to `tar_at_far` of the same scores: a first pass counts them in bins, a second one looks
    into the bins that hold a threshold (a third, rarely, beside them). Memory is that of
    the vectors, a tile of 4 million scores and the counts: a billion comparisons take no
    more than a million.
    Driven from the host. Comparisons spread over processes or files: `count_matches`.
    Raises `ValueError` on shapes that do not match, subjects of which one side are
    numbers and the other strings, an unknown rule, or targets that are no rates.
    """
    check_rule(rule)
    several = not isinstance(probes, Templates)
    each = list(probes) if several else [probes]
    people = code_people(gallery, each, gallery_subjects, probe_subjects)
    targets = check_fars(fars)
    counts, points = [], []
    for side in each:
        vectors = side.vectors
        counts.append(count_bins(gallery.vectors, vectors, people, progress))
        look = lambda wanted, vectors=vectors: count_inside(
            gallery.vectors, vectors, people, wanted, progress
        )
        points.append(settle(counts[-1], targets.ravel().tolist(), rule, look))
    whole = jax.tree.map(lambda *x: np.stack(x), *counts) if several else counts[0]
    shape = (len(each),) if several else ()
    return CrossMatch(tar_from_points(points, whole.n_nan, fars, rule, shape), whole)


def code_people(gallery, each, gallery_subjects, probe_subjects):
    """Both sides' subjects as numbers of one list."""
    for name, side in (("gallery", gallery), *(("probes", x) for x in each)):
        if not isinstance(side, Templates):
            raise ValueError(
                f"The {name} are templates: pass jfm.Templates(ids, vectors), not "
                f"{type(side).__name__}."
            )
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
    return code_sides(*sides)
