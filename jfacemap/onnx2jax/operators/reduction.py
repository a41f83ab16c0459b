"""Sums, means, norms and extremes over axes."""

import jax
import jax.numpy as jnp
import numpy as np

from ..registry import operator
from .values import axes_in, axis_in, is_float, like, namespace, wide


def _sum(x, **where):
    return namespace(x).sum(x, dtype=x.dtype, **where)


def _mean(x, **where):
    count = np.prod([x.shape[a] for a in where["axis"]])
    total = _sum(x, **where)
    return total / like(total, count) if is_float(x) else total // like(total, count)


def _extreme(name: str):
    def reduce(x, **where):
        xp = namespace(x)
        if x.dtype == np.bool_:
            return (xp.any if name == "max" else xp.all)(x, **where)
        info = jnp.finfo(x.dtype) if is_float(x) else jnp.iinfo(x.dtype)
        lowest, highest = (-np.inf, np.inf) if is_float(x) else (info.min, info.max)
        return getattr(xp, name)(x, initial=lowest if name == "max" else highest, **where)

    return reduce


def _log_sum_exp(x, **where):
    return (
        jax.nn.logsumexp(x, **where) if x.size else jnp.log(_sum(jnp.asarray(x), **where))
    )


def _l2(x, **where):
    # The root has no gradient at 0: a row of zeros gets 0, not NaN.
    square = _sum(x * x, **where)
    alive = square != like(square, 0)
    xp = namespace(x)
    return xp.where(alive, xp.sqrt(xp.where(alive, square, like(x, 1))), like(x, 0))


functions = {
    "ReduceL1": lambda x, **where: _sum(namespace(x).abs(x), **where),
    "ReduceL2": _l2,
    "ReduceLogSum": lambda x, **where: namespace(x).log(_sum(x, **where)),
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": _extreme("max"),
    "ReduceMean": _mean,
    "ReduceMin": _extreme("min"),
    "ReduceProd": lambda x, **where: namespace(x).prod(x, dtype=x.dtype, **where),
    "ReduceSum": _sum,
    "ReduceSumSquare": lambda x, **where: _sum(x * x, **where),
}


def _reduce(f, x, axes, keepdims):
    axes = axes_in(axes, x.ndim) if axes is not None and np.size(axes) else range(x.ndim)
    return f(wide(x), axis=tuple(axes), keepdims=bool(keepdims)).astype(x.dtype)


def _with_axes_as_attribute(f):
    return lambda x, *, axes=None, keepdims=1: _reduce(f, x, axes, keepdims)


def _with_axes_as_input(f):
    def apply(x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        if noop_with_empty_axes and (axes is None or not np.size(axes)):
            # Nothing is summed, but what precedes and follows the sum is done.
            return _reduce(f, x[None], [0], 0)
        return _reduce(f, x, axes, keepdims)

    return apply


for op, f in functions.items():
    operator(op)(_with_axes_as_attribute(f))
    since = 13 if op == "ReduceSum" else 18
    operator(op, since=since, static=["axes"])(_with_axes_as_input(f))


def _arg(name: str):
    def apply(x, *, axis=0, keepdims=1, select_last_index=0):
        xp, axis = namespace(x), axis_in(axis, x.ndim)
        index = lambda x: getattr(xp, name)(x, axis=axis, keepdims=bool(keepdims))
        if select_last_index:
            out = x.shape[axis] - 1 - index(xp.flip(x, axis))
        else:
            out = index(x)
        return out.astype(
            jax.dtypes.canonicalize_dtype(np.int64) if xp is jnp else np.int64
        )

    return apply


operator("ArgMax")(_arg("argmax"))
operator("ArgMin")(_arg("argmin"))
