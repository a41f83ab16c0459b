"""A model as a function of its inputs."""

import functools as ft
from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array

from .evaluate import evaluate, Value
from .graph import Graph, Input
from .inputs import as_data, by_name, fit
from .operators.values import to_jax


class OnnxFunction(eqx.Module):
    """An ONNX model that computes in JAX: `f(x)` or `f(name=x, ...)`.

    One output comes as an array, several as a dict by name: in the model's order from
    `f(x)`, sorted by name where `jit`, `vmap` or `batched` gives them. `weights` are the
    leaves:
    cast, shard or train them with `jax.tree.map` and `eqx.filter_grad`; where they are
    cast to bfloat16, inputs and all that follows are bfloat16. The function compiles once
    for each shape of its inputs. ONNX's 64-bit numbers are 32-bit ones here unless JAX's
    x64 flag is set; shapes and indices that are known while tracing are always exact.

    `graph_digest` is a SHA-256 over the graph: nodes, outputs, opsets, constants.

    Raises `ValueError` naming the input whose name, rank, size or dtype is not as the
    model declares it, or whose value sets a shape and is traced.
    """

    weights: dict[str, Array]
    graph: Graph = eqx.field(static=True)
    graph_digest: str = eqx.field(static=True, default="")

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
        given = fit(self.inputs, self.weights, args, kwargs)
        fixed = {x.name: _Known(given.pop(x.name)) for x in self.inputs if x.static}
        names = tuple(fixed), tuple(fixed.values())
        return self._name(_compiled(self.graph, names, self.weights, given))

    def batched(self, *args, **kwargs):
        """The model on many samples: `vmap` over the first axis of every input.

        Inputs that set a shape are shared by all samples.

        For models exported with batch 1: input (1, ...) takes (n, ...), and an output
        (1, ...) comes as (n, ...); an output whose first size is not 1 as (n, that, ...).
        """
        many = by_name(self.inputs, args, kwargs)
        fixed = {
            x.name: many.pop(x.name) for x in self.inputs if x.static and x.name in many
        }
        counts = {name: np.shape(x)[:1] for name, x in many.items()}
        if () in counts.values() or len(set(counts.values())) > 1:
            raise ValueError(f"inputs need one first axis, of samples; they have {counts}.")

        def one(sample):
            out = self(**{name: x[None] for name, x in sample.items()}, **fixed)
            squeeze = lambda y: y[0] if y.ndim and y.shape[0] == 1 else y
            return jax.tree.map(squeeze, out)

        return jax.vmap(one)({name: as_data(x) for name, x in many.items()})

    def _name(self, outputs):
        if len(outputs) == 1:
            return outputs[0]
        return dict(zip(self.outputs, outputs, strict=True))


class _Known:
    """An input that sets a shape, as part of the key under which `jit` compiles."""

    def __init__(self, value):
        self.value = np.asarray(value)
        self.key = self.value.dtype, self.value.shape, self.value.tobytes()

    def __eq__(self, other):
        return isinstance(other, _Known) and self.key == other.key

    def __hash__(self):
        return hash(self.key)


@ft.partial(jax.jit, static_argnums=(0, 1))
def _compiled(graph: Graph, fixed, weights: Mapping, given: Mapping) -> list[Value]:
    known = {name: box.value for name, box in zip(*fixed, strict=True)}
    return jax.tree.map(to_jax, evaluate(graph, weights, {**given, **known}))
