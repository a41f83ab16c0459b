"""A model cut off inside."""

import numpy as np
import onnx
import pytest
from onnx import helper

from jfacemap import onnx2jax

from .build import draws, model, node, runtime


def classifier():
    nodes = [
        node("MatMul", ["x", "w"], ["hidden"]),
        node("Relu", ["hidden"], ["feature"]),
        node("MatMul", ["feature", "head"], ["logits"]),
    ]
    weights = {"w": draws(0, 4, 6), "head": draws(1, 6, 3)}
    return model(nodes, {"x": ("n", 4)}, {"logits": ("n", 3)}, weights)


def test_inner_values_are_outputs_and_the_rest_is_left_out():
    made, x = classifier(), draws(2, 5, 4)
    f = onnx2jax.load(made, outputs=["feature"])
    assert set(f.weights) == {"w"} and f.outputs == ("feature",)
    truth = np.maximum(x @ draws(0, 4, 6), 0)
    np.testing.assert_allclose(f(x), truth, atol=1e-5)
    both = onnx2jax.load(made, outputs=["logits", "hidden"])(x)
    np.testing.assert_allclose(both["logits"], runtime(made, x=x)["logits"], atol=1e-5)
    assert [o.name for o in made.graph.output] == ["logits"]  # the caller's is untouched


def test_what_subgraphs_read_is_kept():
    branch = lambda name: helper.make_graph(
        [node("Identity", [name], ["y"])],
        name,
        [],
        [helper.make_empty_tensor_value_info("y")],
    )
    nodes = [
        node("Neg", ["x"], ["minus"]),
        node("If", ["yes"], ["z"], then_branch=branch("minus"), else_branch=branch("x")),
        node("Relu", ["z"], ["out"]),
    ]
    yes = {"yes": np.array(True)}
    made = model(nodes, {"x": (2,)}, {"out": (2,)}, yes)
    x = np.array([1.0, -2.0], np.float32)
    np.testing.assert_array_equal(onnx2jax.load(made, outputs=["z"])(x), -x)


def test_inputs_of_what_is_left_out_are_left_out():
    nodes = [node("Relu", ["x"], ["a"]), node("Add", ["a", "z"], ["y"])]
    made = model(nodes, {"x": (2,), "z": (2,)}, {"y": (2,)})
    f = onnx2jax.load(made, outputs=["a"])
    assert [spec.name for spec in f.inputs] == ["x"]
    np.testing.assert_array_equal(f(np.array([-1, 1], np.float32)), [0, 1])


@pytest.mark.parametrize("names", ([], "feature"), ids=repr)
def test_outputs_are_a_list_of_names(names):
    with pytest.raises(ValueError, match=r"outputs is a list of names"):
        onnx2jax.load(classifier(), outputs=names)


def test_an_unknown_value_names_those_near_it(tmp_path):
    onnx.save(classifier(), tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"m.onnx has no value 'features'.*feature"):
        onnx2jax.load(tmp_path / "m.onnx", outputs=["features"])
