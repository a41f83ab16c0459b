"""`merge`: one name for joining any two summaries of disjoint rows."""

import functools as ft
from typing import Any

import jax


def merge(a, b):
    """The summary of the union of two disjoint sets of rows.

    Takes two `PairMoments`, two `JointMoments` or two `PairFactor` of the same widths
    (raises `ValueError` otherwise). Commutative, associative up to rounding, and
    neutral to `zero`.
    """
    if _form(a) != _form(b):
        raise ValueError(
            "Only summaries of the same models merge: got "
            f"{type(a).__name__}{_shapes(a)} and {type(b).__name__}{_shapes(b)}."
        )
    return _merge(a, b)


@ft.singledispatch
def _merge(a, b) -> Any:
    raise ValueError(f"A {type(a).__name__} is not a summary that merges.")


merges = _merge.register
"""Decorator: how two summaries of one type merge; their form is already checked."""


def _form(summary):
    return type(summary), jax.tree.structure(summary), _shapes(summary)


def _shapes(summary):
    return tuple(leaf.shape for leaf in jax.tree.leaves(summary))
