"""What `canonical_ijbc` reads, pairs and counts; `--quick` runs it whole."""

import dataclasses

import jax
import numpy as np
import pytest

import jfacemap as jfm
from experiments import canonical_ijbc
from experiments.canonical_ijbc import Config
from jfacemap.study.pedigree import Pedigree


@pytest.fixture(scope="module")
def world():
    return jfm.data.simulate_ijb(jax.random.key(0), scale=0.003, models=2, width=8)


@pytest.fixture
def folders(world, tmp_path):
    jfm.data.write_ijb(world.protocol, tmp_path / "ijb")
    (tmp_path / "embeddings").mkdir()
    for name, i in (("V-R50-A", 0), ("ours", 1)):
        np.save(tmp_path / "embeddings" / f"{name}.npy", world.embeddings(i))
    both = {"ijb": tmp_path / "ijb", "embeddings": tmp_path / "embeddings"}
    return Config(**both, protocol="simulated")


def test_folders_give_the_protocol_and_unit_rows(world, folders):
    data = canonical_ijbc.open_data(folders)
    assert data.names == ("V-R50-A", "ours")
    np.testing.assert_array_equal(data.protocol.pairs, world.protocol.pairs)
    x = world.embeddings(1)
    truth = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(data.load(1), truth, atol=1e-6)
    assert data.about["source"] == "embeddings of 2 models as given, protocol simulated"


def test_pedigrees_come_from_the_paper_and_from_a_file(folders):
    assert canonical_ijbc.open_data(folders).pedigrees is None
    path = folders.embeddings / "pedigree.csv"
    path.write_text("name,data,arch,loss\nours,VGGFace2,,ArcFace\n")
    first, second = canonical_ijbc.open_data(folders).pedigrees
    assert first == Pedigree("VGGFace2", "ResNet", "ArcFace")
    assert second == Pedigree("VGGFace2", None, "ArcFace")


def test_one_folder_is_not_enough(folders):
    with pytest.raises(jfm.data.InputError, match="go together"):
        canonical_ijbc.open_data(Config(ijb=folders.ijb))


def test_disjoint_fits_on_people_of_no_pair(folders):
    whole = canonical_ijbc.open_data(folders)
    data = canonical_ijbc.open_data(dataclasses.replace(folders, disjoint=True))
    protocol = whole.protocol
    subject = dict(zip(protocol.templates, protocol.template_subject, strict=True))
    fitted = {subject[t] for t in protocol.template[data.fitted]}
    judged = {subject[t] for t in data.protocol.pairs.ravel()}
    assert fitted and judged and not fitted & judged
    assert (
        data.fitted.sum() < whole.fitted.sum() and not (data.fitted & ~whole.fitted).any()
    )
    both = np.array([[subject[t] in judged for t in pair] for pair in protocol.pairs])
    np.testing.assert_array_equal(data.protocol.pairs, protocol.pairs[both.all(axis=1)])
    assert data.about["counts"]["genuine pairs"] == data.protocol.genuine.sum() > 0
    assert "one side of every pair" in whole.about["fit"] != data.about["fit"]


def test_means_are_over_pairs_and_over_models_and_intervals_of_the_mean():
    tar = np.arange(4.0).reshape(2, 2, 1) / 10
    draws = np.array([[[0.5, 0.1], [0.3, 0.9]], [[0.7, 0.3], [0.1, 0.9]]])[..., None]
    ends = [draws.mean(axis=0)] * 3
    about = {"replicates": draws, "n_identities": 9, "n_skipped": 0, "level": 0.95}
    spread = {"linear": jfm.TarConfidence(*ends, **about)}
    means = canonical_ijbc.mean_rows({"linear": tar, "linear, centred": tar}, spread)
    assert means["native"].tar == pytest.approx(0.15) and means["native"].cost is None
    np.testing.assert_allclose(means["native"].ends[:, 0], [0.7025, 0.7975])
    linear = means["linear"]
    assert linear.tar == pytest.approx(0.15)
    np.testing.assert_allclose(linear.ends, 0.2)  # the two go up and down together
    np.testing.assert_allclose(linear.cost[:, 0], [-0.5975, -0.5025])
    assert means["linear, centred"].ends is None
