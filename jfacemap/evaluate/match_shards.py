"""Exact TAR at FAR of comparisons in parts: by process, by file, by day.

Each part is counted where it lies, counts are merged (`jfm.merge`), the merged counts tell
which bins hide a threshold, each part counts inside those, and these counts merge too:

    parts = [count_matches(*part) for part in shards]
    counts = functools.reduce(merge, parts)
    inside = bins_in_doubt(counts, fars)
    while inside:
        fine = functools.reduce(merge, [count_matches(*p, inside=inside) for p in shards])
        inside = bins_in_doubt(counts, fars, fine)
    tar = tar_of_counts(counts, fine, fars)

One turn of the loop is the rule. The result is exact: that of `tar_at_far` on all the
scores that the parts computed.
"""

from collections.abc import Sequence
from typing import overload

from .accepts import TarAtFar
from .cross_match import code_people
from .match_counts import FineCounts, MatchCounts
from .match_points import in_doubt, read_points
from .match_tar import tar_from_points
from .match_tiles import count_bins, count_inside, Progress
from .rules import check_rule
from .target import check_fars
from .templates import Templates


@overload
def count_matches(
    gallery: Templates, probes: Templates, gallery_subjects, probe_subjects,
    *, inside: None = None, progress: Progress = ...,
) -> MatchCounts: ...  # fmt: skip
@overload
def count_matches(
    gallery: Templates, probes: Templates, gallery_subjects, probe_subjects,
    *, inside: Sequence[int], progress: Progress = ...,
) -> FineCounts: ...  # fmt: skip
def count_matches(
    gallery: Templates,
    probes: Templates,
    gallery_subjects,
    probe_subjects,
    *,
    inside: Sequence[int] | None = None,
    progress: Progress = lambda done, total: None,
) -> MatchCounts | FineCounts:
    """Count the scores of every gallery template with every probe template, by bin.

    **Arguments:**

    - `gallery`, `probes`, `gallery_subjects (m,)`, `probe_subjects (n,)`, `progress`: as
      in `cross_match`, of one part of the comparisons. Subjects are only ever compared
      within a part.
    - `inside`: bins, as `bins_in_doubt` names them, whose scores are told apart.

    Scores are float32. The same vectors must give the same scores in both passes: take the
    same parts on the same machines. Raises `ValueError` as `cross_match` does.
    """
    people = code_people(gallery, [probes], gallery_subjects, probe_subjects)
    if inside is None:
        return count_bins(gallery.vectors, probes.vectors, people, progress)
    return count_inside(gallery.vectors, probes.vectors, people, sorted(inside), progress)


def bins_in_doubt(
    counts: MatchCounts,
    fars: float | Sequence[float],
    fine: FineCounts | None = None,
    *,
    rule: str = "strict",
) -> list[int]:
    """Bins to count inside before `tar_of_counts` can be exact; none if it is already.

    Those of `fine` are among them: a further pass replaces it. Counts are of one map:
    `ValueError` for those of several, as of targets that are no rates.
    """
    check_rule(rule)
    if counts.genuine.ndim > 1:
        raise ValueError(
            f"Counts of several maps, {counts.genuine.shape[:-1]}: take those of one, as "
            "by jax.tree.map(lambda x: x[0], counts)."
        )
    points = read_points(counts, fine)
    doubt = in_doubt(points, check_fars(fars).ravel().tolist(), rule)
    known = set() if fine is None else set(fine.bins.tolist())
    return sorted(doubt | known) if doubt else []


def tar_of_counts(
    counts: MatchCounts,
    fine: FineCounts | None,
    fars: float | Sequence[float],
    *,
    rule: str = "strict",
) -> TarAtFar:
    """TAR at each target from merged counts: exactly `tar_at_far` of all the scores.

    Raises `ValueError` if `fine` lacks a bin that may hide a threshold, or where
    `bins_in_doubt` does.
    """
    missing = bins_in_doubt(counts, fars, fine, rule=rule)
    if missing:
        raise ValueError(
            f"Thresholds may lie inside the bins {missing}: count_matches(inside=them) "
            "first, and give the merged result as `fine`."
        )
    return tar_from_points([read_points(counts, fine)], counts.n_nan, fars, rule, ())
