"""What operators share: which values are known, which dtype and rank several have."""

import functools as ft
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.dtypes import canonicalize_dtype


highest = jax.lax.Precision.HIGHEST
"""Products of float32 in float32: accelerators would use ten bits."""


def namespace(*xs) -> Any:
    """`numpy` if all values are known while tracing, else `jax.numpy`."""
    return jnp if any(isinstance(x, jax.Array) for x in xs) else np


def is_known(x) -> bool:
    """Whether Python can read the value."""
    return not isinstance(x, Tracer)


def to_jax(x):
    """As a JAX array; 64-bit numbers become 32-bit ones unless JAX's x64 flag is set."""
    if isinstance(x, jax.Array):
        return x
    return jnp.asarray(np.asarray(x).astype(canonicalize_dtype(x.dtype)))


def cast(x, dtype):
    """`x` in the nearest dtype there is; known values keep 64 bits."""
    if isinstance(x, jax.Array):
        return x.astype(canonicalize_dtype(dtype))
    return np.asarray(x).astype(dtype)


def match(*xs) -> Any:
    """Values of one ONNX type made equal in dtype and rank, ready to broadcast.

    None stays None. Known values follow the dtype of traced ones; where traced floats
    differ (weights cast to bfloat16, rows not) the narrowest wins: activations follow.
    """
    ndim = max(np.ndim(x) for x in xs if x is not None)
    return tuple(x if x is None else _with_rank(x, ndim) for x in same_dtype(*xs))


def same_dtype(*xs) -> Any:
    """`match` without the ranks."""
    traced = [x.dtype for x in xs if isinstance(x, jax.Array)]
    if not traced:
        return xs
    dtype = ft.reduce(_narrower, traced)
    convert = lambda x: to_jax(np.asarray(x).astype(dtype)) if not _is_traced(x) else x
    return tuple(None if x is None else convert(x).astype(dtype) for x in xs)


def like(x, value) -> Any:
    """A number as an array without axes in the dtype and the namespace of `x`."""
    return namespace(x).asarray(value, x.dtype)


def axis_in(axis: int, ndim: int) -> int:
    """A negative axis counted from the front."""
    if not -ndim <= axis < max(ndim, 1):
        raise ValueError(f"axis {axis} is not within {ndim} axes")
    return axis % ndim if ndim else 0


def axes_in(axes, ndim: int) -> tuple[int, ...]:
    """Negative axes counted from the front."""
    return tuple(axis_in(int(a), ndim) for a in np.ravel(axes))


def ints(x) -> tuple[int, ...]:
    """A known integer array as Python numbers."""
    return tuple(int(v) for v in np.ravel(x))


def is_float(x) -> bool:
    """Whether the dtype is floating, the narrow ones included."""
    return jnp.issubdtype(x.dtype, jnp.floating)


def wide(x):
    """Sums of 16-bit floats are taken in float32."""
    return x.astype(jnp.float32) if x.dtype in (jnp.bfloat16, jnp.float16) else x


def _is_traced(x) -> bool:
    return isinstance(x, jax.Array)


def _with_rank(x, ndim: int):
    return x.reshape((1,) * (ndim - x.ndim) + x.shape)


def _narrower(a, b):
    if a == b or not (jnp.issubdtype(a, jnp.floating) and jnp.issubdtype(b, jnp.floating)):
        return a
    return a if jnp.finfo(a).bits <= jnp.finfo(b).bits else b
