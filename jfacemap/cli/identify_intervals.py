"""`jfacemap identify --intervals`: the people searched for are drawn."""

from itertools import product

import jax
import numpy as np

from ..evaluate.confidence import TarConfidence
from ..evaluate.identify import Identification
from ..evaluate.search_confidence import search_confidence
from .verdict import describe_draws


def add_intervals(
    found: dict, searched: dict[str, Identification], whom: np.ndarray, c
) -> None:
    """Put intervals into the table of `found`, of each gallery and of their mean."""
    parts = searched | {"mean": list(searched.values())}
    key, ends = jax.random.key(c.seed), {}
    each = {n: search_confidence(key, p, whom, ranks=c.ranks) for n, p in parts.items()}
    for name, spread in each.items():
        ends |= _ends(spread.hit_rate, product([name], ["rank"], c.ranks))
        if spread.tpir is not None:
            ends |= _ends(spread.tpir, product([name], ["tpir"], c.fpirs))
    for row in found["table"]:
        row["low"], row["high"] = ends[row["gallery"], row["rate"], row["at"]]
    bands = each["mean"].tpir or each["mean"].hit_rate
    found["interval"] = describe_draws(bands, "people searched for", c.seed)
    found["draws_skipped"] = bands.n_skipped


def _ends(bands: TarConfidence, cells) -> dict:
    ends = zip(bands.lower.tolist(), bands.upper.tolist(), strict=True)
    return dict(zip(cells, ends, strict=True))
