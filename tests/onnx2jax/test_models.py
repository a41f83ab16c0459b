"""Whole networks on real faces, against onnxruntime."""

import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

from jfacemap import onnx2jax

from .build import runtime


needs_data = pytest.mark.skipif(
    "JFACEMAP_DATA" not in os.environ, reason="needs $JFACEMAP_DATA"
)
pytestmark = needs_data
data = pathlib.Path(os.environ.get("JFACEMAP_DATA", ""))

inputs = {
    "fr_age": (3, 64, 64),
    "fr_detect": (3, 240, 320),
    "fr_expression": (3, 224, 224),
    "fr_eye": (1, 24, 24),
    "fr_feature": (3, 112, 112),
    "fr_gender": (3, 64, 64),
    "fr_landmark": (1, 64, 64),
    "fr_liveness": (3, 128, 128),
    "fr_pose": (3, 224, 224),
    "efficientnet_lite0": (3, 224, 224),
}


def model_path(name: str) -> str:
    """The file of a network; skips where it is not."""
    folder = "onnx" if name.startswith("efficientnet") else "faceplugin-face-recognition-js"
    found = sorted((data / folder).rglob(f"{name}.onnx"))
    if not found:
        pytest.skip(f"{name}.onnx is not in $JFACEMAP_DATA/{folder}")
    return str(found[0])


def faces(name: str, n: int) -> np.ndarray:
    """Real images in the size and the range that the network wants."""
    c, h, w = inputs[name]
    file, key = ("lfw100.npz", "crop224") if h > 112 else ("lfw100.npz", "aligned112")
    if name == "fr_feature":
        file = "orl_faces.npz"
    images = np.load(data / file)[key][:n].astype(np.float32)
    images = images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)
    images = jax.image.resize(jnp.asarray(images), (n, h, w, 3), "linear")
    middle = 127 if name == "efficientnet_lite0" else 127.5
    images = np.asarray((images - middle) / 128).transpose(0, 3, 1, 2)
    return images.mean(1, keepdims=True) if c == 1 else images


@pytest.mark.parametrize("name", inputs)
def test_networks_agree_with_onnxruntime(name):
    path, x = model_path(name), faces(name, 3)
    (key,) = [i.name for i in onnx2jax.load(path).inputs]
    rows = [runtime(path, **{key: x[i : i + 1]}) for i in range(len(x))]
    f = onnx2jax.load(path)
    out = f.batched(x)
    out = out if isinstance(out, dict) else {f.outputs[0]: out}
    assert set(out) == set(rows[0])
    for output, have in out.items():
        want = np.concatenate([row[output] for row in rows])
        scale = max(float(np.abs(want).max()), 1e-6)
        error = np.abs(np.asarray(have).reshape(want.shape) - want).max() / scale
        assert error < 1e-5, output


efficientnet = "efficientnet_lite0"


def relative(ours, truth) -> float:
    return float(np.abs(np.float64(ours) - truth).max() / np.abs(truth).max())


def test_a_network_of_any_batch_runs_on_many_and_in_bfloat16():
    path, x = model_path(efficientnet), faces(efficientnet, 3)
    f = onnx2jax.load(path)
    truth = runtime(path, **{f.inputs[0].name: x})[f.outputs[0]]
    assert relative(f(x), truth) < 1e-5
    narrow = lambda w: w.astype(jnp.bfloat16) if w.dtype == jnp.float32 else w
    out = jax.tree.map(narrow, f)(x)
    assert out.dtype == jnp.bfloat16 and relative(out.astype(np.float32), truth) < 0.1
    for platform in ("cuda", "tpu"):
        traced = jax.jit(lambda f, x: f(x)).trace(f, jnp.asarray(x))
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert "f64" not in text and "feature_group_count" in text


def test_the_gradient_of_a_network_is_its_slope():
    """Of its first layers, in double precision: all of them would take minutes."""
    path = model_path(efficientnet)
    nodes = onnx.load(path).graph.node
    third = [node.output[0] for node in nodes if node.op_type == "Conv"][2]
    with jax.enable_x64(True):
        wide = lambda w: jnp.asarray(np.float64(w)) if w.dtype == jnp.float32 else w
        f = jax.tree.map(wide, onnx2jax.load(path, outputs=[third]))
        x = jnp.asarray(np.float64(faces(efficientnet, 1)))
        step = np.random.default_rng(0).standard_normal(x.shape)
        step = jnp.asarray(step / np.linalg.norm(step))
        loss = lambda x: jnp.sum(jnp.sin(f(x)))
        slope = jnp.vdot(jax.grad(loss)(x), step)
        change = (loss(x + 1e-6 * step) - loss(x - 1e-6 * step)) / 2e-6
        np.testing.assert_allclose(slope, change, rtol=1e-4)


def test_embeddings_of_one_person_are_nearer_than_of_two():
    """The network sees faces: ten images of each of four people."""
    f = onnx2jax.load(model_path("fr_feature"))
    e = np.array(f.batched(faces("fr_feature", 40)))
    e /= np.linalg.norm(e, axis=1, keepdims=True)
    same = np.arange(40)[:, None] // 10 == np.arange(40) // 10
    cosines = e @ e.T
    off = ~np.eye(40, dtype=bool)
    assert cosines[same & off].mean() > cosines[~same].mean() + 0.2
