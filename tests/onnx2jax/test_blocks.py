"""Blocks as exporters write them, against onnxruntime."""

import numpy as np
import pytest
from onnx import helper, numpy_helper, TensorProto

from jfacemap import onnx2jax

from .build import compare, draws, model, node, runtime


def norm(prefix, c):
    """Weights of a BatchNormalization."""
    mean, spread = draws(7, c), np.abs(draws(8, c)) + 0.5
    names = (f"{prefix}.{k}" for k in ("scale", "bias", "mean", "variance"))
    return dict(zip(names, (draws(5, c), draws(6, c), mean, spread), strict=True))


def constant(name, values, dtype=np.int64):
    return node(
        "Constant", [], [name], value=numpy_helper.from_array(np.array(values, dtype))
    )


def residual_block():
    """torch: two convolutions with BatchNormalization around a shortcut with stride."""
    weights = {
        "w1": draws(1, 8, 4, 3, 3) / 4,
        "w2": draws(2, 8, 8, 3, 3) / 6,
        "w3": draws(3, 8, 4, 1, 1),
        **norm("n1", 8),
        **norm("n2", 8),
        **norm("n3", 8),
    }
    batch_norm = lambda x, prefix, y: node(
        "BatchNormalization",
        [x, *(f"{prefix}.{k}" for k in ("scale", "bias", "mean", "variance"))],
        [y],
    )
    nodes = [
        node("Conv", ["x", "w1"], ["a"], pads=[1] * 4, strides=[2, 2]),
        batch_norm("a", "n1", "b"),
        node("Relu", ["b"], ["c"]),
        node("Conv", ["c", "w2"], ["d"], pads=[1] * 4),
        batch_norm("d", "n2", "e"),
        node("Conv", ["x", "w3"], ["f"], strides=[2, 2]),
        batch_norm("f", "n3", "g"),
        node("Add", ["e", "g"], ["h"]),
        node("Relu", ["h"], ["i"]),
        node("GlobalAveragePool", ["i"], ["j"]),
        node("Flatten", ["j"], ["y"]),
    ]
    return model(nodes, {"x": ("N", 4, 9, 9)}, {"y": ("N", 8)}, weights), (4, 9, 9)


def attention_block():
    """torch: a ViT block with LayerNorm in parts and shapes computed from the batch."""
    d, heads, length = 12, 3, 5
    weights = {
        "scale": draws(1, d),
        "shift": draws(2, d),
        "qkv": draws(3, d, 3 * d) / 4,
        "qkv_bias": draws(4, 3 * d),
        "out": draws(5, d, d) / 4,
        "position": draws(6, 1, length, d),
    }
    nodes = [
        node("Add", ["x", "position"], ["x0"]),
        node("ReduceMean", ["x0"], ["mean"], axes=[-1]),
        node("Sub", ["x0", "mean"], ["centred"]),
        constant("two", 2, np.float32),
        node("Pow", ["centred", "two"], ["square"]),
        node("ReduceMean", ["square"], ["variance"], axes=[-1]),
        constant("epsilon", 1e-6, np.float32),
        node("Add", ["variance", "epsilon"], ["safe"]),
        node("Sqrt", ["safe"], ["deviation"]),
        node("Div", ["centred", "deviation"], ["unit"]),
        node("Mul", ["unit", "scale"], ["scaled"]),
        node("Add", ["scaled", "shift"], ["normed"]),
        node("Shape", ["normed"], ["shape"]),
        constant("zero", 0),
        constant("one", 1),
        node("Gather", ["shape", "zero"], ["n"]),
        node("Gather", ["shape", "one"], ["t"]),
        constant("axis", [0]),
        node("Unsqueeze", ["n", "axis"], ["n1"]),
        node("Unsqueeze", ["t", "axis"], ["t1"]),
        constant("parts", [3, heads, d // heads]),
        node("Concat", ["n1", "t1", "parts"], ["split_shape"], axis=0),
        node("MatMul", ["normed", "qkv"], ["product"]),
        node("Add", ["product", "qkv_bias"], ["biased"]),
        node("Reshape", ["biased", "split_shape"], ["split"]),
        node("Transpose", ["split"], ["by_part"], perm=[2, 0, 3, 1, 4]),
        node("Split", ["by_part"], ["q1", "k1", "v1"], axis=0),
        node("Squeeze", ["q1", "axis"], ["q"]),
        node("Squeeze", ["k1", "axis"], ["k"]),
        node("Squeeze", ["v1", "axis"], ["v"]),
        node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        node("MatMul", ["q", "kt"], ["scores"]),
        constant("root", (d // heads) ** -0.5, np.float32),
        node("Mul", ["scores", "root"], ["small"]),
        node("Softmax", ["small"], ["attention"], axis=-1),
        node("MatMul", ["attention", "v"], ["mixed"]),
        node("Transpose", ["mixed"], ["by_token"], perm=[0, 2, 1, 3]),
        constant("width", [d]),
        node("Concat", ["n1", "t1", "width"], ["joined_shape"], axis=0),
        node("Reshape", ["by_token", "joined_shape"], ["joined"]),
        node("MatMul", ["joined", "out"], ["projected"]),
        node("Add", ["x0", "projected"], ["sum"]),
        constant("root2", 2**0.5, np.float32),
        node("Div", ["sum", "root2"], ["z"]),
        node("Erf", ["z"], ["erf"]),
        constant("unit1", 1, np.float32),
        node("Add", ["erf", "unit1"], ["erf1"]),
        node("Mul", ["sum", "erf1"], ["doubled"]),
        constant("half", 0.5, np.float32),
        node("Mul", ["doubled", "half"], ["gelu"]),
        node("Gather", ["gelu", "zero"], ["y"], axis=1),
    ]
    made = model(nodes, {"x": ("N", length, d)}, {"y": ("N", d)}, weights)
    return made, (length, d)


def channels_last_block():
    """tf2onnx: images enter with channels last, Pad and Conv stand between Transposes."""
    weights = {
        "w": draws(1, 6, 3, 3, 3) / 3,
        "d": draws(2, 6, 1, 3, 3),
        "bias": draws(3, 6),
    }
    nodes = [
        node("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2]),
        constant("pads", [0, 0, 0, 0, 0, 0, 1, 1]),
        node("Pad", ["first", "pads"], ["padded"]),
        node("Conv", ["padded", "w", "bias"], ["conv"], strides=[2, 2]),
        constant("low", 0, np.float32),
        constant("high", 6, np.float32),
        node("Clip", ["conv", "low", "high"], ["relu6"]),
        node(
            "Conv", ["relu6", "d"], ["deep"], group=6, auto_pad="SAME_UPPER", strides=[2, 2]
        ),
        node("Sigmoid", ["deep"], ["gate"]),
        node("Mul", ["deep", "gate"], ["swish"]),
        node("Transpose", ["swish"], ["last"], perm=[0, 2, 3, 1]),
        node("ReduceMean", ["last"], ["pooled"], axes=[1, 2], keepdims=0),
        node("ReduceL2", ["pooled"], ["length"], axes=[1]),
        node("Div", ["pooled", "length"], ["y"]),
    ]
    return model(nodes, {"x": ("N", 10, 10, 3)}, {"y": ("N", 6)}, weights, 13), (10, 10, 3)


def mxnet_block():
    """mxnet: pixels scaled, PRelu, fixed gamma, Flatten and Gemm before the last norm."""
    features = norm("fc1", 5)
    features["fc1.scale"] = np.ones(5, np.float32)
    weights = {
        "minus": np.full(1, 127.5, np.float32),
        "times": np.full(1, 0.0078125, np.float32),
        "w": draws(1, 4, 3, 3, 3) / 3,
        "slope": np.abs(draws(2, 4, 1, 1)),
        **norm("bn", 4),
        "dense": draws(3, 5, 4 * 36) / 8,
        "dense_bias": draws(4, 5),
        **features,
    }
    rest = ("scale", "bias", "mean", "variance")
    bn = [f"bn.{k}" for k in rest]
    nodes = [
        node("Sub", ["x", "minus"], ["moved"]),
        node("Mul", ["moved", "times"], ["scaled"]),
        node("Conv", ["scaled", "w"], ["conv"], pads=[1] * 4, kernel_shape=[3, 3]),
        node("BatchNormalization", ["conv", *bn], ["normed"], spatial=1),
        node("PRelu", ["normed", "slope"], ["active"]),
        node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Dropout", ["pooled"], ["kept"], ratio=0.4),
        node("Flatten", ["kept"], ["flat"]),
        node("Gemm", ["flat", "dense", "dense_bias"], ["fc"], transB=1),
        node(
            "BatchNormalization", ["fc", *(f"fc1.{k}" for k in rest)], ["y"], epsilon=2e-5
        ),
    ]
    return model(nodes, {"x": ("N", 3, 12, 12)}, {"y": ("N", 5)}, weights, 8), (3, 12, 12)


def paddle_block():
    """paddle: squeeze and excite with HardSigmoid, and a Resize to a computed size."""
    weights = {
        "w": draws(1, 6, 3, 3, 3) / 3,
        "s": draws(2, 2, 6, 1, 1),
        "e": draws(3, 6, 2, 1, 1),
    }
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1] * 4, strides=[2, 2]),
        node("HardSigmoid", ["a"], ["h"], alpha=1 / 6, beta=0.5),
        node("Mul", ["a", "h"], ["swish"]),
        node("GlobalAveragePool", ["swish"], ["pool"]),
        node("Conv", ["pool", "s"], ["squeezed"]),
        node("Relu", ["squeezed"], ["relu"]),
        node("Conv", ["relu", "e"], ["excited"]),
        node("HardSigmoid", ["excited"], ["gate"]),
        node("Mul", ["swish", "gate"], ["gated"]),
        node("Shape", ["gated"], ["small"]),
        node("Shape", ["x"], ["large"]),
        constant("zero", [0]),
        constant("two", [2]),
        constant("four", [4]),
        node("Slice", ["small", "zero", "two", "zero"], ["nc"]),
        node("Slice", ["large", "two", "four", "zero"], ["hw"]),
        node("Concat", ["nc", "hw"], ["sizes"], axis=0),
        node("Resize", ["gated", "", "", "sizes"], ["up"], mode="linear"),
        node("Concat", ["up", "x"], ["joined"], axis=1),
        node("ArgMax", ["joined"], ["best"], axis=1, keepdims=0),
        node("Cast", ["best"], ["cast"], to=TensorProto.FLOAT),
        node("ReduceMax", ["joined"], ["top"], axes=[1], keepdims=0),
        node("Add", ["cast", "top"], ["y"]),
    ]
    return model(nodes, {"x": ("N", 3, 8, 8)}, {"y": ("N", 8, 8)}, weights), (3, 8, 8)


def shuffle_block():
    """ShuffleNet: channels split, one half through a grouped convolution, then shuffled."""
    weights = {"w": draws(1, 4, 2, 3, 3) / 3}
    nodes = [
        constant("halves", [4, 4]),
        node("Split", ["x", "halves"], ["a", "b"], axis=1),
        node("Conv", ["b", "w"], ["c"], pads=[1] * 4, group=2),
        node("Concat", ["a", "c"], ["d"], axis=1),
        constant("grouped", [0, 2, 4, 6, 6]),
        node("Reshape", ["d", "grouped"], ["e"]),
        node("Transpose", ["e"], ["f"], perm=[0, 2, 1, 3, 4]),
        constant("back", [0, 8, 6, 6]),
        node("Reshape", ["f", "back"], ["y"]),
    ]
    return model(nodes, {"x": ("N", 8, 6, 6)}, {"y": ("N", 8, 6, 6)}, weights), (8, 6, 6)


blocks = (
    residual_block,
    attention_block,
    channels_last_block,
    mxnet_block,
    paddle_block,
    shuffle_block,
)


@pytest.mark.parametrize("block", blocks)
def test_blocks_agree_at_every_batch(block):
    made, shape = block()
    for n in (1, 3):
        compare(made, x=draws(0, n, *shape))


@pytest.mark.parametrize("block", blocks)
def test_blocks_agree_sample_by_sample(block):
    made, shape = block()
    x = draws(0, 3, *shape)
    want = runtime(made, x=x)["y"]
    out = onnx2jax.load(made).batched(x)
    np.testing.assert_allclose(out, want, rtol=0, atol=1e-5 * np.abs(want).max())


def loop_model(trips):
    """x doubled `trips` times; each sum on the way is an output too."""
    body = helper.make_graph(
        [
            node("Identity", ["go"], ["more"]),
            node("Add", ["carried", "carried"], ["next"]),
            node("ReduceSum", ["next"], ["seen"], keepdims=0),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, ()),
            helper.make_tensor_value_info("go", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, (3,)),
        ],
        [
            helper.make_tensor_value_info("more", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, (3,)),
            helper.make_tensor_value_info("seen", TensorProto.FLOAT, ()),
        ],
    )
    nodes = [
        constant("trips", trips),
        node("Loop", ["trips", "", "x"], ["y", "sums"], body=body),
    ]
    return model(nodes, {"x": (3,)}, {"y": (3,), "sums": (trips,)})


def test_loops_of_a_known_length():
    compare(loop_model(4), x=draws(0, 3))


def test_loops_that_data_ends():
    """y doubled while its sum is below 100: as many rounds as it takes."""
    body = helper.make_graph(
        [
            node("Add", ["carried", "carried"], ["next"]),
            node("ReduceSum", ["next"], ["total"], keepdims=0),
            constant("limit", 100, np.float32),
            node("Less", ["total", "limit"], ["more"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, ()),
            helper.make_tensor_value_info("go", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, (3,)),
        ],
        [
            helper.make_tensor_value_info("more", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, (3,)),
        ],
    )
    nodes = [
        constant("go", True, bool),
        node("Loop", ["", "go", "x"], ["y"], body=body),
    ]
    made = model(nodes, {"x": (3,)}, {"y": (3,)})
    for scale in (1, 7):
        compare(made, x=np.abs(draws(0, 3)) * np.float32(scale))


@pytest.mark.parametrize(("lengths", "back"), ((None, 0), (None, 1), ([4, 1, 3], 0)))
def test_scans_of_opset_8(lengths, back):
    """Sample by sample, each up to its own length: running sums, and their squares."""
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            node("Add", ["total", "x"], ["next"]),
            node("Mul", ["next", "next"], ["square"]),
        ],
        "body",
        [info(name, TensorProto.FLOAT, (2,)) for name in ("total", "x")],
        [info(name, TensorProto.FLOAT, (2,)) for name in ("next", "square")],
    )
    names = ["" if lengths is None else "lengths", "start", "rows"]
    scan = node(
        "Scan", names, ["end", "y"], body=body, num_scan_inputs=1, directions=[back]
    )
    constants = {} if lengths is None else {"lengths": np.array(lengths, np.int64)}
    shapes = {"start": (3, 2), "rows": (3, 4, 2)}, {"end": (3, 2), "y": (3, 4, 2)}
    made = model([scan], *shapes, constants, opset=8)
    compare(made, start=draws(0, 3, 2), rows=draws(1, 3, 4, 2))


def test_operators_of_the_runtimes_optimiser():
    """com.microsoft: fused convolutions, products and activations, of parts written out."""
    fused = "com.microsoft"
    weights = {
        "w": draws(1, 4, 3, 3, 3),
        "b": draws(2, 4),
        "k": draws(3, 16, 5),
        "c": draws(4, 5),
    }
    nodes = [
        node(
            "FusedConv",
            ["x", "w", "b"],
            ["a"],
            domain=fused,
            activation="Relu",
            strides=[2, 2],
        ),
        node("Flatten", ["a"], ["flat"]),
        node("FusedGemm", ["flat", "k", "c"], ["d"], domain=fused, activation="Relu"),
        node("Gelu", ["d"], ["e"], domain=fused),
        node("QuickGelu", ["e"], ["y"], domain=fused),
    ]
    made = model(nodes, {"x": ("N", 3, 6, 6)}, {"y": ("N", 5)}, weights, domains=[fused])
    compare(made, x=draws(0, 2, 3, 6, 6))
