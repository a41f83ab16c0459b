"""A model as a function of its inputs."""

import functools as ft
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.dtypes import canonicalize_dtype
from jaxtyping import Array

from .evaluate import evaluate, Value
from .graph import Graph, Input
from .operators.values import to_jax


class OnnxFunction(eqx.Module):
    """An ONNX model that computes in JAX: `f(x)` or `f(name=x, ...)`.

    One output comes as an array, several as a dict by name. `weights` are the leaves:
    cast, shard or train them with `jax.tree.map` and `eqx.filter_grad`; where they are
    cast to bfloat16, inputs and all that follows are bfloat16. The function compiles once
    for each shape of its inputs. ONNX's 64-bit numbers are 32-bit ones here unless JAX's
    x64 flag is set; shapes and indices that are known while tracing are always exact.

    Raises `ValueError` naming the input whose name, rank, size or dtype is not as the
    model declares it, or whose value sets a shape and is traced.
    """

    weights: dict[str, Array]
    graph: Graph = eqx.field(static=True)

    # By identity, so that `jax.jit(f)` takes it; comparing weights would take a while.
    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Names, dtypes and sizes of the inputs; a size is an int, a name or None."""
        return self.graph.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return self.graph.outputs

    def __call__(self, *args, **kwargs):
        given = self.fit_inputs(*args, **kwargs)
        fixed = {x.name: _Known(given.pop(x.name)) for x in self.inputs if x.static}
        names = tuple(fixed), tuple(fixed.values())
        return self._name(_compiled(self.graph, names, self.weights, given))

    def batched(self, *args, **kwargs):
        """The model on many samples: `vmap` over the first axis of every input.

        For models exported with batch 1: input (1, ...) takes (n, ...), and an output
        (1, ...) comes as (n, ...); an output whose first size is not 1 as (n, that, ...).
        """
        names = [spec.name for spec in self.inputs]
        many = {**_by_name(names, args), **kwargs}
        # The declared sizes hold for a sample; sizes of all inputs must agree on n.
        counts = {name: np.shape(x)[:1] for name, x in many.items()}
        if () in counts.values() or len(set(counts.values())) > 1:
            raise ValueError(f"inputs need one first axis, of samples; they have {counts}.")

        def one(sample):
            out = self(**{name: x[None] for name, x in sample.items()})
            squeeze = lambda y: y[0] if y.ndim and y.shape[0] == 1 else y
            return jax.tree.map(squeeze, out)

        return jax.vmap(one)({name: _as_data(x) for name, x in many.items()})

    def _name(self, outputs):
        if len(outputs) == 1:
            return outputs[0]
        return dict(zip(self.outputs, outputs, strict=True))

    def fit_inputs(self, *args, **kwargs) -> dict[str, Value]:
        """The inputs by name, checked, in the dtype of the weights."""
        names = [spec.name for spec in self.inputs]
        given = {**_by_name(names, args), **kwargs}
        if set(given) != set(names) or len(args) + len(kwargs) != len(names):
            wants = ", ".join(map(_describe, self.inputs))
            raise ValueError(
                f"the model wants {wants}; it got {', '.join(given) or 'none'}."
            )
        sizes: dict[str, int] = {}
        floats = _floats(self.weights)
        return {x.name: _fit(x, given[x.name], sizes, floats) for x in self.inputs}


class _Known:
    """An input that sets a shape, as part of the key under which `jit` compiles."""

    def __init__(self, value):
        if isinstance(value, jax.core.Tracer):
            raise ValueError("sets a shape")
        self.value = np.asarray(value)
        self.key = self.value.dtype, self.value.shape, self.value.tobytes()

    def __eq__(self, other):
        return isinstance(other, _Known) and self.key == other.key

    def __hash__(self):
        return hash(self.key)


@ft.partial(jax.jit, static_argnums=(0, 1))
def _compiled(graph: Graph, fixed, weights: Mapping, given: Mapping) -> list[Value]:
    known = {name: box.value for name, box in zip(*fixed, strict=True)}
    return [_data(x) for x in evaluate(graph, weights, {**given, **known})]


def _data(value: Value) -> Value:
    return jax.tree.map(to_jax, value)


def _as_data(x):
    return x if isinstance(x, jax.Array) else np.asarray(x)


def _by_name(names, args) -> dict[str, Value]:
    if len(args) > len(names):
        raise ValueError(f"{len(args)} inputs given; the model has {len(names)}: {names}.")
    return dict(zip(names, args, strict=False))


def _floats(weights: Mapping[str, Array]) -> set:
    return {w.dtype for w in weights.values() if jnp.issubdtype(w.dtype, jnp.floating)}


def _fit(spec: Input, value, sizes: dict[str, int], floats: set) -> Value:
    """The value as the model wants it, or an error that says what it wants."""
    if spec.dtype is None:
        return (
            tuple(map(to_jax, value)) if isinstance(value, list | tuple) else _data(value)
        )
    value = _as_data(value)
    wrong = lambda got: ValueError(f"the model wants {_describe(spec)}; got {got}.")
    if spec.static and isinstance(value, jax.core.Tracer):
        raise ValueError(
            f"input {spec.name!r} sets a shape: its value is needed while tracing. Give a "
            "NumPy array from outside jit, vmap and grad."
        )
    have, want = canonicalize_dtype(value.dtype), canonicalize_dtype(spec.dtype)
    like_weights = have in floats and jnp.issubdtype(want, jnp.floating)
    if value.dtype != spec.dtype and have != want and not like_weights:
        raise wrong(f"{value.dtype}: convert it with .astype({spec.dtype.name!r})")
    if isinstance(value, np.ndarray) and value.dtype == np.float64 != spec.dtype:
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
