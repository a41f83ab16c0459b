"""A map file, and the spaces it joins: how rows of either side are made ready for it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ..core.linalg import unit
from ..core.maps import AbstractMap
from ..data.arrays import InputError
from ..data.map_file import load, MapHeader, read_header


@dataclasses.dataclass(frozen=True)
class Space:
    """Rows of a model as maps take them: scaled, less `mean (d,)`, and scaled again.

    `scale` tells whether to unit length; without a mean there is nothing to subtract.
    """

    scale: bool = False
    mean: np.ndarray | None = None

    def place(self, x):
        """The rows `x (n, d)`, ready; jits. Zero rows stay zero: they score 0."""
        x = unit(x) if self.scale else x
        if self.mean is None:
            return x
        alive = jnp.any(x != 0, axis=1, keepdims=True)
        x = jnp.where(alive, x - jnp.asarray(self.mean, x.dtype)[None], 0)
        return unit(x) if self.scale else x


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A map `m` from a `source` space to a `target` space, and its file's header."""

    m: AbstractMap
    header: MapHeader
    source: Space
    target: Space

    def __str__(self) -> str:
        how = ", of rows scaled to unit length" * self.source.scale
        return self.header.kind + how + ", centred" * self.is_centred

    @property
    def is_centred(self) -> bool:
        """Whether the means of both sides are subtracted."""
        return self.source.mean is not None


def read_map(path: str, normalize: bool = False, no_normalize: bool = False) -> Fitted:
    """A single map; rows are scaled before it as told, else as when it was fitted."""
    header, m = read_header(path), load(path)
    with jax.enable_x64(True):
        stack = m.stack_shape
    if stack:
        raise InputError(
            f"{path} holds a stack of {stack} maps, and the command line applies one: "
            "take it out in Python, as jax.tree.map(lambda a: a[0], jfm.load(...))."
        )
    scale = normalize or (header.metadata.get("normalize") == "true" and not no_normalize)
    source, target = read_means(path, header, m)
    return Fitted(m, header, Space(scale, source), Space(scale, target))


sides = "source_mean", "target_mean"
"""Metadata of a centred map: numbers of `np.array(text.split(), float)`."""


def read_means(path, header: MapHeader, m: AbstractMap):
    """The means `(d,)` and `(k,)` subtracted on either side; both None if none are."""
    source = _mean(path, header, sides[0], m.in_dim)
    target = _mean(path, header, sides[1], m.out_dim)
    if (source is None) != (target is None):
        raise InputError(f"{path} has the mean of one side only: fit it again.")
    return source, target


def mean_entries(means) -> dict[str, str]:
    """The metadata that `read_map` reads means from, to the last bit."""
    texts = (" ".join(np.asarray(mean).astype(str)) for mean in means)
    return dict(zip(sides, texts, strict=True))


def check_width(spec: str, x, path: str, m: AbstractMap) -> None:
    """Raise `InputError` unless the map takes rows as wide as those of `x`."""
    if x.shape[1] != m.in_dim:
        raise InputError(
            f"{path} maps rows of width {m.in_dim} to {m.out_dim}, and {spec} has rows "
            f"of width {x.shape[1]}: give the rows of the model the map starts from."
        )


def _mean(path, header: MapHeader, side: str, width: int) -> np.ndarray | None:
    text = header.metadata.get(side)
    if text is None:
        return None
    try:
        mean = np.array(text.split(), np.float64)
    except ValueError:
        mean = np.empty(0)
    if mean.shape != (width,) or not np.isfinite(mean).all():
        raise InputError(f"{path}: its {side} is not {width} numbers: fit it again.")
    return mean
