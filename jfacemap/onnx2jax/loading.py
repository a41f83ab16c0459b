"""From a file or a `ModelProto` to an `OnnxFunction`, or to one error with all faults."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.extras import need
from . import operators  # noqa: F401  fills the registry
from .cut import cut_at
from .decode import decode_graph, Decoder
from .fingerprint import fingerprint
from .function import OnnxFunction
from .order import in_order
from .registry import newest_opset, oldest_opset


def load(model, *, outputs: Sequence[str] | None = None) -> OnnxFunction:
    """An ONNX model as a function in JAX.

    `model` is the path of a `.onnx` file (weights in files beside it are found) or an
    `onnx.ModelProto`. The function's leaves are the model's weights: float initialisers
    but for single numbers (of no axes), and the integers of quantised ones; its graph is
    static.

    `outputs` names values inside the graph to give instead of its own outputs, such as
    what the last layer of a classifier reads: the rest of the model is left out.

    Raises `ValueError` for a file that is none, no opset or one outside 7 to 28, an output
    that nothing makes, and, all in one message, for every node whose operator or attribute
    is not supported; `ImportError` with what to install where `onnx` is missing. Operators
    and their conformance: `python -m jfacemap.onnx2jax.conformance --out FILE.md`.
    """
    need("onnx", "onnx")
    import onnx
    import onnx.inliner

    if isinstance(model, onnx.ModelProto):
        folder, where = "", "the model"
    else:
        folder, where, model = _read(Path(os.fspath(model)))
    if not model.graph.node and not model.graph.output:
        raise ValueError(f"{where} holds no graph.")
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    model = in_order(model)
    if outputs is not None:
        model = cut_at(model, outputs, where)
    opsets = {_domain(entry.domain): entry.version for entry in model.opset_import}
    if "" not in opsets and any(not _domain(node.domain) for node in model.graph.node):
        raise ValueError(f"{where} does not say of which opset it is: export it again.")
    opset = opsets.setdefault("", newest_opset)
    if not oldest_opset <= opset <= newest_opset:
        raise ValueError(
            f"{where} is of opset {opset}; {oldest_opset} to {newest_opset} are supported. "
            "onnx.version_converter.convert_version may convert it."
        )
    decoder = Decoder(opsets, folder)
    graph = decode_graph(model.graph, decoder)
    if decoder.faults:
        faults = "\n  ".join(dict.fromkeys(decoder.faults))
        raise ValueError(
            f"{where} uses what is not supported:\n  {faults}\nExport it again without "
            "that (in another opset, with operators of ONNX alone), or cut it off before "
            "that: outputs=[NAME], or the command's --output NAME, names a value there."
        )
    leaves = {k: _leaf(v) for k, v in decoder.weights.items()}
    return OnnxFunction(leaves, graph, fingerprint(model.graph, opsets, graph.constants))


def _read(path: Path):
    import google.protobuf.message
    import onnx

    if not path.is_file():
        raise ValueError(f"{path} does not exist, or is not a file: give a .onnx file.")
    try:
        model = onnx.load(path, load_external_data=False)
    except google.protobuf.message.DecodeError as error:
        raise ValueError(
            f"{path} is truncated, or no ONNX model: export it again."
        ) from error
    return str(path.parent), str(path), model


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _leaf(x: np.ndarray):
    from .operators.values import to_jax

    return to_jax(x)
