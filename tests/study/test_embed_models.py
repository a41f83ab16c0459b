"""A real network on real faces, from pixels to the embeddings that another program made."""

import os
import pathlib

import numpy as np
import onnx
import PIL.Image
import pytest

import jfacemap as jfm
from jfacemap import onnx2jax

from ..onnx2jax.build import runtime
from ..onnx2jax.test_models import model_path


pytestmark = pytest.mark.skipif(
    "JFACEMAP_DATA" not in os.environ, reason="needs $JFACEMAP_DATA"
)
data = pathlib.Path(os.environ.get("JFACEMAP_DATA", ""))


@pytest.mark.parametrize(
    ("images", "embeddings"), (("lfw100", "lfw100"), ("orl_faces", "orl"))
)
def test_embeddings_are_those_known_of_these_images(images, embeddings):
    path = model_path("fr_feature")
    with np.load(data / f"{images}.npz") as file:
        faces = file["aligned112"]
    with np.load(data / "embeddings" / f"{embeddings}.npz") as file:
        known = file["mobilefacenet_512"]
    place = f"memory://test_embed_models/{images}"
    f = onnx2jax.load(path)
    ours = jfm.embed(f, faces, place, preprocess="mobilefacenet").rows()
    scale = np.linalg.norm(known, axis=1)
    assert np.all(np.linalg.norm(ours - known, axis=1) < 1e-5 * scale)
    mirrored = jfm.embed(
        f, faces[:4], f"{place}/flip", preprocess="mobilefacenet", flip=True
    )
    cosine = jfm.unit(mirrored.rows()) * jfm.unit(known[:4])
    assert 0.8 < np.sum(cosine, axis=1).min() < np.sum(cosine, axis=1).max() < 1


@pytest.mark.parametrize("images", ("lfw100", "orl_faces"))
def test_features_of_a_classifier_are_onnxruntimes(images):
    """Cut off inside, of images in grey and in colour, resized and cropped."""
    path = model_path("efficientnet_lite0")
    with np.load(data / f"{images}.npz") as file:
        faces = file["aligned112"][:3]
    name, wanted = "/Reshape_output_0", jfm.data.presets["efficientnet_lite"]
    f = onnx2jax.load(path, outputs=[name])
    place = f"memory://test_embed_models/features/{images}"
    ours = jfm.embed(f, faces, place, preprocess="efficientnet_lite").rows()
    frames = np.stack([wanted.frame(PIL.Image.fromarray(face)) for face in faces])
    x = np.float32((frames.astype(np.float64) - 127) / 128).transpose(0, 3, 1, 2)
    made = onnx.load(path)
    made.graph.output.append(onnx.ValueInfoProto(name=name))
    theirs = runtime(made, **{made.graph.input[0].name: x})[name]
    np.testing.assert_allclose(ours, theirs.reshape(3, -1), rtol=0, atol=1e-4)
