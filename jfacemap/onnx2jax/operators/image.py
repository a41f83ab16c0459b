"""Operators of images, written with channels last and entered for both layouts."""

import functools as ft

import jax
import jax.numpy as jnp

from ..registry import Check, operator
from .values import to_jax


def image_operator(*names: str, since: int = 1, check: Check | None = None):
    """Enter a function of an image (n, ..., c), and return it for images (n, c, ...)."""

    def enter(last):
        @ft.wraps(last)
        def second(x, *rest, **attributes):
            out = last(jnp.moveaxis(to_jax(x), 1, -1), *rest, **attributes)
            return jax.tree.map(lambda y: jnp.moveaxis(y, -1, 1), out)

        return operator(*names, since=since, last=last, check=check)(second)

    return enter


def of_channels(v, ndim: int):
    """A vector (c,) in the rank of images (n, ..., c)."""
    return v.reshape((1,) * (ndim - 1) + v.shape)
