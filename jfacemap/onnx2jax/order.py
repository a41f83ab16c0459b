"""Nodes in an order of evaluation: ONNX asks for it, but not all tools write it."""

import graphlib
from collections.abc import Iterator


def reads(node) -> Iterator[str]:
    """Names that a node reads, and the graphs in it, be they from outside or not."""
    yield from node.input
    for graph in _graphs_in(node):
        for inner in graph.node:
            yield from reads(inner)
        yield from (value.name for value in graph.output)


def in_order(model):
    """The `ModelProto`, or a copy with the nodes of all its graphs sorted.

    Nodes in a circle stay as they are: each reads what nothing before it makes.
    """
    import onnx

    if _is_sorted(model.graph):
        return model
    model = onnx.ModelProto.FromString(model.SerializeToString())
    _sort(model.graph)
    return model


def _graphs_in(node) -> list:
    given = [a.g for a in node.attribute if a.HasField("g")]
    return given + [graph for a in node.attribute for graph in a.graphs]


def _before(graph) -> dict[int, set[int]]:
    """For each node, those whose outputs it reads."""
    maker = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    return {
        i: {maker[name] for name in reads(node) if name in maker}
        for i, node in enumerate(graph.node)
    }


def _is_sorted(graph) -> bool:
    inner = (g for node in graph.node for g in _graphs_in(node))
    return all(max(before, default=-1) < i for i, before in _before(graph).items()) and all(
        map(_is_sorted, inner)
    )


def _sort(graph) -> None:
    for node in graph.node:
        for inner in _graphs_in(node):
            _sort(inner)
    try:
        order = list(graphlib.TopologicalSorter(_before(graph)).static_order())
    except graphlib.CycleError:
        return
    nodes = [graph.node[i] for i in order]
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
