"""What the experiments on attributes measure and split, on made-up faces."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import finetune_attributes, lenet_attributes, orl_attributes
from experiments.face_edits import find_networks, random_network
from jfacemap import network


def faces(n=6, seed=0):
    rng = np.random.default_rng(seed)
    landmarks = rng.normal(100, 1, (n, 68, 2))
    landmarks[:, 36:42] += [-30, -20]
    landmarks[:, 42:48] += [30, -20]
    landmarks[:, 48:68] += [0, 40]
    return landmarks, rng.uniform(0, 255, (n, 112, 112)).astype(np.uint8)


def test_attributes_halve_the_faces_and_networks_add_theirs(tmp_path, monkeypatch):
    landmarks, images = faces(8)
    padded = landmarks * 2.5 + 40
    names = {"landmarks68": padded, "aligned112": images, "images": images}
    np.savez(tmp_path / "orl_faces.npz", **names)
    _, alone = orl_attributes.load_attributes(tmp_path)
    assert "male" not in alone

    def signs(folder, pictures, points):
        np.testing.assert_allclose(points, landmarks)
        return {"Male": np.arange(8.0), "Yaw": np.arange(8.0)}

    monkeypatch.setattr(orl_attributes, "network_signs", signs)
    values, found = orl_attributes.load_attributes(tmp_path)
    assert found == (*alone, "male")
    np.testing.assert_array_equal(values.sum(axis=0), 0)
    np.testing.assert_array_equal(values[:, -1], [-1] * 4 + [1] * 4)


def test_measures_follow_what_they_are_named_after():
    landmarks, images = faces()
    before = orl_attributes.measure(landmarks, images)
    open_mouth = landmarks.copy()
    open_mouth[:, 66] += [0, 25]
    after = orl_attributes.measure(open_mouth, images)
    assert (after["mouth_open"] > before["mouth_open"]).all()
    a = np.radians(15)
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    tilted = orl_attributes.measure(landmarks @ turn, images)
    np.testing.assert_allclose(tilted["tilted"] - before["tilted"], a, atol=1e-6)
    for name in ("turned", "mouth_open", "wide_jaw", "long_face", "eyes_open"):
        np.testing.assert_allclose(tilted[name], before[name], atol=1e-9)
        larger = orl_attributes.measure(landmarks * 3, images)
        np.testing.assert_allclose(larger[name], before[name], atol=1e-9)
    dark_right = images.copy()
    dark_right[:, :, 56:] //= 2
    lit = orl_attributes.measure(landmarks, dark_right)
    assert (lit["lit_from_left"] > before["lit_from_left"]).all()
    assert (lit["bright"] < before["bright"]).all()


def test_people_are_in_one_part_alone():
    who = np.repeat([f"p{i}" for i in range(50)], 3)
    config = finetune_attributes.Config(train=30, test=9)
    parts = finetune_attributes.split(config, who)
    people = {part: set(who[rows]) for part, rows in parts.items()}
    assert [len(people[p]) for p in ("train", "validation", "test")] == [30, 8, 9]
    assert len(set.union(*people.values())) == 47


def test_the_substitute_is_the_same_each_time_and_can_learn():
    x = jnp.ones((2, 28, 28, 3))
    a, b = random_network(0), random_network(0)
    np.testing.assert_array_equal(a(x), b(x))
    assert a(x).shape == (2, 64) and len(jax.tree.leaves(a)) == 3


def test_an_unknown_network_is_named():
    with pytest.raises(ValueError, match="No network 'arcface' is known"):
        find_networks(None, ("arcface",))


def test_published_settings_of_fine_tuning_are_all_told():
    told = finetune_attributes.published
    for fact in ("1 + 8 x 2", "margin .5", "rate 1e-3", "m .4, h .333, s 64, t .01",
                 "rate 10;", '"Adam" and "momentum .9"'):  # fmt: skip
        assert fact in told


def test_a_kept_lenet_is_of_one_mnist(tmp_path, monkeypatch):
    """Other images of the same shape and settings are another training."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 28, 28)), np.arange(60) % 10
    of = lambda digest: types.SimpleNamespace(
        train_images=images.astype(np.uint8), train_labels=labels, digest=digest * 64
    )
    config = lenet_attributes.Config(keep=tmp_path, seeds=1, iterations=1)
    trained = types.SimpleNamespace(weights=None)

    def train(*arguments, save, **options):
        keys = jax.random.split(jax.random.key(0), 1)
        save(network.start_training(keys, network.CaffeSolver()))
        return trained

    monkeypatch.setattr(lenet_attributes.network, "train", train)
    keys = jax.random.split(jax.random.key(0), 1)
    run = lambda digest: lenet_attributes.train(
        config, keys, lenet_attributes.none, of(digest), 60
    )
    run("a")
    run("a")
    with pytest.raises(ValueError, match="of another training"):
        run("b")
