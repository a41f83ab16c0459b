"""Templates: which images make one enrolment, and the vector each is pooled to."""

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ..core.types import Numeric
from .ids import as_ids, Ids


class Grouping(eqx.Module):
    """Which rows make which template; a pytree whose `ids` are static.

    - `ids`: the templates, sorted
    - `order (n,)`: rows by template; None if they already are
    - `segment (n,)`: template of each row so ordered
    - `count (n,)`: rows of its template that share its media, itself included
    """

    ids: Ids = eqx.field(static=True, converter=as_ids)
    order: Int[Numeric, " n"] | None
    segment: Int[Numeric, " n"]
    count: Int[Numeric, " n"]


class Templates(eqx.Module):
    """Vectors `(templates, d)` with an id each; `np.asarray(ids)` are the ids."""

    ids: Ids = eqx.field(static=True, converter=as_ids)
    vectors: Float[Numeric, "templates d"]

    def __check_init__(self):
        if len(self.ids) != self.vectors.shape[0]:
            raise ValueError(f"{len(self.ids)} ids for {self.vectors.shape[0]} vectors.")


def group_templates(template_ids, media_ids) -> Grouping:
    """Sort rows by template and count those that share a media; on the host, once.

    Ids are one an image: integers of any size or strings. A media belongs to its
    template: the same media id under two templates makes two media.
    """
    template_ids, media_ids = np.asarray(template_ids), np.asarray(media_ids)
    if template_ids.shape != media_ids.shape or template_ids.ndim != 1:
        raise ValueError(
            "Template and media ids are one a row; got shapes "
            f"{template_ids.shape} and {media_ids.shape}."
        )
    ids, template = np.unique(template_ids, return_inverse=True)
    media, within = np.unique(media_ids, return_inverse=True)
    _, group, sizes = np.unique(
        template * media.size + within, return_inverse=True, return_counts=True
    )
    order = np.argsort(template, kind="stable")
    ordered = np.array_equal(order, np.arange(order.size))
    narrow = lambda rows: rows[order].astype(np.int32)
    return Grouping(
        ids=ids,
        order=None if ordered else order.astype(np.int32),
        segment=narrow(template),
        count=narrow(sizes[group]),
    )
