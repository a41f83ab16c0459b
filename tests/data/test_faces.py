import os
import pathlib

import numpy as np
import pytest

import jfacemap as jfm


def test_what_ships():
    faces = jfm.data.load_faces()
    assert faces.names[0] == "dlib_resnet" and len(faces.names) == 6
    assert faces.dims == (128, 512, 128, 192, 256, 1024)
    counts = {name: np.sum(faces.dataset == name) for name in ("orl", "lfw100", "yaleb")}
    assert counts == {"orl": 400, "lfw100": 100, "yaleb": 1244}
    people = {name: len(set(faces.label[faces.dataset == name])) for name in counts}
    assert people == {"orl": 40, "lfw100": 10, "yaleb": 38}
    for x in faces.embeddings.values():
        assert x.dtype == np.float32 and np.isfinite(x).all() and x.any(axis=1).all()
    mild = (np.abs(faces.azimuth) <= 50) & (np.abs(faces.elevation) <= 45)
    np.testing.assert_array_equal(mild, faces.dataset == "yaleb")


def test_rows_are_chosen_together():
    faces = jfm.data.load_faces()
    some = faces[faces.dataset == "lfw100"]
    assert len(some) == 100 and set(some.dataset) == {"lfw100"}
    np.testing.assert_array_equal(
        some.embeddings["faceres"], faces.embeddings["faceres"][400:500]
    )


def test_the_card_says_what_must_be_known():
    card = jfm.data.load_faces().card
    for word in (
        "Terms",
        "Not to be used for",
        "ORL",
        "Yale",
        "LFW",
        "MIT",
        "CC0",
        "float16",
    ):
        assert word in card
    assert all(name in card for name in jfm.data.load_faces().names)


@pytest.mark.skipif("JFACEMAP_DATA" not in os.environ, reason="needs $JFACEMAP_DATA")
def test_the_bundle_is_made_from_the_full_embeddings():
    from experiments.bundle_faces import gather

    columns = gather(pathlib.Path(os.environ["JFACEMAP_DATA"]) / "embeddings")
    faces = jfm.data.load_faces()
    for name in faces.names:
        np.testing.assert_array_equal(faces.embeddings[name], np.float32(columns[name]))
    for name in ("label", "dataset", "azimuth", "elevation"):
        np.testing.assert_array_equal(getattr(faces, name), columns[name])
