"""A `GraphProto` as a `Graph`: operators looked up, constants told from weights.

A float tensor of the model is a weight unless some shape depends on it; so are 8-bit
integers, which are quantised floats. Other integers, tensors without axes and Constant
nodes of one element (an axis, an index, the 0.5 of a formula) are part of the graph.
"""

import dataclasses
from typing import Any

import numpy as np

from .graph import Graph, Input, Node
from .registry import find_operator
from .tensors import to_dtype, to_numpy


@dataclasses.dataclass
class Decoder:
    """What is known of the model as a whole, and what is found while going through it."""

    opsets: dict[str, int]
    folder: str = ""
    weights: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    faults: list[str] = dataclasses.field(default_factory=list)


def decode_graph(proto, decoder: Decoder, prefix: str = "", outer=frozenset()) -> Graph:
    """A graph with its subgraphs; their weights are keyed by the path to them.

    `outer` holds the names that a subgraph may use beside its own.
    """
    tensors = {t.name: to_numpy(t, decoder.folder) for t in proto.initializer}
    tensors |= {t.values.name: _dense(t, decoder) for t in proto.sparse_initializer}
    single, nodes = {name for name, value in tensors.items() if value.ndim == 0}, []
    known = outer | set(tensors) | {""} | {value.name for value in proto.input}
    for i, node in enumerate(proto.node):
        name = node.name or f"{node.op_type}_{i}"
        if missing := [x for x in node.input if x not in known]:
            decoder.faults.append(
                f"node {name!r} reads {missing[0]!r}, which nothing makes"
            )
        known = known | set(node.output)
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            value = _constant(node, name, decoder)
            tensors[node.output[0]] = value
            if value.size <= 1:
                single.add(node.output[0])
        else:
            nodes.append(_node(node, name, decoder, prefix, known))
    nodes = tuple(n for n in nodes if n is not None)
    if missing := [x.name for x in proto.output if x.name not in known]:
        decoder.faults.append(f"the output {missing[0]!r} is made by nothing")
    fixed = shape_givers(nodes)
    is_weight = lambda k, v: k not in fixed and k not in single and _may_learn(v)
    keys = {
        name: prefix + name for name, value in tensors.items() if is_weight(name, value)
    }
    decoder.weights |= {key: tensors[name] for name, key in keys.items()}
    given = [value for value in proto.input if value.name not in tensors]
    return Graph(
        inputs=tuple(_input(value, fixed, decoder) for value in given),
        outputs=tuple(value.name for value in proto.output),
        nodes=nodes,
        constants={name: value for name, value in tensors.items() if name not in keys},
        weights=keys,
    )


def shape_givers(nodes: tuple[Node, ...], wanted: frozenset[str] = frozenset()) -> set[str]:
    """Names whose values some shape depends on, found from the last node to the first."""
    fixed = set(wanted)
    for node in reversed(nodes):
        if node.op in ("Shape", "Size"):
            continue
        all_of_them = not fixed.isdisjoint(node.outputs)
        for graph in _subgraphs(node):
            given = frozenset(graph.outputs) if all_of_them else frozenset()
            fixed |= shape_givers(graph.nodes, given)
        for i, name in enumerate(node.inputs):
            if all_of_them or node.operator.input_name(i) in node.operator.static:
                fixed.add(name)
    return fixed


def _subgraphs(node: Node) -> list[Graph]:
    return [value for value in node.attributes.values() if isinstance(value, Graph)]


def _may_learn(value: np.ndarray) -> bool:
    # Kinds by name: NumPy takes bfloat16 and the 4-bit types for opaque ones.
    name = value.dtype.name
    return "float" in name or name in ("int8", "uint8", "int4", "uint4", "int2", "uint2")


def _node(proto, name: str, decoder: Decoder, prefix: str, known) -> Node | None:
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    opset = decoder.opsets.get(domain, 1)
    found = find_operator(domain, proto.op_type, opset)
    label = f"{domain}.{proto.op_type}" if domain else proto.op_type
    fault = lambda what: decoder.faults.append(f"node {name!r}: {what}")
    if found is None:
        return fault(f"operator {label} of opset {opset}")
    if len(proto.input) > len(found.inputs) and not found.variadic:
        return fault(f"{label} with {len(proto.input)} inputs")
    attributes: dict[str, Any] = {}
    for attribute in proto.attribute:
        if attribute.name not in found.attributes:
            fault(f"attribute {attribute.name!r} of {label}")
            continue
        try:
            value = _attribute(attribute, decoder, f"{prefix}{name}/", known)
        except ValueError as error:
            fault(f"attribute {attribute.name!r} of {label}: {error}")
        else:
            attributes[attribute.name] = value
    for missing in found.required - {a.name for a in proto.attribute}:
        fault(f"{label} without its attribute {missing!r}")
    inputs, outputs = tuple(proto.input), list(proto.output)
    while outputs and not outputs[-1]:
        outputs.pop()
    count = {"n_outputs": len(outputs)} if found.counts_outputs else {}
    try:
        if found.check is not None:
            found.check(attributes | count)
    except ValueError as error:
        fault(f"{label}: {error}")
    return Node(name, label, found, inputs, tuple(outputs), attributes)


def _attribute(proto, decoder: Decoder, prefix: str, known) -> Any:
    import onnx

    kinds = onnx.AttributeProto
    if proto.type == kinds.INT:
        return proto.i
    if proto.type == kinds.FLOAT:
        return proto.f
    if proto.type == kinds.STRING:
        return proto.s.decode()
    if proto.type == kinds.INTS:
        return tuple(proto.ints)
    if proto.type == kinds.FLOATS:
        return tuple(proto.floats)
    if proto.type == kinds.STRINGS:
        return tuple(s.decode() for s in proto.strings)
    if proto.type == kinds.TENSOR:
        return to_numpy(proto.t, decoder.folder)
    if proto.type == kinds.GRAPH:
        return decode_graph(proto.g, decoder, f"{prefix}{proto.name}/", known)
    if proto.type == kinds.TYPE_PROTO:
        return proto.tp
    raise ValueError(f"of the kind {kinds.AttributeType.Name(proto.type)}")


def _constant(proto, name: str, decoder: Decoder) -> np.ndarray:
    given = {a.name: a for a in proto.attribute}
    kind = next(iter(given), "no value")
    if kind in ("value_float", "value_floats", "value_int", "value_ints"):
        dtype = np.float32 if "float" in kind else np.int64
        return np.asarray(_attribute(given[kind], decoder, "", frozenset()), dtype)
    if kind == "sparse_value":
        return _dense(given[kind].sparse_tensor, decoder)
    try:
        if kind == "value":
            return to_numpy(given[kind].t, decoder.folder)
        decoder.faults.append(f"node {name!r}: attribute {kind!r} of Constant")
    except ValueError as error:
        decoder.faults.append(f"node {name!r}: {error}")
    return np.zeros(())


def _dense(proto, decoder: Decoder) -> np.ndarray:
    values, indices = (to_numpy(t, decoder.folder) for t in (proto.values, proto.indices))
    dense = np.zeros(tuple(proto.dims), values.dtype)
    if indices.ndim == 1:
        dense.ravel()[indices] = values
    else:
        dense[tuple(indices.T)] = values
    return dense


def _input(value, fixed: set[str], decoder: Decoder) -> Input:
    import onnx

    kind = value.type.tensor_type
    if kind.elem_type == onnx.TensorProto.STRING:
        decoder.faults.append(f"input {value.name!r} holds strings")
    if not value.type.HasField("tensor_type"):
        return Input(value.name, None, None)
    dtype = to_dtype(kind.elem_type) if kind.elem_type else None
    dims = None
    if kind.HasField("shape"):
        dims = tuple(_dim(d) for d in kind.shape.dim)
    return Input(value.name, dtype, dims, static=value.name in fixed)


def _dim(d) -> int | str | None:
    # Exporters write 0, -1 or nothing for a size they do not know.
    return d.dim_param or (d.dim_value if d.dim_value > 0 else None)
