"""Images with channels last, from one operator that allows it to the next.

ONNX puts channels second. XLA convolves fastest with channels last, and does not cancel
the transpositions around each convolution; so they are left out here: a convolution
gives a `ChannelsLast`, elementwise operators pass it on, and all others get it turned
back. What an operator allows stands in its entry in the registry.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .registry import Operator


@dataclasses.dataclass(frozen=True)
class ChannelsLast:
    """The value (n, c, h, w), held as an array (n, h, w, c)."""

    array: jax.Array


def channels_second(value: Any) -> Any:
    """The value as ONNX has it."""
    return jnp.moveaxis(value.array, -1, 1) if isinstance(value, ChannelsLast) else value


def call_operator(operator: Operator, args: list, attributes: Mapping[str, Any]) -> Any:
    """What the operator makes of values in either layout."""
    turned = None
    if operator.last is not None:
        turned = _turn_all(args) if operator.broadcasts else _turn_first(args)
    if turned is None or operator.last is None:
        return operator.call(*map(channels_second, args), **attributes)
    out = operator.last(*turned, **attributes)
    return [ChannelsLast(x) for x in out] if isinstance(out, list) else ChannelsLast(out)


def _turn_first(args: list) -> list | None:
    image, *rest = args
    if isinstance(image, ChannelsLast):
        return [image.array, *map(channels_second, rest)]
    if isinstance(image, jax.Array) and image.ndim == 4:
        return [jnp.moveaxis(image, 1, -1), *map(channels_second, rest)]
    return None


def _turn_all(args: list) -> list | None:
    """All arguments for (n, h, w, c), if one is held so and they broadcast to four axes."""
    if not any(isinstance(x, ChannelsLast) for x in args):
        return None
    plain = [x for x in args if not isinstance(x, ChannelsLast)]
    if any(x is not None and np.ndim(x) > 4 for x in plain):
        return None
    return [_turn(x) for x in args]


def _turn(x):
    if isinstance(x, ChannelsLast):
        return x.array
    if x is None or x.ndim == 0:
        return x
    x = x.reshape((1,) * (4 - x.ndim) + x.shape)
    return (np if isinstance(x, np.ndarray) else jnp).moveaxis(x, 1, -1)
