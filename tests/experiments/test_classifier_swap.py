"""Folds of `classifier_swap` keep images apart, and a user's folder is read."""

import numpy as np
import pytest

import jfacemap as jfm
from experiments import classifier_swap_data as data


@pytest.fixture(scope="module")
def networks():
    return data.simulate(0)


def test_random_pairs_move_whole_images(networks):
    fold = networks.folds[0]
    image = np.repeat(np.arange(10), 3)
    rows = [np.arange(30, dtype=np.float32)[:, None] for _ in range(2)]
    fold = data.Fold(rows, image, fold.features, fold.labels, fold.image)
    first, second = (x[:, 0].astype(int) for x in fold.shuffled(0))
    assert not np.array_equal(first, second)
    for moved in (first, second):
        assert sorted(moved) == list(range(30))
        shown = image[moved].reshape(10, 3)
        assert np.all(shown == shown[:, :1])  # three rows of one image stay together
    fit, held = fold.split(0)
    assert not set(image[fit[0][:, 0].astype(int)]) & set(image[held[0][:, 0].astype(int)])
    np.testing.assert_array_equal(fit[0], fit[1])


def test_a_folder_without_rows_to_fit_on_is_split_both_ways(networks, tmp_path):
    fold = networks.folds[0]
    image = np.arange(len(fold.labels)) // 2
    for i, name in enumerate(networks.names):
        head = networks.heads[name]
        np.savez(tmp_path / f"{name}.npz", features=fold.features[i], labels=fold.labels,
                 head_weight=head.weight, head_bias=head.bias, image=image)  # fmt: skip
    found = data.from_folder(tmp_path, 0)
    assert found.names == tuple(sorted(networks.names))
    a, b = found.folds
    assert not set(a.fit_image) & set(a.image)
    np.testing.assert_array_equal(np.sort([*a.image, *b.image]), image)
    own = found.heads["clear"](a.features[found.names.index("clear")])
    assert np.mean(np.argmax(own, axis=1) == a.labels) > 0.9
    np.save(tmp_path / "clear.fit.npy", fold.features[0])
    with pytest.raises(jfm.data.InputError, match="rows to fit on"):
        data.from_folder(tmp_path, 0)
