"""Operators against onnxruntime, at opsets whose semantics differ from today's."""

import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnx.reference
import pytest

from jfacemap import onnx2jax
from jfacemap.onnx2jax.registry import (
    find_operator,
    newest_opset,
    oldest_opset,
    operator_versions,
)

from .build import (
    compare,
    draws,
    model,
    model_without_check,
    node,
    runtime,
    single,
    value,
)


x = draws(0, 2, 3, 4, 5)
ints = lambda *v: np.array(v, np.int64)
floats = lambda *v: np.array(v, np.float32)

cases = {
    "Clip 6": ("Clip", [x], 7, {"min": -0.5, "max": 0.5}),
    "Clip 6 below": ("Clip", [x], 10, {"max": 0.5}),
    "Clip 11": ("Clip", [x, floats(-0.5).reshape(())], 11, {}),
    "Softmax 1": ("Softmax", [x], 7, {}),
    "Softmax 1 axis": ("Softmax", [x], 11, {"axis": 2}),
    "Softmax 13": ("Softmax", [x], 13, {}),
    "LogSoftmax 1": ("LogSoftmax", [x], 9, {"axis": -1}),
    "Hardmax 1": ("Hardmax", [x], 11, {"axis": 1}),
    "Squeeze 1": ("Squeeze", [x[:1, :, :1]], 11, {"axes": [0, 2]}),
    "Squeeze 13": ("Squeeze", [x[:1, :, :1], ints(-2)], 13, {}),
    "Unsqueeze 1": ("Unsqueeze", [x], 9, {"axes": [0, 5]}),
    "Unsqueeze 13": ("Unsqueeze", [x, ints(-1, 0)], 13, {}),
    "ReduceSum 1": ("ReduceSum", [x], 11, {"axes": [1, -1], "keepdims": 0}),
    "ReduceSum 13": ("ReduceSum", [x, ints(1)], 13, {}),
    "ReduceL2 1": ("ReduceL2", [x], 17, {"axes": [1]}),
    "ReduceL2 18": ("ReduceL2", [x, ints(1)], 18, {}),
    "ReduceMean 1": ("ReduceMean", [x], 13, {"axes": [2, 3]}),
    "ReduceMean 18": ("ReduceMean", [x, ints(2, 3)], 18, {"keepdims": 0}),
    "ReduceMax all": ("ReduceMax", [x], 12, {}),
    "Split 2": ("Split", [x], 11, {"axis": 3, "split": [1, 4]}),
    "Slice 1": (
        "Slice",
        [x],
        9,
        {"starts": [0, -3], "ends": [1, 2**31 - 1], "axes": [0, 3]},
    ),
    "Slice 10": ("Slice", [x, ints(-1), ints(-(2**62)), ints(3), ints(-2)], 11, {}),
    "Pad 2": ("Pad", [x], 10, {"pads": [0, 0, 1, 2, 0, 1, 0, -1], "value": 2.0}),
    "Pad 2 reflect": ("Pad", [x], 9, {"pads": [0, 0, 1, 2, 0, 0, 2, 1], "mode": "reflect"}),
    "Pad 11 edge": ("Pad", [x, ints(0, 0, 1, 2, 0, 0, 2, 1)], 13, {"mode": "edge"}),
    "Upsample 7": ("Upsample", [x], 7, {"scales": [1.0, 1.0, 2.0, 3.0]}),
    "Upsample 7 linear": (
        "Upsample",
        [x],
        8,
        {"scales": [1.0, 1.0, 2.0, 2.0], "mode": "linear"},
    ),
    "TopK 1": ("TopK", [x], 9, {"k": 2, "axis": 1}),
    "TopK 11": ("TopK", [x, ints(2)], 11, {"largest": 0}),
    "BatchNormalization 7": (
        "BatchNormalization",
        [x, floats(1, 2, 3), floats(0, 1, 0), floats(0, 0, 1), floats(1, 2, 3)],
        7,
        {"epsilon": 1e-3},
    ),
    "BatchNormalization 15": (
        "BatchNormalization",
        [x, floats(1, 2, 3), floats(0, 1, 0), floats(0, 0, 1), floats(1, 2, 3)],
        15,
        {},
    ),
    "Dropout 7": ("Dropout", [x], 7, {"ratio": 0.3}),
    "Dropout 13": ("Dropout", [x], 13, {}),
    "Gemm 7": (
        "Gemm",
        [x[0, 0], x[0, 1], floats(1)],
        7,
        {"transB": 1, "alpha": 0.5, "beta": 2.0},
    ),
    "Gemm 11": ("Gemm", [x[0, 0], x[0, 1]], 11, {"transA": 1}),
    "Flatten": ("Flatten", [x], 9, {"axis": 3}),
    "ArgMax": ("ArgMax", [x], 12, {"axis": 1, "keepdims": 0}),
    "ArgMax last": ("ArgMax", [x * 0], 12, {"axis": 3, "select_last_index": 1}),
    "CumSum": ("CumSum", [x, ints(2).reshape(())], 14, {"exclusive": 1, "reverse": 1}),
    "Einsum": ("Einsum", [x, x], 12, {"equation": "bchw, bdhw -> bcd"}),
    "PRelu": ("PRelu", [x, draws(1, 3, 1, 1)], 16, {}),
    "LpNormalization": ("LpNormalization", [x], 7, {"axis": 1}),
    "LRN": ("LRN", [x], 13, {"size": 3, "alpha": 0.1}),
    "LayerNormalization": (
        "LayerNormalization",
        [x, draws(1, 4, 5), draws(2, 4, 5)],
        17,
        {"axis": 2},
    ),
    "GroupNormalization 21": (
        "GroupNormalization",
        [x.reshape(2, 6, 10), draws(1, 6), draws(2, 6)],
        21,
        {"num_groups": 2},
    ),
    "DepthToSpace": (
        "DepthToSpace",
        [x.reshape(1, 12, 2, 5)],
        13,
        {"blocksize": 2, "mode": "CRD"},
    ),
    "Gather": ("Gather", [x, ints(-1, 0)], 13, {"axis": 2}),
    "GatherElements": (
        "GatherElements",
        [x[0, 0], ints(-1, 0, 2, 1).reshape(2, 2)],
        13,
        {"axis": 1},
    ),
    "GatherND": ("GatherND", [x, ints(0, -1, 1, 0).reshape(2, 2)], 13, {}),
    "Mod": ("Mod", [x, x[:1]], 13, {"fmod": 1}),
    "Gelu 20": ("Gelu", [x], 20, {"approximate": "tanh"}),
    "Trilu": ("Trilu", [x, ints(1).reshape(())], 14, {"upper": 0}),
    "Expand": ("Expand", [x[:, :1], ints(2, 2, 1, 4, 1)], 13, {}),
    "Tile": ("Tile", [x, ints(1, 2, 1, 3)], 13, {}),
}


@pytest.mark.parametrize("case", cases.values(), ids=cases)
def test_as_onnxruntime_has_it(case):
    op, arrays, opset, attributes = case
    outputs = 2 if op in ("Split", "TopK") else 1
    made, rows = single(op, *arrays, opset=opset, outputs=outputs, **attributes)
    compare(made, **rows)


modes = "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"


@pytest.mark.parametrize("mode", ("nearest", "linear", "cubic"))
@pytest.mark.parametrize("coordinates", modes)
@pytest.mark.parametrize("size", ((8, 9), (2, 3)), ids=("up", "down"))
def test_resize(mode, coordinates, size):
    sizes = ints(2, 3, *size)
    made, rows = single(
        "Resize",
        x,
        None,
        None,
        sizes,
        opset=13,
        mode=mode,
        coordinate_transformation_mode=coordinates,
    )
    compare(made, **rows)


@pytest.mark.parametrize("since", (10, 11, 18))
def test_resize_by_scales_that_are_initialisers(since):
    scales = onnx.numpy_helper.from_array(floats(1, 1, 1.5, 2), "scales")
    inputs = {10: ["x", "scales"], 11: ["x", "roi", "scales"]}
    inputs = inputs.get(since, ["x", "", "scales"])  # opset 11 alone insists on a region
    region = onnx.numpy_helper.from_array(np.zeros(0, np.float32), "roi")
    graph = onnx.helper.make_graph(
        [node("Resize", inputs, ["y"], mode="nearest")],
        "graph",
        [value("x", x.shape)],
        [onnx.helper.make_empty_tensor_value_info("y")],
        [scales, region] if since == 11 else [scales],
    )
    opsets = [onnx.helper.make_opsetid("", since)]
    made = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    f, _ = compare(made, x=x)
    assert not f.weights  # the scales set a shape: they are no weights


geometry = st.fixed_dictionaries(
    {
        "size": st.tuples(st.integers(5, 8), st.integers(5, 8)),
        "kernel": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilations": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "pads": st.tuples(*[st.integers(0, 2)] * 4),
        "auto_pad": st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
    }
)
few = hypothesis.settings(max_examples=12, deadline=None, derandomize=True)


def attributes_of(g, dilated=True):
    given = {
        "kernel_shape": g["kernel"],
        "strides": g["strides"],
        "auto_pad": g["auto_pad"],
    }
    if g["auto_pad"] == "NOTSET":
        given["pads"] = g["pads"]
    # onnxruntime refuses dilations beside SAME.
    if dilated and not g["auto_pad"].startswith("SAME"):
        given["dilations"] = g["dilations"]
    return given


@few
@hypothesis.given(geometry, st.sampled_from([(4, 6, 1), (4, 6, 2), (4, 4, 4), (4, 8, 4)]))
def test_convolutions_of_any_geometry(g, channels):
    c, m, group = channels
    image, w = draws(1, 2, c, *g["size"]), draws(2, m, c // group, *g["kernel"])
    made, rows = single(
        "Conv", image, w, draws(3, m), opset=11, group=group, **attributes_of(g)
    )
    compare(made, **rows)


@few
@hypothesis.given(geometry, st.sampled_from(["MaxPool", "AveragePool"]), st.booleans())
def test_pools_of_any_geometry(g, op, ceil):
    given = attributes_of(g, dilated=False)
    if "pads" in given:  # no window may lie on the padding alone
        given["pads"] = [
            min(p, k - 1) for p, k in zip(g["pads"], g["kernel"] * 2, strict=True)
        ]
        given["ceil_mode"] = int(ceil)
    elif "SAME" in given["auto_pad"]:  # where strides skip pixels onnxruntime has no answer
        pairs = zip(g["strides"], g["kernel"], strict=True)
        hypothesis.assume(all(stride <= size for stride, size in pairs))
    made, rows = single(op, draws(1, 2, 3, *g["size"]), opset=12, **given)
    compare(made, **rows)


@pytest.mark.parametrize("group", (1, 2))
@pytest.mark.parametrize(
    "given", ({"pads": [1, 0, 1, 1]}, {"output_padding": [1, 0]}), ids=str
)
def test_transposed_convolution(group, given):
    w = draws(1, 4, 3, 3, 2)
    made, rows = single(
        "ConvTranspose",
        draws(0, 2, 4, 5, 6),
        w,
        opset=11,
        group=group,
        strides=[2, 3],
        **given,
    )
    compare(made, **rows)


def test_quantised_network_agrees_to_the_last_integer():
    rng = np.random.default_rng(0)
    q = lambda *shape: rng.integers(0, 255, shape).astype(np.uint8)
    image, w = q(1, 3, 6, 6), q(4, 3, 3, 3)
    scale, zero = np.float32, np.uint8
    arrays = [
        image,
        scale(0.02),
        zero(120),
        w,
        scale(0.01),
        zero(128),
        scale(0.3),
        zero(100),
    ]
    made, rows = single("QLinearConv", *map(np.asarray, arrays), opset=13, pads=[1] * 4)
    f = onnx2jax.load(made)
    np.testing.assert_array_equal(f(**rows), runtime(made, **rows)["y0"])


spatial = {"spatial 1": (1, (2, 3, 4, 4)), "spatial 0": (0, (2, 3))}


@pytest.mark.parametrize("case", spatial.values(), ids=spatial)
def test_batch_normalization_by_channel(case):
    """mxnet writes `spatial`; where statistics are by pixel, they are refused."""
    given, shape = case
    rows, of_channels = draws(0, *shape), [np.abs(draws(i, 3)) for i in range(4)]
    made, inputs = single("BatchNormalization", rows, *of_channels, opset=8, spatial=given)
    compare(made, **inputs)
    by_pixel = [np.abs(draws(i, 3, 4, 4)) for i in range(4)]
    rows = draws(0, 2, 3, 4, 4)
    made, inputs = single("BatchNormalization", rows, *by_pixel, opset=8, spatial=0)
    with pytest.raises(ValueError, match=r"spatial=0 with a scale \(3, 4, 4\)"):
        onnx2jax.load(made)(**inputs)


linear_ops = "Add Mul Sigmoid LeakyRelu Softmax AveragePool GlobalAveragePool Concat"


@pytest.mark.parametrize("op", linear_ops.split())
def test_quantised_operators_of_the_runtime(op):
    """QLinear* of com.microsoft: within one integer, as roundings of halves may differ."""
    rng, constants = np.random.default_rng(0), {}
    for i in range(3):
        constants |= {f"s{i}": floats(0.01 * (i + 2))[0], f"z{i}": np.uint8(100 + 20 * i)}
    fits, names = "x0 s0 z0", {"Add": "x0 s0 z0 x1 s1 z1 s2 z2"}
    names |= {"Mul": names["Add"], "Concat": "s2 z2 x0 s0 z0 x1 s1 z1"}
    name = names.get(op, f"{fits} s2 z2").split()
    shapes = {k: (2, 3, 4, 5) for k in ("x0", "x1") if k in name}
    uint8 = onnx.TensorProto.UINT8
    given = {"Concat": {"axis": 1}, "Softmax": {"axis": 2, "opset": 17}}
    given |= {"AveragePool": {"kernel_shape": [2, 3], "pads": [0, 1, 0, 1]}}
    made = model(
        [node(f"QLinear{op}", name, ["y"], domain="com.microsoft", **given.get(op, {}))],
        {k: value(k, s, uint8) for k, s in shapes.items()},
        {"y": onnx.helper.make_empty_tensor_value_info("y")},
        {k: np.asarray(v) for k, v in constants.items() if k in name},
        domains=["com.microsoft"],
    )
    x = {k: rng.integers(0, 256, s).astype(np.uint8) for k, s in shapes.items()}
    ours, theirs = onnx2jax.load(made)(**x), runtime(made, **x)["y"]
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    assert np.abs(np.int32(ours) - np.int32(theirs)).max() <= 1
    assert np.unique(theirs).size > 3


@pytest.mark.parametrize("quantised", (True, False), ids=("integers", "floats"))
def test_quantised_gemm(quantised):
    rng, int8, uint8 = np.random.default_rng(1), np.int8, np.uint8
    weights = {
        "as": floats(0.02)[0],
        "az": uint8(120),
        "b": rng.integers(-128, 128, (6, 8)).astype(int8),
        "bs": np.abs(draws(0, 6)) / 50,
        "bz": np.zeros(6, int8),
        "c": rng.integers(-3000, 3000, 6).astype(np.int32),
    }
    names = ["a", "as", "az", "b", "bs", "bz", "c"]
    if quantised:
        weights |= {"ys": floats(0.1)[0], "yz": uint8(90)}
        names += ["ys", "yz"]
    made = model(
        [node("QGemm", names, ["y"], domain="com.microsoft", transB=1)],
        {"a": value("a", (5, 8), onnx.TensorProto.UINT8)},
        {"y": onnx.helper.make_empty_tensor_value_info("y")},
        {k: np.asarray(v) for k, v in weights.items()},
        domains=["com.microsoft"],
    )
    a = rng.integers(0, 256, (5, 8)).astype(uint8)
    ours, theirs = onnx2jax.load(made)(a), runtime(made, a=a)["y"]
    assert ours.dtype == theirs.dtype
    tolerance = 1 if quantised else 1e-4 * np.abs(theirs).max()
    np.testing.assert_allclose(np.float32(ours), np.float32(theirs), 0, tolerance)


def test_one_pixel_beside_channels_last_is_joined_as_an_image():
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Add", ["a", "one"], ["c"]),
        node("Concat", ["c", "b"], ["y"], axis=1),
    ]
    shapes = {"x": (1, 3, 1, 1), "b": (1, 1, 1, 1)}
    weights = {"w": draws(1, 2, 3, 1, 1), "one": floats(1)}
    made = model(nodes, shapes, {"y": (1, 3, 1, 1)}, weights)
    compare(made, x=draws(0, 1, 3, 1, 1), b=draws(2, 1, 1, 1, 1))


shape_nodes = {
    "ScatterND": [node("ScatterND", ["s", "i", "minus"], ["t"])],
    "TopK": [
        node("TopK", ["s", "one"], ["v", "_"]),
        node("Concat", ["v", "minus"], ["t"], axis=0),
    ],
    "Relu": [
        node("Cast", ["s"], ["f"], to=onnx.TensorProto.FLOAT),
        node("Relu", ["f"], ["g"]),
        node("Cast", ["g"], ["t"], to=onnx.TensorProto.INT64),
    ],
}


@pytest.mark.parametrize("nodes", shape_nodes.values(), ids=shape_nodes)
def test_any_operator_may_make_a_shape_of_shapes(nodes):
    """Also those that are written in JAX: their values are known while tracing."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        *nodes,
        node("Reshape", ["x", "t"], ["y"]),
    ]
    weights = {"i": ints(0).reshape(1, 1), "minus": ints(-1), "one": ints(1)}
    outputs = {"y": onnx.helper.make_empty_tensor_value_info("y")}
    rows = {"x": value("x", ("N", 3, 4))}
    made = model_without_check(nodes, rows, outputs, weights, 17)
    compare(made, x=draws(0, 2, 3, 4))
    assert jax.jit(onnx2jax.load(made))(draws(0, 5, 3, 4)).size == 60


def test_sqrt_of_zero_norms_has_a_gradient():
    made, _ = single("LpNormalization", np.zeros((2, 3), np.float32), axis=1)
    f = onnx2jax.load(made)
    gradient = jax.grad(lambda x: f(x).sum())(jnp.zeros((2, 3)))
    np.testing.assert_array_equal(gradient, 0)


def test_variances_far_below_the_mean_squared():
    for rows in (1000 + x / 8, np.full((1, 2, 30, 30), 0.1, np.float32)):
        made, given = single("MeanVarianceNormalization", rows, opset=13)
        centred = np.float64(rows) - np.float64(rows).mean(axis=(0, 2, 3), keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=(0, 2, 3), keepdims=True))
        out = onnx2jax.load(made)(**given)
        if scale.min() > 1e-3:
            np.testing.assert_allclose(out, centred / scale, rtol=0, atol=2e-3)
        else:  # rounding decides, but nothing is a root of less than nothing
            assert np.all(np.abs(out) <= 1)


newest = {
    "LpPool": ("LpPool", [x], 18, {"kernel_shape": [2, 3], "p": 3, "strides": [1, 2]}),
    "RoiAlign": (
        "RoiAlign",
        [x, floats(0, 0, 3, 2, 1, 0.5, 4, 3).reshape(2, 4), ints(1, 0)],
        16,
        {"sampling_ratio": 2, "output_height": 2, "output_width": 3},
    ),
    "GridSample": (
        "GridSample",
        [x, np.tanh(draws(3, 2, 3, 3, 2)) * np.float32(1.2)],
        16,
        {"padding_mode": "reflection", "mode": "bicubic"},
    ),
}


@pytest.mark.parametrize("case", newest.values(), ids=newest)
def test_regions_and_grids_as_onnxruntime_has_them(case):
    op, arrays, opset, attributes = case
    made, rows = single(op, *arrays, opset=opset, **attributes)
    compare(made, **rows)


angles = np.outer(np.arange(5), 1 / 100 ** (np.arange(2) / 2)).astype(np.float32)
by_reference = {
    "Attention": (
        "Attention",
        [draws(1, 2, 5, 12), draws(2, 2, 5, 12), draws(3, 2, 5, 12)],
        23,
        {"is_causal": 1, "q_num_heads": 3, "kv_num_heads": 3},
    ),
    "RotaryEmbedding": (
        "RotaryEmbedding",
        [draws(1, 2, 5, 12), np.cos(angles)[None], np.sin(angles)[None]],
        23,
        {"num_heads": 3},
    ),
    "RMSNormalization": ("RMSNormalization", [x, draws(1, 5)], 23, {}),
    "Swish": ("Swish", [x], 24, {"alpha": 0.5}),
}


@pytest.mark.parametrize("case", by_reference.values(), ids=by_reference)
def test_the_newest_operators_as_onnx_itself_has_them(case):
    """By `onnx.reference`: onnxruntime is behind."""
    op, arrays, opset, attributes = case
    made, rows = single(op, *arrays, opset=opset, **attributes)
    if op == "RotaryEmbedding":  # tables of cosines and sines, one a sample
        rows = {k: np.broadcast_to(v, (2, *v.shape[1:])) for k, v in rows.items()}
        made, rows = single(op, *rows.values(), opset=opset, **attributes)
    (want,) = onnx.reference.ReferenceEvaluator(made).run(None, rows)
    np.testing.assert_allclose(onnx2jax.load(made)(**rows), want, rtol=0, atol=2e-6)


def history():
    """The schemas of all opsets that are supported: {name: {since: schema}}."""
    found = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.since_version <= newest_opset:
            found.setdefault(schema.name, {})[schema.since_version] = schema
    return found


own = {"SimplifiedLayerNormalization"}
"""Not ONNX's, though of its domain: onnxruntime's."""
claimed = [name for domain, name in operator_versions() if not domain and name not in own]


def test_every_version_here_is_one_of_onnx():
    """Each entry begins at 1 or where ONNX changed the operator."""
    assert newest_opset <= onnx.defs.onnx_opset_version()
    schemas = history()
    for name in claimed:
        assert set(operator_versions()["", name]) <= set(schemas[name]) | {1}, name


def test_every_attribute_onnx_declares_is_known():
    """At every opset: operators claimed lack no version, attribute or input."""
    lacking, schemas = {}, history()
    for name in claimed:
        ends = [*sorted(schemas[name]), newest_opset + 1]
        for since, end in itertools.pairwise(ends):
            schema = schemas[name][since]
            if end <= oldest_opset or schema.deprecated:
                continue
            ours = find_operator("", name, max(since, oldest_opset))
            missing = {"it"} if ours is None else set(schema.attributes) - ours.attributes
            if ours and not ours.variadic and len(schema.inputs) > len(ours.inputs):
                missing.add("inputs")
            if missing:
                lacking[name, since] = missing
    assert not lacking
