"""Changes of images, and shares of native TAR, on small data."""

import numpy as np
import pytest

import jfacemap as jfm
from experiments import ceilings, ceilings_report


def images(n=2, size=112):
    y, x = np.mgrid[:size, :size]
    waves = [128 + 100 * np.sin(x / (9 + k)) * np.cos(y / 13) for k in range(n)]
    return np.repeat(np.uint8(waves)[..., None], 3, axis=-1)


@pytest.mark.parametrize("name", ceilings.changes)
def test_changes_keep_the_shape_and_are_what_they_are_called(name):
    before = images()
    after = np.ascontiguousarray(ceilings.changes[name](before))
    assert after.shape == before.shape and after.dtype == np.uint8
    assert np.array_equal(after, before) == (name == "no change")


def test_a_shift_moves_all_pixels_and_repeats_the_edge():
    before = images()
    after = ceilings.shift(before, 4)
    np.testing.assert_array_equal(after[:, 4:, 4:], before[:, :-4, :-4])
    np.testing.assert_array_equal(after[:, 0, 4:], before[:, 0, :-4])


def test_smaller_and_coarser_images_are_farther_from_what_they_were():
    before = images()
    error = lambda name: np.mean((np.float64(ceilings.changes[name](before)) - before) ** 2)
    assert error("56 px") < error("28 px") < error("14 px")
    assert 0 < error("JPEG 50") < error("JPEG 10")


def test_shares_are_of_the_targets_own_within_each_draw():
    rng = np.random.default_rng(0)
    tar, draws = rng.uniform(0.3, 1, (2, 2)), rng.uniform(0.3, 1, (9, 2, 2))
    draws[3, 1, 1] = 0  # its shares of nothing are left out
    draws[3, 0, 1] = 0
    spread = jfm.TarConfidence(tar, tar, tar, draws, 5, 0, 0.95)
    found = ceilings.kept(spread)
    assert found.share[1, 0] == tar[1, 0] / tar[0, 0] and found.share[1, 1] == 1
    low, high = np.quantile(draws[:, 1, 0] / draws[:, 0, 0], [0.025, 0.975])
    np.testing.assert_allclose(found.ends[:, 1, 0], [low, high])
    kept = np.delete(draws, 3, axis=0)
    truth = np.quantile(kept[:, 0, 1] / kept[:, 1, 1], [0.025, 0.975])
    np.testing.assert_allclose(found.ends[:, 0, 1], truth)


def test_maps_lead_from_changed_images_to_images_as_they_were():
    rng = np.random.default_rng(0)
    who = np.repeat([f"p{i}" for i in range(12)], 5)
    person = np.repeat(rng.normal(size=(12, 6)), 5, axis=0)
    original = np.float32(person + 0.3 * rng.normal(size=person.shape))
    changed = np.float32(original @ np.linalg.qr(rng.normal(size=(6, 6)))[0])
    judge = ceilings.Judge(ceilings.Config(replicates=20), who)
    assert not set(who[judge.used]) & set(who[~judge.used])
    spaces = [jfm.unit(x) for x in (original, changed)]
    found = {"turned": judge(spaces), "no change": judge([spaces[0], spaces[0]])}
    linear = ceilings.shares(found, "linear")
    np.testing.assert_allclose(linear[:, 0], 1, atol=0.02)
    assert ceilings.shares(found, "no map")[0, 0] < 0.6
    np.testing.assert_array_equal(ceilings.shares(found, "no map")[1], 1)


def test_a_share_is_like_the_mildest_change_that_costs_as_much():
    scale = {"no change": 1.0, "28 px": 0.6, "flipped": 0.95, "14 px": 0.2}
    told = [ceilings_report.like(s, scale) for s in (1.1, 0.97, 0.6, 0.3, 0.1)]
    assert told == ["no change", "flipped", "28 px", "14 px", ceilings_report.beyond]
    assert ceilings_report.reach(np.array([0.2, 0.6, 0.9]), 0.6) == 2


def test_images_of_other_models_are_the_same_in_the_same_order(tmp_path):
    models, source = ceilings.rows_of_models(tmp_path, np.zeros(100))
    faces = jfm.data.load_faces()
    assert source == "the six bundled models" and set(models) == set(faces.names)
    lfw = faces[faces.dataset == "lfw100"].embeddings
    np.testing.assert_array_equal(models["faceres"], lfw["faceres"])
