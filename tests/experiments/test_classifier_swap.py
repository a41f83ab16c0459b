"""Folds of `classifier_swap` keep images apart; `--quick` runs it whole."""

import numpy as np
import pytest

import jfacemap as jfm
from experiments import classifier_swap, classifier_swap_data as data, grids
from jfacemap.core.rows import ArrayRows

from ..helpers import least_squares


@pytest.fixture(scope="module")
def networks():
    return data.simulate(0)


def test_random_pairs_move_whole_images(networks):
    image = np.repeat(np.arange(10), 3)
    rows = [np.arange(30, dtype=np.float32)[:, None] for _ in range(2)]
    first, second = (x[:, 0].astype(int) for x in data.pair_at_random(rows, image, 0))
    assert not np.array_equal(first, second)
    for moved in (first, second):
        assert sorted(moved) == list(range(30))
        shown = image[moved].reshape(10, 3)
        assert np.all(shown == shown[:, :1])  # three rows of one image stay together


def test_halves_and_samples_are_of_whole_images(networks, tmp_path):
    image = np.array([f"image {i // 4}" for i in range(400)])
    x = np.arange(400, dtype=np.float32)[:, None]
    np.savez(tmp_path / "x.npz", x=x)
    store = jfm.data.EmbeddingStore.from_file(tmp_path / "x.npz", tmp_path / "x.zarr")
    given = networks.folds[0]
    fold = data.Fold([x, store, ArrayRows(x)], image, *_judged(given))
    half = fold.halves(0)
    assert half.sum() == 200
    assert not set(image[half == 0]) & set(image[half == 1])
    rows, shown = fold.sample(0, 50)
    assert len(shown) == 48 and np.all(np.unique(shown, return_counts=True)[1] == 4)
    where = rows[0][:, 0].astype(int)
    np.testing.assert_array_equal(image[where], shown)
    assert where.min() < 100 and where.max() >= 300  # from all over the rows
    for other in rows[1:]:
        np.testing.assert_array_equal(other, rows[0])


def _judged(fold):
    return fold.features, fold.labels, fold.image


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


def test_crops_of_a_users_folder_stay_together(networks, tmp_path):
    fold, crops = networks.folds[0], np.arange(60) // 6
    for i, name in enumerate(networks.names):
        head = networks.heads[name]
        np.savez(tmp_path / f"{name}.npz", features=fold.features[i], labels=fold.labels,
                 head_weight=head.weight, head_bias=head.bias, fit_image=crops,
                 fit_features=fold.fit_rows[i][:60])  # fmt: skip
    found = data.from_folder(tmp_path, 0)
    (only,) = found.folds
    half = only.halves(0)
    assert all(len(set(half[crops == c])) == 1 for c in range(10)) and half.sum() == 30
    assert "60 rows of 10 others" in found.about


@pytest.fixture(scope="module")
def whole():
    return classifier_swap.run(classifier_swap.Config(quick=True))


def right(head, x, labels):
    """Percent named right, in float64."""
    logits = x @ np.float64(head.weight) + np.float64(head.bias)
    return 100 * np.mean(np.argmax(logits, axis=1) == labels)


def test_accuracies_are_those_of_float64_numpy(networks, whole):
    fold, names = networks.folds[0], networks.names
    table = whole.arrays["accuracy/affine"]
    for i, a in enumerate(names):
        x = np.float64(fold.features[i])
        own = right(networks.heads[a], x, fold.labels)
        for kind in ("affine", "linear", "affine, ridge", "logits"):
            assert abs(whole.arrays[f"accuracy/{kind}"][i, i] - own) < 0.1, kind
        for j, b in enumerate(names):
            if i == j:
                continue
            rows = fold.fit_rows[i], fold.fit_rows[j]
            weight, bias = least_squares(*rows, centred=True)
            swapped = right(networks.heads[b], x @ weight + bias, fold.labels)
            assert abs(table[i, j] - swapped) < 0.1


def test_logits_have_constant_rows_and_what_is_cut_has_nothing(whole):
    logits = whole.arrays["accuracy/logits"]
    np.testing.assert_allclose(logits, logits[:, :1] + 0 * logits, atol=0.1)
    naive = whole.arrays["accuracy/naive"][~np.eye(3, dtype=bool)]
    assert naive.max() < 20 < whole.arrays["accuracy/affine"].min()


def test_least_squares_is_worst_of_as_many_rows_as_dimensions(networks, whole):
    at = whole.arrays
    sizes, accuracy = at["rows/sizes"], at["rows/accuracy"].mean(axis=-1)
    assert sizes.tolist() == [8, 16, 32, 40, 64, 3000]
    plain, ridge = accuracy
    assert plain[3] < min(plain[2], plain[4]) and ridge[3] > plain[3] + 20
    off = ~np.eye(3, dtype=bool)
    for kind, last in zip(("affine", "affine, ridge"), at["rows/accuracy"], strict=True):
        np.testing.assert_allclose(last[-1], at[f"accuracy/{kind}"][off], atol=1e-4)


def test_the_record_is_whole(whole):
    rows = list(whole.rows)
    assert len(rows) == 5 * 9 + 2 * 6 * 6
    assert set(whole.figures) == {"swaps", "rows", "parts"}
    assert set(rows[-1]) <= set(rows[0])
    parts, null = whole.arrays["parts"], whole.arrays["parts/null"]
    assert parts.shape == (6, 3, 2) and np.all(parts > null + 0.1)


def test_ends_of_grids_are_told(capsys):
    assert grids.warn_of_ends("Ridges", [0.1, 10.0], (0.1, 1.0, 10.0))
    assert "Ridges: 0.1, 10, at the end of the grid (0.1 to 10)" in capsys.readouterr().out
    assert not grids.warn_of_ends("Ridges", 1.0, (0.1, 1.0, 10.0))
