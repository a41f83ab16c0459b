"""Who plays which part in a report: what is needed to deal the people again."""

import equinox as eqx
import numpy as np

from ..attack import AttackPlan
from .inputs import ReportRows


class Parts(eqx.Module):
    """Rows and people of each part, on the host.

    - `rows`: {part: row numbers} of what is "fitted on" and "judged" and, dealt anew for
      the attack, "leaked", "gallery" and "probes"
    - `people`: {part: labels as given, in order} of "fitted on", "judged", "leaked", and of
      "victims" (probes and gallery), "distractors" (gallery alone), "strangers" (probes
      alone)
    """

    rows: dict[str, np.ndarray]
    people: dict[str, np.ndarray]


def name_parts(rows: ReportRows, plan: AttackPlan) -> Parts:
    """The parts of the halves and of an attack on the same rows."""
    found = {"fitted on": np.flatnonzero(rows.fit), "judged": np.flatnonzero(rows.judged)}
    found |= {"leaked": plan.leaked, "gallery": plan.gallery, "probes": plan.probes}
    gallery, probes = rows.label[plan.gallery], rows.label[plan.probes]
    people = {name: np.unique(rows.label[found[name]]) for name in (*found,)[:3]}
    people["victims"] = np.intersect1d(gallery, probes)
    people["distractors"] = np.setdiff1d(gallery, probes)
    people["strangers"] = np.setdiff1d(probes, gallery)
    return Parts(found, {name: rows.who[codes] for name, codes in people.items()})
