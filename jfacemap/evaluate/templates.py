"""Templates: the images of one enrolment pooled to one unit vector (paper 000, 3.3)."""

import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..core.linalg import unit
from ..core.types import Numeric
from .floats import at_least_float32
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


def pool_templates(
    embeddings: Float[Numeric, "n d"],
    grouping: Grouping,
    *,
    weights: Float[Numeric, " n"] | None = None,
    normalize_images: bool = False,
) -> Templates:
    r"""Mean within each media, sum over media, scaled to unit length.

    $t = \sum_i w_i x_i / c_i$ over the images of a template, with $c_i$ images in the
    media of image i, returned as $t / \|t\|$ (insightface's `image2template_feature`).

    **Arguments:**

    - `embeddings`: a row per image, in the order of the ids grouped.
    - `weights`: multiply each row before its media mean, which divides by the count and
      not by their sum; a row of zero weight may hold NaN.
    - `normalize_images`: scale rows to unit length first.

    A template that sums to zero stays zero; NaN in a used row makes its template NaN.
    Jits, and vmaps over `embeddings`. Raises `ValueError` if rows do not match.
    """
    rows = embeddings.shape[0]
    if grouping.segment.shape[0] != rows:
        raise ValueError(
            f"{rows} embeddings, but the grouping is of {grouping.segment.shape[0]} rows."
        )
    if weights is not None and weights.shape != (rows,):
        raise ValueError(f"{rows} embeddings need weights ({rows},), not {weights.shape}.")
    return _pool(embeddings, grouping, weights, normalize_images=normalize_images)


@ft.partial(jax.jit, static_argnames="normalize_images")
def _pool(embeddings, grouping, weights, *, normalize_images) -> Templates:
    x = at_least_float32(embeddings)
    if normalize_images:
        x = unit(x)
    if grouping.order is not None:
        x = x[grouping.order]
        weights = None if weights is None else weights[grouping.order]
    share = 1 / grouping.count.astype(x.dtype)[:, None]
    if weights is not None:
        w = weights.astype(x.dtype)[:, None]
        x, share = jnp.where(w != 0, x, 0), w * share
    total = jax.ops.segment_sum(
        share * x, grouping.segment, len(grouping.ids), indices_are_sorted=True
    )
    return Templates(grouping.ids, unit(total))
