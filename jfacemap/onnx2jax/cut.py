"""A model cut off at values inside it: embeddings are seldom a network's last output."""

import difflib
from collections.abc import Sequence

from .order import reads


def cut_at(model, names: Sequence[str], where: str):
    """A copy of a `ModelProto` whose outputs are the values of these names.

    What only other outputs need is dropped, inputs too. `ValueError` for a name that no
    node makes, and for no names.
    """
    import onnx

    if isinstance(names, str) or not len(names):
        raise ValueError(f"outputs is a list of names, as ['feature']; got {names!r}.")
    model, old = onnx.ModelProto.FromString(model.SerializeToString()), model.graph
    graph = model.graph
    made = [name for node in old.node for name in node.output if name]
    for name in names:
        if name not in made:
            near = difflib.get_close_matches(name, made, n=3, cutoff=0.4)
            some = ", ".join(dict.fromkeys([*near, *made[-3:]]))
            raise ValueError(f"{where} has no value {name!r}; among those it has: {some}.")
    needed, kept = set(names), []
    for node in reversed(old.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(reads(node))
    fields = {
        "output": [onnx.ValueInfoProto(name=name) for name in names],
        "input": [value for value in old.input if value.name in needed],
        "node": kept[::-1],
        "initializer": [t for t in old.initializer if t.name in needed],
        "sparse_initializer": [
            t for t in old.sparse_initializer if t.values.name in needed
        ],
    }
    for field, values in fields.items():
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    return model
