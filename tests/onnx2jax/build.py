"""Small ONNX models, and what onnxruntime makes of them."""

import numpy as np
import onnx
import onnxruntime
from onnx import helper


node = helper.make_node
float32, int64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def value(name, shape, kind=float32):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, weights=None, opset=17, domains=()):
    """`inputs` and `outputs` are names to shapes (float32) or value infos."""
    tensors = [onnx.numpy_helper.from_array(w, k) for k, w in (weights or {}).items()]
    infos = lambda names: [
        value(k, s) if isinstance(s, tuple) else s for k, s in names.items()
    ]
    graph = helper.make_graph(nodes, "graph", infos(inputs), infos(outputs), tensors)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    if not domains:
        onnx.checker.check_model(made)
    return made


def runtime(made, **inputs):
    """The outputs of onnxruntime, by name, without its optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    made = made if isinstance(made, str) else made.SerializeToString()
    session = onnxruntime.InferenceSession(made, options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def compare(made, tolerance=1e-5, **inputs):
    """Ours against onnxruntime: shapes equal, error relative to the largest entry."""
    from jfacemap import onnx2jax

    f = onnx2jax.load(made)
    ours = f(**inputs)
    ours = ours if isinstance(ours, dict) else {f.outputs[0]: ours}
    for name, want in runtime(made, **inputs).items():
        have = np.asarray(ours[name])
        assert have.shape == want.shape
        scale = max(float(np.max(np.abs(want), initial=0)), 1e-30)
        np.testing.assert_allclose(have / scale, want / scale, rtol=0, atol=tolerance)
    return f, ours


def draws(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def single(op, *arrays, opset=17, outputs=1, **attributes):
    """A model of one operator whose inputs are of these shapes (int64 ones: constants)."""
    names = ["" if a is None else f"x{i}" for i, a in enumerate(arrays)]
    given = {k: a for k, a in zip(names, arrays, strict=True) if a is not None}
    constants = {k: a for k, a in given.items() if a.dtype == np.int64}
    rows = {k: a for k, a in given.items() if k not in constants}
    kinds = {k: helper.np_dtype_to_tensor_dtype(a.dtype) for k, a in rows.items()}
    outs = [f"y{i}" for i in range(outputs)]
    nodes = [node(op, names, outs, **attributes)]
    infos = {k: value(k, a.shape, kinds[k]) for k, a in rows.items()}
    results = {k: helper.make_empty_tensor_value_info(k) for k in outs}
    made = model_without_check(nodes, infos, results, constants, opset)
    return made, rows


def model_without_check(nodes, inputs, outputs, weights, opset):
    """Outputs of types that onnxruntime is to infer."""
    tensors = [onnx.numpy_helper.from_array(w, k) for k, w in weights.items()]
    infos = list(inputs.values()), list(outputs.values())
    graph = helper.make_graph(nodes, "graph", *infos, tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)
