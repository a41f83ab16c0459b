"""What a caller gives, made what the model wants, or an error that says what it wants."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.dtypes import canonicalize_dtype
from jaxtyping import Array

from .graph import Input
from .operators.values import to_jax


Value = Any


def by_name(
    specs: Sequence[Input], args: Sequence[Value], kwargs: Mapping
) -> dict[str, Value]:
    """Inputs by position and by name as one dict."""
    names = [spec.name for spec in specs]
    if len(args) > len(names):
        raise ValueError(f"{len(args)} inputs given; the model has {len(names)}: {names}.")
    return {**dict(zip(names, args, strict=False)), **kwargs}


def fit(
    specs: Sequence[Input],
    weights: Mapping[str, Array],
    args: Sequence[Value],
    kwargs: Mapping,
) -> dict[str, Value]:
    """The inputs by name, checked, in the dtype of the weights."""
    given = by_name(specs, args, kwargs)
    if set(given) != {spec.name for spec in specs} or len(args) + len(kwargs) != len(specs):
        wants = ", ".join(map(_describe, specs))
        raise ValueError(f"the model wants {wants}; it got {', '.join(given) or 'none'}.")
    sizes: dict[str, int] = {}
    floats = {w.dtype for w in weights.values() if jnp.issubdtype(w.dtype, jnp.floating)}
    return {x.name: _fit(x, given[x.name], sizes, floats) for x in specs}


def as_data(x):
    """As an array of NumPy or JAX."""
    return x if isinstance(x, jax.Array) else np.asarray(x)


def _fit(spec: Input, value, sizes: dict[str, int], floats: set) -> Value:
    """The value as the model wants it, or an error that says what it wants."""
    if spec.dtype is None:
        sequence = isinstance(value, list | tuple)
        return tuple(map(to_jax, value)) if sequence else jax.tree.map(to_jax, value)
    value = as_data(value)
    wrong = lambda got: ValueError(f"the model wants {_describe(spec)}; got {got}.")
    if spec.static and isinstance(value, Tracer):
        raise ValueError(
            f"input {spec.name!r} sets a shape: its value is needed while tracing. Give a "
            "NumPy array from outside jit, vmap and grad."
        )
    want = canonicalize_dtype(spec.dtype)
    like_weights = value.dtype in floats and jnp.issubdtype(want, jnp.floating)
    if value.dtype not in (spec.dtype, want) and not like_weights:
        raise wrong(f"{value.dtype}: convert it with .astype({spec.dtype.name!r})")
    _check_shape(spec, value.shape, sizes, wrong)
    if spec.static:
        return value
    if len(floats) == 1 and jnp.issubdtype(want, jnp.floating):
        return to_jax(value).astype(*floats)
    return to_jax(value)


def _check_shape(spec: Input, shape, sizes, wrong) -> None:
    if spec.dims is None:
        return
    if len(shape) != len(spec.dims):
        raise wrong(f"shape {shape}")
    for i, (have, want) in enumerate(zip(shape, spec.dims, strict=True)):
        if isinstance(want, str):
            want = sizes.setdefault(want, have)
        if want is not None and have != want:
            hint = ""
            if i == 0 and want == 1:
                hint = "; the model was exported for one sample: use `.batched`"
            raise wrong(f"shape {shape}{hint}")


def _describe(spec: Input) -> str:
    if spec.dims is None or spec.dtype is None:
        return f"input {spec.name!r}"
    dims = ", ".join("?" if d is None else str(d) for d in spec.dims)
    return f"input {spec.name!r} of {spec.dtype.name} ({dims})"
