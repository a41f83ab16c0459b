"""The splits, controls and records of the main experiment; `--quick` runs it whole."""

import numpy as np
import pytest

import jfacemap as jfm
from experiments import canonical_faces, canonical_faces_report


@pytest.fixture(scope="module")
def faces():
    faces = jfm.data.load_faces()
    return faces[faces.dataset != "lfw100"]


def test_people_verified_are_never_fitted_on(faces):
    yale = faces.dataset == "yaleb"
    halves = canonical_faces.split_halves(canonical_faces.Config(halves=5), faces)
    assert len({tuple(sorted(people)) for people in halves}) == 5
    for people in halves:
        used = canonical_faces.fit_rows(faces, people)
        held_out = yale & ~used
        assert used[faces.dataset == "orl"].all() and len(people) == 19
        assert not set(faces.label[used]) & set(faces.label[held_out])
        assert (used | held_out).all()


def test_padding_and_images_with_themselves_do_not_count(faces):
    rows = np.flatnonzero(faces.dataset == "yaleb")[:23]
    padded, same, valid = canonical_faces.held_out_pairs(faces, rows)
    assert padded.size == canonical_faces.padded_images
    assert valid.sum() == 23 * 22 and not valid[np.arange(23), np.arange(23)].any()
    np.testing.assert_array_equal(padded[:23], rows)
    label = faces.label[rows]
    np.testing.assert_array_equal(same[:23, :23], label[:, None] == label[None])


def test_random_pairing_keeps_the_rows_and_breaks_the_pairs(faces):
    spaces = canonical_faces.unit_spaces(faces)[:2]
    used = faces.dataset == "orl"
    shuffled = canonical_faces.shuffle_within(0, spaces, used)
    orders = []
    for before, after in zip(
        map(np.asarray, spaces), map(np.asarray, shuffled), strict=True
    ):
        np.testing.assert_array_equal(before[~used], after[~used])
        np.testing.assert_array_equal(
            np.sort(before[used], axis=0), np.sort(after[used], axis=0)
        )
        orders.append([np.argmin(((before[used] - x) ** 2).sum(1)) for x in after[used]])
    assert np.mean(np.array(orders[0]) == orders[1]) < 0.05


def test_centring_is_of_the_rows_fitted_on(faces):
    x, used = canonical_faces.unit_spaces(faces)[0], faces.dataset == "orl"
    (ours,) = canonical_faces.centre([x], used)
    truth = np.float64(x) - np.float64(x)[used].mean(axis=0)
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    np.testing.assert_allclose(ours, truth, atol=1e-6)


def test_means_are_over_ordered_pairs_or_over_models():
    tar = np.arange(9.0).reshape(3, 3, 1)
    assert canonical_faces_report.mean_of(tar) == (1 + 2 + 3 + 5 + 6 + 7) / 6
    assert canonical_faces_report.mean_of(tar, diagonal=True) == 4


@pytest.mark.parametrize("rate, text", [(0.5, ".500"), (-0.25, "-.250"), (1.0, "1.000")])
def test_rates_are_short(rate, text):
    assert canonical_faces_report.short(rate) == text


def test_the_data_is_named_by_its_digest(faces):
    assert len(faces.digest) == 64 and int(faces.digest, 16)
