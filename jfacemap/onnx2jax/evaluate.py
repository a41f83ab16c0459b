"""Evaluation of a graph, node by node: with tracers it writes the program for XLA.

Values are NumPy arrays while they are known (shapes and what follows from them) and JAX
arrays from the first weight or input on. An operator of known values runs at once, so
that shape arithmetic is done with when the program is written.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from .graph import Graph, Node
from .layout import call_operator, channels_second
from .registry import Operator


Value = Any
"""A NumPy or JAX array, a tuple of them (a sequence), or None (left out)."""


def evaluate(
    graph: Graph, weights: Mapping[str, Value], values: Mapping[str, Value]
) -> list[Value]:
    """The outputs of a graph, given its inputs (and what surrounds a subgraph) by name."""
    scope = {**values, **graph.constants}
    scope |= {name: weights[key] for name, key in graph.weights.items()}
    for node in graph.nodes:
        scope[""] = None  # the name of what is left out, among outputs too
        scope |= zip(node.outputs, apply_node(node, weights, scope), strict=False)
    return [channels_second(scope[name]) for name in graph.outputs]


def apply_node(node: Node, weights, scope) -> Sequence[Value]:
    """The outputs of one node; an error says which node it was."""
    try:
        args = [_argument(node, i, scope[name]) for i, name in enumerate(node.inputs)]
        attributes = {
            name: _as_function(value, weights, scope) if isinstance(value, Graph) else value
            for name, value in node.attributes.items()
        }
        if node.operator.counts_outputs:
            attributes["n_outputs"] = len(node.outputs)
        call = _call_known if _all_known(args, attributes) else call_operator
        out = call(node.operator, args, attributes)
    except Exception as error:
        if not getattr(error, "__notes__", None):
            shapes = ", ".join(_describe(scope.get(name)) for name in node.inputs)
            error.add_note(f"In {node}, of inputs {shapes}.")
        raise
    outputs = out if isinstance(out, list) else [out]
    # NumPy returns numbers, not arrays, from functions of arrays without axes.
    return [np.asarray(x) if isinstance(x, np.generic) else x for x in outputs]


def _all_known(args: Sequence[Value], attributes: Mapping) -> bool:
    """Whether nothing depends on data; graphs among the attributes may see any value."""
    known = all(x is None or isinstance(x, np.ndarray) for x in args)
    return bool(args) and known and not any(map(callable, attributes.values()))


def _call_known(operator: Operator, args: list, attributes: Mapping) -> Any:
    """What becomes of known values, in 64 bits, be the operator written in JAX."""
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        out = call_operator(operator, args, attributes)
    return jax.tree.map(lambda x: np.asarray(x) if isinstance(x, jax.Array) else x, out)


def _as_function(graph: Graph, weights, scope) -> Callable[..., list[Value]]:
    """A subgraph as a function of its inputs."""

    def call(*args):
        names = [spec.name for spec in graph.inputs]
        return evaluate(graph, weights, scope | dict(zip(names, args, strict=True)))

    return call


def _argument(node: Node, i: int, value: Value) -> Value:
    name = node.operator.input_name(i)
    if name not in node.operator.static or not isinstance(value, jax.Array):
        return value
    if isinstance(value, Tracer):
        raise ValueError(
            f"{node} needs its input {name!r} ({node.inputs[i]!r}) while tracing, as it "
            "sets a shape, and it depends on data. Call the function outside jit, vmap and "
            "grad, under `jax.disable_jit()`."
        )
    return np.asarray(value)


def _describe(value: Value) -> str:
    if value is None:
        return "none"
    value = channels_second(value)
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else "sequence"
