"""How much a report measures."""

import dataclasses


kinds = "identity", "linear", "affine", "ridge", "low rank", "rotation", "similarity"
"""Families of maps, each in the spaces as they are and in centred ones."""

centrings = "as they are", "centred"


@dataclasses.dataclass(frozen=True)
class ReportSettings:
    """How much a report measures.

    - `fars`: target false accept rates; the first leads: curves, figures, the summary
    - `replicates`: draws of people for intervals and bands of level 95 %
    - `refits`: random halves of the people on which maps are fitted again
    - `repeats`: random subsets of fit rows of each size of the sensitivity curve
    - `most_judged`: images judged at most; whole people are left out at random beyond it
    - `folds`: parts of the fit people among which ridges and ranks are chosen
    - `neighbours`: of `jfm.compare.mutual_neighbours`
    """

    fars: tuple[float, ...] = (1e-2, 1e-1, 1e-3)
    replicates: int = 500
    refits: int = 5
    repeats: int = 2
    most_judged: int = 1500
    folds: int = 3
    neighbours: int = 10

    def __post_init__(self):
        if not self.fars or any(not 0 < far < 1 for far in self.fars):
            raise ValueError(f"fars are rates between 0 and 1; got {list(self.fars)}.")
        least = {"replicates": 2, "refits": 0, "repeats": 1, "most_judged": 4, "folds": 2}
        for name, low in (least | {"neighbours": 1}).items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} is at least {low}; got {getattr(self, name)}.")


quick = ReportSettings(replicates=100, refits=1, repeats=1, most_judged=400)
"""A smaller report: wide intervals, in a fraction of the time."""
