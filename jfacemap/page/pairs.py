"""Pairs of a report's models: which there are, and what was chosen for them."""

import numpy as np

from ..study.report.whole import Report
from .count import listed


def pairs_of(r: Report) -> list[tuple[str, str]]:
    """Names of the unordered pairs of models, in the order of `np.triu_indices`."""
    n = len(r.names)
    return [(r.names[i], r.names[j]) for i in range(n) for j in range(i + 1, n)]


def ladder_pairs(r: Report) -> str:
    """Which pairs of models the ladder is climbed for, of how many."""
    told = listed([f"{source} → {target}" for source, target in r.ladders])
    of = len(r.names) * (len(r.names) - 1)
    return f"{told}, {len(r.ladders)} of {of}, each model a source once and a target once"


def ranks_of(r: Report) -> tuple[int, int]:
    """Least and most of the ranks chosen for pairs of two models."""
    off = ~np.eye(len(r.names), dtype=bool)
    ranks = [r.chosen[n][off] for n in r.chosen if n.startswith("low rank")]
    return int(np.min(ranks)), int(np.max(ranks))
