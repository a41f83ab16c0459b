"""Identification through a map, in each gallery of a 1:N protocol (IJB-C's G1 and G2)."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Key

from ..core.maps import AbstractMap
from ..core.types import Numeric
from ..data.protocol import Protocol, Roster
from ..evaluate.identify import Identification, identify
from ..evaluate.pooling import pool_mapped, pool_templates
from ..evaluate.search_confidence import search_confidence, SearchConfidence
from ..evaluate.templates import group_templates, Templates
from .verify_map import check_rows, check_side, check_weights, Side


class MapIdentification(eqx.Module):
    """The search of each gallery, `searches["G1"]`, and means over galleries.

    A probe has a mate in the galleries its person is in; in the others it is one of those
    without, whose best scores set the threshold.

    - `spread`: intervals, by gallery and of the "mean"; None unless a key was given
    """

    searches: dict[str, Identification]
    mapped_side: str = eqx.field(static=True)
    pool_first: bool = eqx.field(static=True, default=False)
    spread: dict[str, SearchConfidence] | None = None

    def hit_rate(self, ranks) -> Float[np.ndarray, "*r"]:
        """`Identification.hit_rate` at `ranks`, mean over galleries."""
        rates = [found.hit_rate(ranks) for found in self.searches.values()]
        return np.asarray(np.mean(rates, axis=0))

    @property
    def tpir_at_fpir(self) -> Float[np.ndarray, "*q"]:
        """TPIR at each target FPIR, mean over galleries."""
        rates = [found.tpir_at_fpir for found in self.searches.values()]
        return np.asarray(np.mean(rates, axis=0))


def identify_map(
    m: AbstractMap,
    source: Float[Numeric, "n d"],
    target: Float[Numeric, "n k"],
    protocol: Protocol,
    *,
    mapped_side: Side = "probe",
    fpirs: float | Sequence[float] = (1e-2, 1e-1),
    rule: str = "strict",
    weights: Float[Numeric, " n"] | None = None,
    normalize_images: bool = True,
    pool_first: bool = False,
    key: Key[Array, ""] | None = None,
    ranks: Sequence[int] = (1, 5, 10),
    replicates: int = 200,
    level: float = 0.95,
) -> MapIdentification:
    """Search the probes of a 1:N protocol in each of its galleries, apart.

    Templates are made as `verify_map` makes them, with the same arguments; the native
    model is `identity_map(d)` with its embeddings on both sides. `fpirs` and `rule` are
    those of `identify`. `key` draws the people of the probes for the intervals of `spread`
    (`search_confidence`, the strict rule), with `ranks`, `replicates` and `level`. Raises
    `ValueError` where the protocol has no 1:N lists, or rows or weights do not match.
    """
    check_side(mapped_side)
    check_rows(m, source, target, protocol.n_images)
    check_weights(weights, protocol.n_images)
    if protocol.probes is None:
        raise ValueError(
            f"The protocol {protocol.name!r} has no 1:N lists: read it with its 1N files."
        )

    def pool(roster: Roster, name: str) -> Templates:
        used = np.isin(protocol.template, roster.template)
        grouping = group_templates(protocol.template[used], protocol.media[used])
        given = None if weights is None else weights[used]
        options = {"weights": given, "normalize_images": normalize_images}
        if mapped_side in (name, "both"):
            return pool_mapped(m, source[used], grouping, pool_first=pool_first, **options)
        return pool_templates(target[used], grouping, **options)

    probes, found = pool(protocol.probes, "probe"), {}
    who = lambda templates: protocol.subject_of(np.asarray(templates.ids))
    for name, roster in protocol.galleries.items():
        gallery = pool(roster, "gallery")
        found[name] = identify(
            gallery, probes, who(gallery), who(probes), fpirs=fpirs, rule=rule
        )
    if key is None:
        return MapIdentification(found, mapped_side, pool_first)
    options = {"ranks": ranks, "replicates": replicates, "level": level}
    spread = {
        name: search_confidence(key, each, who(probes), **options)
        for name, each in (found | {"mean": list(found.values())}).items()
    }
    return MapIdentification(found, mapped_side, pool_first, spread)
