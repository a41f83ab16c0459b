"""A protocol of templates in place of images: some twenty times fewer rows to map."""

import numpy as np
from jaxtyping import Float

from ..core.types import Numeric
from ..data.protocol import Protocol
from ..evaluate.pooling import pool_templates
from ..evaluate.templates import group_templates


def pool_protocol(protocol: Protocol) -> Protocol:
    """The same pairs of the same templates, each of them one image, in order of ids.

    Its rows are `pool_rows(protocol, x)`. For maps without a bias `verify_map` of the two
    is that of the images with `pool_first=True`; it is meant for many maps.
    """
    ids = protocol.templates
    return Protocol(
        name=protocol.name,
        image=ids.astype(str),
        template=ids,
        media=np.arange(len(ids)),
        pairs=protocol.pairs,
        genuine=protocol.genuine,
        galleries=protocol.galleries,
        probes=protocol.probes,
    )


def pool_rows(
    protocol: Protocol, x: Float[Numeric, "n d"]
) -> Float[np.ndarray, "templates d"]:
    """The templates of a model's images `x`, each image scaled to unit length first."""
    grouping = group_templates(protocol.template, protocol.media)
    return np.asarray(pool_templates(x, grouping, normalize_images=True).vectors)
