"""A model under JAX's transformations: calls, batches, gradients, dtypes, devices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

from jfacemap import onnx2jax
from jfacemap.onnx2jax import function as function_module

from ..devices import on_eight_devices
from .build import compare, draws, int64, model, node, runtime, value


w1, b1 = draws(1, 4, 3, 3, 3) / 4, draws(2, 4)
w2, slope = draws(3, 4, 1, 3, 3) / 2, np.abs(draws(4, 4, 1, 1)) / 4
dense = draws(5, 5, 4 * 8 * 8) / 16


def network(batch=1, constant=0.5):
    """A small face network as torch exports it: convolutions, PRelu, Reshape to [1, -1]."""
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["a"], pads=[1] * 4),
        node("PRelu", ["a", "slope"], ["b"]),
        node("Conv", ["b", "w2"], ["c"], pads=[1] * 4, group=4),
        node("Constant", [], ["half"], value_float=constant),
        node("Mul", ["c", "half"], ["d"]),
        node("Add", ["b", "d"], ["e"]),
        node(
            "Constant", [], ["shape"], value_ints=[batch if batch == 1 else -1, 4 * 8 * 8]
        ),
        node("Reshape", ["e", "shape"], ["f"]),
        node("Gemm", ["f", "dense"], ["y"], transB=1),
    ]
    weights = {"w1": w1, "b1": b1, "w2": w2, "slope": slope, "dense": dense}
    return model(nodes, {"x": (batch, 3, 8, 8)}, {"y": (batch, 5)}, weights)


x = draws(0, 6, 3, 8, 8)
one = onnx2jax.load(network())
any_batch = onnx2jax.load(network("N"))
truth = runtime(network("N"), x=x)["y"]


def test_calls_by_position_and_by_name():
    compare(network(), x=x[:1])
    np.testing.assert_array_equal(one(x[:1]), one(x=jnp.asarray(x[:1])))
    assert [i.name for i in one.inputs] == ["x"] and one.outputs == ("y",)


def test_leaves_are_the_weights():
    leaves = {name: w.shape for name, w in one.weights.items()}
    assert leaves == {k: v.shape for k, v in network_weights().items()}
    assert len(jax.tree.leaves(one)) == len(leaves)


def network_weights():
    return {"w1": w1, "b1": b1, "w2": w2, "slope": slope, "dense": dense}


def test_a_model_of_one_sample_runs_on_many():
    for out in (
        one.batched(x),
        jax.jit(one.batched)(x),
        jax.vmap(lambda x: one(x[None])[0])(x),
    ):
        np.testing.assert_allclose(out, truth, rtol=0, atol=1e-5 * np.abs(truth).max())


def test_a_model_of_any_batch_agrees_with_its_batched_self():
    np.testing.assert_allclose(any_batch(x), truth, rtol=0, atol=1e-5 * np.abs(truth).max())
    np.testing.assert_allclose(any_batch.batched(x), truth, rtol=0, atol=1e-4)


def test_several_outputs_come_by_name():
    nodes = [node("Relu", ["x"], ["a"]), node("ReduceSum", ["x"], ["b"], keepdims=0)]
    made = model(nodes, {"x": (1, 3)}, {"a": (1, 3), "b": ()})
    out = onnx2jax.load(made).batched(draws(0, 4, 3))
    assert {k: v.shape for k, v in out.items()} == {"a": (4, 3), "b": (4,)}
    turned = model(nodes, {"x": (1, 3)}, {"b": (), "a": (1, 3)})
    f, x = onnx2jax.load(turned), draws(0, 1, 3)
    assert list(f(x)) == ["b", "a"] and list(jax.jit(f)(x)) == ["a", "b"]


def test_compiles_once_for_each_shape():
    f = onnx2jax.load(network("N"))
    before = function_module._compiled._cache_size()
    for n in (2, 3, 2, 3):
        f(x[:n])
    assert function_module._compiled._cache_size() == before + 2


@pytest.mark.parametrize("leaf", ("w1", "w2", "slope", "dense", "x"))
def test_gradients_agree_with_finite_differences(leaf):
    with jax.enable_x64(True):
        f = jax.tree.map(lambda w: jnp.asarray(np.float64(w)), any_batch)
        rows = jnp.asarray(np.float64(x))
        start = rows if leaf == "x" else f.weights[leaf]

        def loss(value):
            if leaf == "x":
                return jnp.sum(jnp.sin(f(value)))
            return jnp.sum(jnp.sin(eqx.tree_at(lambda f: f.weights[leaf], f, value)(rows)))

        step = jnp.asarray(np.float64(draws(9, *start.shape)))
        step /= jnp.linalg.norm(step)
        slope_ = jnp.vdot(jax.grad(loss)(start), step)
        change = (loss(start + 1e-6 * step) - loss(start - 1e-6 * step)) / 2e-6
        np.testing.assert_allclose(slope_, change, rtol=1e-6, atol=1e-7)


def test_trains_with_filter_grad():
    loss = lambda f: jnp.mean((f(x) - truth) ** 2)
    start = jax.tree.map(lambda w: w * 0.9, any_batch)
    step = eqx.filter_grad(loss)(start)
    assert set(step.weights) == set(start.weights)
    after = eqx.apply_updates(start, jax.tree.map(lambda g: -1e-3 * g, step))
    assert loss(after) < loss(start)


def test_bfloat16_stays_bfloat16():
    """Constants and float32 inputs do not widen what follows narrow weights."""
    f = jax.tree.map(lambda w: w.astype(jnp.bfloat16), any_batch)
    text = str(jax.make_jaxpr(lambda x: f(x))(jnp.asarray(x)))
    out = f(x)
    assert out.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.float32(out), truth, atol=0.05 * np.abs(truth).max())
    convolutions = [line for line in text.splitlines() if "conv_general_dilated" in line]
    assert convolutions and all("bf16" in line for line in convolutions)
    assert f(x.astype(jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize("platform", ("cpu", "cuda", "tpu"))
def test_lowers_for_accelerators(platform):
    f = lambda f, x: f(x)
    lowered = (
        jax.jit(f).trace(any_batch, jnp.asarray(x)).lower(lowering_platforms=(platform,))
    )
    text = lowered.as_text()
    assert "f64" not in text
    # Depthwise: a kernel there, a sum of taps on CPU.
    assert ("feature_group_count = 4" in text) == (platform != "cpu")


def test_products_are_at_full_precision():
    text = str(jax.make_jaxpr(lambda x: any_batch(x))(jnp.asarray(x)))
    assert "HIGHEST" in text and "DEFAULT" not in text


def test_shards_over_the_batch(tmp_path):
    onnx.save(network("N"), tmp_path / "m.onnx")
    rows = draws(0, 16, 3, 8, 8)
    np.savez(tmp_path / "a.npz", x=rows, y=runtime(network("N"), x=rows)["y"])
    code = """
    from jfacemap import onnx2jax

    f = onnx2jax.load(sys.argv[1])
    x, y = np.load(sys.argv[2]).values()
    weights = jax.device_put(f, NamedSharding(mesh, P()))
    for call in (weights, weights.batched):
        out = call(jax.device_put(x, over))
        assert len({s.device for s in out.addressable_shards}) == 8
        assert all(s.data.shape == (2, 5) for s in out.addressable_shards)
        np.testing.assert_allclose(out, y, rtol=0, atol=1e-4)
    """
    on_eight_devices(code, tmp_path / "m.onnx", tmp_path / "a.npz")


wrong = {
    "shape": (lambda: one(x[0]), r"'x' of float32 \(1, 3, 8, 8\); got shape \(3, 8, 8\)"),
    "size": (lambda: any_batch(x[:, :2]), r"'x' of float32 \(N, 3, 8, 8\)"),
    "batch": (lambda: one(x), r"'x'.*got shape \(6, 3, 8, 8\); .*use `\.batched`"),
    "float64": (lambda: one(np.float64(x[:1])), r"'x' of float32.*float64.*astype"),
    "integers": (lambda: one(np.uint8(x[:1])), r"'x' of float32.*uint8.*astype"),
    "name": (lambda: one(image=x[:1]), r"wants input 'x'.*got image"),
    "twice": (lambda: one(x[:1], x=x[:1]), "wants input 'x'"),
    "none": (lambda: one(), r"wants input 'x'.*got none"),
    "too many": (lambda: one(x[:1], x[:1]), "2 inputs given; the model has 1"),
    "samples": (lambda: one.batched(np.float32(1)), "first axis, of samples"),
}


@pytest.mark.parametrize("case", wrong.values(), ids=wrong)
def test_wrong_inputs_say_what_is_wanted(case, unchecked_types):
    call, message = case
    with pytest.raises(ValueError, match=message):
        call()


def test_sizes_of_one_name_agree():
    made = model(
        [node("Add", ["a", "b"], ["y"])], {"a": ("N", 3), "b": ("N", 3)}, {"y": ("N", 3)}
    )
    f = onnx2jax.load(made)
    assert f(draws(0, 2, 3), draws(1, 2, 3)).shape == (2, 3)
    with pytest.raises(ValueError, match="'b' of float32"):
        f(draws(0, 2, 3), draws(1, 1, 3))


def test_an_input_that_sets_a_shape_is_static():
    made = model(
        [node("Reshape", ["x", "shape"], ["y"])],
        {"x": ("N", 6), "shape": value("shape", (2,), int64)},
        {"y": ("A", "B")},
    )
    f = onnx2jax.load(made)
    assert [i.static for i in f.inputs] == [False, True]
    rows = draws(0, 2, 6)
    assert f(rows, np.array([3, -1])).shape == (3, 4)
    assert f(rows, np.array([4, 3])).shape == (4, 3)
    with pytest.raises(ValueError, match="'shape' sets a shape"):
        jax.jit(f)(rows, jnp.array([3, 4]))


def test_large_integers_that_are_known_stay_exact():
    """Ends of 2**63 - 1 mean all of an axis; as int32 they would be -1."""
    nodes = [
        node("Constant", [], ["starts"], value_ints=[1]),
        node("Constant", [], ["ends"], value_ints=[2**63 - 1]),
        node("Slice", ["x", "starts", "ends"], ["y"]),
    ]
    made = model(nodes, {"x": (4,)}, {"y": (3,)})
    compare(made, x=draws(0, 4))


def test_shape_arithmetic_leaves_no_trace():
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Constant", [], ["i"], value=onnx.numpy_helper.from_array(np.array(0))),
        node("Gather", ["shape", "i"], ["n"]),
        node("Constant", [], ["axis"], value_ints=[0]),
        node("Unsqueeze", ["n", "axis"], ["n1"]),
        node("Constant", [], ["rest"], value_ints=[-1]),
        node("Concat", ["n1", "rest"], ["to"], axis=0),
        node("Reshape", ["x", "to"], ["y"]),
    ]
    made = model(nodes, {"x": ("N", 3, 4)}, {"y": ("N", 12)})
    f, _ = compare(made, x=draws(0, 2, 3, 4))
    jaxpr = jax.make_jaxpr(lambda x: f(x))(draws(0, 2, 3, 4))
    (inner,) = [
        e.params["jaxpr"] for e in jaxpr.eqns if e.primitive.name in ("jit", "pjit")
    ]
    assert [e.primitive.name for e in inner.eqns] == ["reshape"]
