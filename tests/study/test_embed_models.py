"""A real network on real faces, from pixels to the embeddings that another program made."""

import os
import pathlib

import numpy as np
import pytest

import jfacemap as jfm
from jfacemap import onnx2jax


pytestmark = pytest.mark.skipif(
    "JFACEMAP_DATA" not in os.environ, reason="needs $JFACEMAP_DATA"
)
data = pathlib.Path(os.environ.get("JFACEMAP_DATA", ""))


@pytest.mark.parametrize(
    ("images", "embeddings"), (("lfw100", "lfw100"), ("orl_faces", "orl"))
)
def test_embeddings_are_those_known_of_these_images(images, embeddings):
    found = sorted(data.rglob("fr_feature.onnx"))
    if not found:
        pytest.skip("fr_feature.onnx: python -m experiments.fetch_models")
    with np.load(data / f"{images}.npz") as file:
        faces = file["aligned112"][::2]
    with np.load(data / "embeddings" / f"{embeddings}.npz") as file:
        known = file["mobilefacenet_512"][::2]
    place = f"memory://test_embed_models/{images}"
    f = onnx2jax.load(found[0])
    ours = jfm.embed(f, faces, place, preprocess="mobilefacenet").rows()
    scale = np.linalg.norm(known, axis=1)
    assert np.all(np.linalg.norm(ours - known, axis=1) < 1e-4 * scale)
    mirrored = jfm.embed(
        f, faces[:4], f"{place}/flip", preprocess="mobilefacenet", flip=True
    )
    cosine = jfm.unit(mirrored.rows()) * jfm.unit(known[:4])
    assert 0.8 < np.sum(cosine, axis=1).min() < np.sum(cosine, axis=1).max() < 1
