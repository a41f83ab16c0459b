"""Sequences of values: Python's tuples, of a length known while tracing."""

import numpy as np

from ..registry import operator
from ..tensors import to_dtype
from .shape import concat, split_to
from .values import axis_in, ints, namespace, same_dtype


@operator("SequenceEmpty")
def empty(*, dtype: int = 1):
    """A sequence of nothing."""
    to_dtype(dtype)
    return ()


@operator("SequenceConstruct")
def construct(*xs):
    """The inputs as a sequence."""
    return xs


@operator("SequenceLength")
def length(xs):
    """How many values there are."""
    return np.asarray(len(xs), np.int64)


@operator("SequenceAt", static=["position"])
def at(xs, position):
    """The value at a position; negative ones count from the end."""
    return xs[ints(position)[0]]


@operator("SequenceInsert", static=["position"])
def insert(xs, x, position=None):
    """The sequence with a value put in, or at its end."""
    i = len(xs) if position is None else ints(position)[0]
    i = i + len(xs) if i < 0 else i
    return (*xs[:i], x, *xs[i:])


@operator("SequenceErase", static=["position"])
def erase(xs, position=None):
    """The sequence without the value at a position, or without its last."""
    i = axis_in(-1 if position is None else ints(position)[0], len(xs))
    return xs[:i] + xs[i + 1 :]


@operator("SplitToSequence", static=["split"])
def split_to_sequence(x, split=None, *, axis: int = 0, keepdims: int = 1):
    """x cut along an axis, in single slices or in parts of given sizes."""
    size = x.shape[axis_in(axis, x.ndim)]
    if split is None:
        parts = split_to(x, [1] * size, axis=axis, n_outputs=size)
        squeeze = lambda p: p if keepdims else namespace(p).squeeze(p, axis)
        return tuple(map(squeeze, parts))
    sizes = ints(split)
    if np.ndim(split) == 0:
        whole, rest = divmod(size, sizes[0])
        sizes = sizes * whole + ((rest,) if rest else ())
    return tuple(split_to(x, sizes, axis=axis, n_outputs=len(sizes)))


@operator("ConcatFromSequence")
def concat_from_sequence(xs, *, axis: int, new_axis: int = 0):
    """All values joined along an axis, or stacked along a new one."""
    if new_axis:
        xs = same_dtype(*xs)
        return namespace(*xs).stack(xs, axis=axis)
    return concat(*xs, axis=axis)


@operator("Optional")
def optional(x=None, *, type=None):
    """A value, or none."""
    return x


@operator("OptionalHasElement")
def has_element(x=None):
    """Whether there is a value."""
    return np.asarray(x is not None)


@operator("OptionalGetElement")
def get_element(x):
    """The value that is there."""
    return x
