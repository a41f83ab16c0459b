"""Files and protos in, functions or one clear error out."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from onnx import helper

from jfacemap import onnx2jax

from .build import compare, draws, float32, model, node, runtime, value


w = draws(1, 4, 3)
gemm = model([node("MatMul", ["x", "w"], ["y"])], {"x": (2, 4)}, {"y": (2, 3)}, {"w": w})


def test_reads_a_path_and_a_proto(tmp_path):
    path = tmp_path / "gemm.onnx"
    onnx.save(gemm, path)
    x = draws(0, 2, 4)
    for given in (path, str(path), gemm):
        np.testing.assert_allclose(onnx2jax.load(given)(x), x @ w, rtol=1e-5, atol=1e-6)


def test_reads_weights_from_a_file_beside_the_model(tmp_path):
    large = model(
        [node("MatMul", ["x", "w"], ["y"])],
        {"x": (2, 400)},
        {"y": (2, 3)},
        {"w": draws(1, 400, 3)},
    )
    path = tmp_path / "large.onnx"
    onnx.save(
        large, path, save_as_external_data=True, location="large.bin", size_threshold=0
    )
    x = draws(0, 2, 400)
    want = runtime(str(path), x=x)["y"]
    np.testing.assert_allclose(onnx2jax.load(path)(x), want, rtol=1e-5, atol=1e-4)
    (tmp_path / "large.bin").unlink()
    with pytest.raises(ValueError, match=r"'w' is stored .* 'large\.bin', which is not"):
        onnx2jax.load(path)


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(ValueError, match=r"missing\.onnx does not exist"):
        onnx2jax.load(tmp_path / "missing.onnx")
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"\x08\x07\xff\xff\xff")
    with pytest.raises(ValueError, match=r"bad\.onnx is truncated, or no ONNX model"):
        onnx2jax.load(bad)
    bad.write_bytes(b"")
    with pytest.raises(ValueError, match=r"bad\.onnx holds no graph"):
        onnx2jax.load(bad)


@pytest.mark.parametrize("opset", (6, 99))
def test_opsets_outside_the_known_are_refused(opset):
    made = helper.make_model(gemm.graph, opset_imports=[helper.make_opsetid("", opset)])
    with pytest.raises(ValueError, match=f"opset {opset}; 7 to 28 are supported"):
        onnx2jax.load(made)


def test_a_model_says_of_which_opset_it_is():
    made = helper.make_model(gemm.graph)
    del made.opset_import[:]
    with pytest.raises(ValueError, match="does not say of which opset"):
        onnx2jax.load(made)


def test_all_that_is_unsupported_is_listed_at_once():
    nodes = [
        node("Frobnicate", ["x"], ["a"], name="first"),
        node("Relu", ["a"], ["b"], name="second", leak=0.1),
        node("StringSplit", ["b"], ["c"], name="third"),
        node("Secret", ["c"], ["d"], name="fourth", domain="com.acme"),
        node("Transpose", ["nothing"], ["y"], name="fifth"),
    ]
    graph = helper.make_graph(nodes, "g", [value("x", (2, 2))], [value("y", (2, 2))])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    with pytest.raises(ValueError) as caught:
        onnx2jax.load(made)
    text = str(caught.value)
    for part in (
        "node 'first': operator Frobnicate of opset 20",
        "node 'second': attribute 'leak' of Relu",
        "node 'third': operator StringSplit",
        "node 'fourth': operator com.acme.Secret",
        "node 'fifth' reads 'nothing', which nothing makes",
        "Export it again without that",
        "outputs=[NAME]",
    ):
        assert part in text


def test_nodes_in_any_order(tmp_path):
    """As onnxconverter may write them; graphs inside are sorted too."""
    nodes = [
        node("Add", ["b", "x"], ["y"]),
        node("Neg", ["a"], ["b"]),
        node("MatMul", ["x", "w"], ["a"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", (2, 3))],
        [value("y", (2, 3))],
        [onnx.numpy_helper.from_array(draws(1, 3, 3), "w")],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    compare(made, x=draws(0, 2, 3))
    assert [n.op_type for n in made.graph.node] == ["Add", "Neg", "MatMul"]  # untouched
    f, want = onnx2jax.load(made, outputs=["b"]), -draws(0, 2, 3) @ draws(1, 3, 3)
    np.testing.assert_allclose(f(draws(0, 2, 3)), want, rtol=1e-5)
    turned = helper.make_graph(
        [node("Neg", ["p"], ["out"]), node("Mul", ["x", "x"], ["p"])],
        "then",
        [],
        [value("out", (2,))],
    )
    plain = helper.make_graph([node("Neg", ["x"], ["e"])], "e", [], [value("e", (2,))])
    x = draws(0, 2)
    out = onnx2jax.load(model_of_if(turned, plain))(x=x, c=np.array(True))
    np.testing.assert_array_equal(out, -x * x)
    circle = [node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"])]
    graph = helper.make_graph(circle, "g", [value("x", (2,))], [value("a", (2,))])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    with pytest.raises(ValueError, match="reads 'b'"):
        onnx2jax.load(made)


faulty = {
    "training": ("BatchNormalization", 5, {"training_mode": 1}, "training is not"),
    "pad": ("Pad", 2, {"mode": "mirror"}, "mode 'mirror' is none of constant, edge"),
    "resize": ("Resize", 3, {"mode": "area"}, "mode 'area' is none of nearest"),
    "place": ("Resize", 3, {"coordinate_transformation_mode": "x"}, "'x' is none of half"),
    "grid": ("GridSample", 2, {"mode": "area"}, "mode 'area' is none of nearest"),
    "roi": ("RoiAlign", 3, {}, "RoiAlign: without a sampling_ratio"),
    "scatter": ("ScatterND", 3, {"reduction": "mean"}, "'mean' is none of none, add"),
}


@pytest.mark.parametrize("case", faulty.values(), ids=faulty)
def test_attributes_that_cannot_be_are_told_at_load(case):
    op, count, attributes, message = case
    names = [f"x{i}" for i in range(count)]
    made = helper.make_model(
        helper.make_graph(
            [node(op, names, ["y"], name="it", **attributes)],
            "g",
            [value(name, (1, 1, 2, 2)) for name in names],
            [helper.make_empty_tensor_value_info("y")],
        ),
        opset_imports=[helper.make_opsetid("", 19)],
    )
    with pytest.raises(ValueError, match=f"node 'it': .*{message}"):
        onnx2jax.load(made)


def test_fused_attributes_are_told_at_load_too():
    nodes = [
        node("FusedConv", ["x", "x"], ["a"], domain="com.microsoft", activation="Sine"),
        node("FusedMatMul", ["a", "a"], ["y"], domain="com.microsoft", transBatchA=1),
    ]
    shapes = {"x": (1, 1, 2, 2)}, {"y": (1, 1, 2, 2)}
    made = model(nodes, *shapes, domains=["com.microsoft"])
    with pytest.raises(ValueError, match=r"(?s)'Sine' is none of Relu.*transBatchA=1"):
        onnx2jax.load(made)


def test_inputs_of_strings_are_told_at_load():
    strings = value("s", (2,), onnx.TensorProto.STRING)
    nodes = [node("Identity", ["s"], ["t"]), node("Relu", ["x"], ["y"])]
    made = model(nodes, {"x": (2,), "s": strings}, {"y": (2,)})
    with pytest.raises(ValueError, match="input 's' holds strings"):
        onnx2jax.load(made)


def test_faults_in_branches_are_found_at_load():
    then = helper.make_graph(
        [node("Frobnicate", ["x"], ["t"])], "t", [], [value("t", (2,))]
    )
    other = helper.make_graph([node("Neg", ["x"], ["e"])], "e", [], [value("e", (2,))])
    made = model_of_if(then, other)
    with pytest.raises(ValueError, match="Frobnicate"):
        onnx2jax.load(made)


def model_of_if(then, other):
    nodes = [node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
    inputs = [value("x", (2,)), value("c", (), onnx.TensorProto.BOOL)]
    graph = helper.make_graph(nodes, "g", inputs, [value("y", (2,))])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )


def test_branches_have_weights_and_see_what_is_outside():
    branch = lambda op, seed: helper.make_graph(
        [node(op, ["x", "k"], ["out"])],
        op,
        [],
        [value("out", (2,))],
        [onnx.numpy_helper.from_array(draws(seed, 2), "k")],
    )
    made = model_of_if(branch("Add", 1), branch("Mul", 2))
    f = onnx2jax.load(made)
    assert len(f.weights) == 2  # of one name, in two graphs
    x = draws(0, 2)
    for c in (True, False):
        compare(made, x=x, c=np.array(c))


def test_initialisers_that_are_inputs_too_need_not_be_given():
    graph = onnx.GraphProto()
    graph.CopyFrom(gemm.graph)
    graph.input.append(value("w", (4, 3)))
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=3
    )
    f = onnx2jax.load(made)
    assert [i.name for i in f.inputs] == ["x"]
    assert f(draws(0, 2, 4)).shape == (2, 3)


def test_an_initialiser_used_twice_is_one_leaf():
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["a", "w"], ["y"])]
    made = model(nodes, {"x": (2, 3)}, {"y": (2, 3)}, {"w": draws(1, 3, 3)})
    f, _ = compare(made, x=draws(0, 2, 3))
    assert set(f.weights) == {"w"}


def test_constants_of_every_kind():
    table = helper.make_sparse_tensor(
        helper.make_tensor("v", float32, [2], [1.5, -2.0]),
        helper.make_tensor("i", onnx.TensorProto.INT64, [2], [1, 3]),
        [4],
    )
    nodes = [
        node("Constant", [], ["a"], value_floats=[1.0, 2.0, 3.0, 4.0]),
        node("Constant", [], ["b"], value_float=0.5),
        node("Constant", [], ["s"], sparse_value=table),
        node("Identity", ["x"], ["i"]),
        node("Mul", ["i", "a"], ["c"]),
        node("Add", ["c", "b"], ["d"]),
        node("Add", ["d", "s"], ["y"]),
    ]
    made = model(nodes, {"x": (4,)}, {"y": (4,)})
    f = onnx2jax.load(made)
    x = draws(0, 4)
    want = x * [1, 2, 3, 4] + 0.5 + [0, 1.5, 0, -2]
    np.testing.assert_allclose(f(x), want, rtol=1e-6)
    assert set(f.weights) == {"a", "s"}  # single numbers belong to the formula


def test_functions_of_the_model_are_inlined():
    twice = helper.make_function(
        "own",
        "Twice",
        ["a"],
        ["b"],
        [node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    graph = helper.make_graph(
        [node("Twice", ["x"], ["y"], domain="own")],
        "g",
        [value("x", (2,))],
        [value("y", (2,))],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    made = helper.make_model(graph, opset_imports=opsets, functions=[twice], ir_version=8)
    x = draws(0, 2)
    np.testing.assert_array_equal(onnx2jax.load(made)(x), x + x)


def test_numbers_without_axes_belong_to_the_formula():
    """Else the gradient by the exponent of x ** 2 would be NaN where x is not above 0."""
    nodes = [node("Pow", ["x", "two"], ["p"]), node("Mul", ["p", "w"], ["y"])]
    weights = {"two": np.array(2, np.float32), "w": np.ones(1, np.float32)}
    f = onnx2jax.load(model(nodes, {"x": (4,)}, {"y": (4,)}, weights))
    x = jnp.array([-1.0, 0, 1, 2])
    gradient = eqx.filter_grad(lambda f: f(x).sum())(f)
    assert set(gradient.weights) == {"w"}
    np.testing.assert_allclose(gradient.weights["w"], [6.0])
    np.testing.assert_allclose(jax.grad(lambda x: f(x).sum())(x), 2 * x)


def test_data_cut_short_name_the_tensor_and_its_file(tmp_path):
    copy = lambda: onnx.ModelProto.FromString(gemm.SerializeToString())
    beside = dict(save_as_external_data=True, location="g.bin", size_threshold=0)
    onnx.save(copy(), tmp_path / "g.onnx", **beside)
    (tmp_path / "g.bin").write_bytes((tmp_path / "g.bin").read_bytes()[:20])
    with pytest.raises(ValueError, match=r"'w' of sizes \(4, 3\) is damaged.*'g\.bin'"):
        onnx2jax.load(tmp_path / "g.onnx")
    cut = copy()
    cut.graph.initializer[0].raw_data = cut.graph.initializer[0].raw_data[:-4]
    with pytest.raises(ValueError, match=r"'w' of sizes \(4, 3\) is damaged"):
        onnx2jax.load(cut)


def test_a_node_that_fails_is_named():
    nodes = [node("Reshape", ["x", "to"], ["y"], name="head/reshape")]
    made = model(nodes, {"x": ("N", 3)}, {"y": (2, 2)}, {"to": np.array([2, 2])})
    with pytest.raises(Exception) as caught:
        onnx2jax.load(made)(draws(0, 2, 3))
    assert "node 'head/reshape' (Reshape)" in " ".join(caught.value.__notes__)
