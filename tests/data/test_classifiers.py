import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.data import InputError, read_classifiers


r = np.random.default_rng(0)
draw = lambda *shape: np.float32(r.normal(size=shape))
labels = r.integers(0, 4, 9)


def arrays(d, **others):
    own = {"features": draw(9, d), "labels": labels}
    own |= {"head_weight": np.float16(draw(d, 4)), "head_bias": draw(4)}
    return {k: v for k, v in (own | others).items() if v is not None}


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays(5))
    np.savez(tmp_path / "b.npz", **arrays(6))
    return tmp_path


def test_reads_networks_by_name(folder):
    a, b = read_classifiers(folder)
    assert (a.name, b.name) == ("a", "b") and a.fit_rows is None and a.fit_image is None
    assert (a.head.dim, b.head.dim, a.head.classes) == (5, 6, 4)
    np.testing.assert_array_equal(a.labels, labels)
    np.testing.assert_array_equal(a.image, np.arange(9))


def test_rows_to_fit_on_are_found_in_three_places(folder):
    rows = [draw(20, 6), draw(20, 7), draw(20, 5)]
    np.savez(folder / "b.npz", **arrays(6, fit_features=rows[0]))
    np.savez(folder / "c.npz", **arrays(7))
    np.save(folder / "c.fit.npy", rows[1])
    with jfm.data.EmbeddingStore.create(folder / "a.fit.zarr", 5) as store:
        store.append(rows[2])
    a, b, c = read_classifiers(folder)
    for found, true in zip((b, c, a), rows, strict=True):
        np.testing.assert_array_equal(next(iter(found.fit_rows.batches(99))), true)
        np.testing.assert_array_equal(found.fit_image, np.arange(20))
    np.save(folder / "b.fit.npy", rows[0])
    with pytest.raises(InputError, match="twice there: fit_features, "):
        read_classifiers(folder)


def test_rows_to_fit_on_say_of_which_image_they_are(folder):
    crops = np.repeat(["dog", "cat", "car", "sea"], 5)
    for name, d in (("a", 5), ("b", 6)):
        np.save(folder / f"{name}.fit.npy", draw(20, d))
        np.savez(folder / f"{name}.npz", **arrays(d, fit_image=crops))
    for found in read_classifiers(folder):
        np.testing.assert_array_equal(found.fit_image, crops)
    np.savez(folder / "b.npz", **arrays(6, fit_image=crops[:9]))
    with pytest.raises(InputError, match=r"b.npz: fit_image is \(20,\), one a row to fit"):
        read_classifiers(folder)
    np.savez(folder / "b.npz", **arrays(6))
    with pytest.raises(InputError, match="a and b say differently which rows to fit on"):
        read_classifiers(folder)


@pytest.mark.parametrize(
    ("wrong", "match"),
    (
        ({"labels": None}, "b.npz has no array 'labels'"),
        ({"features": draw(9)}, r"are \(n, d\) floats; got \(9,\)"),
        ({"head_weight": draw(4, 6)}, r"keep \(classes, d\) need"),
        ({"head_weight": draw(4, 6), "head_bias": draw(6), "features": draw(9, 6)},
         r"6 wide and the head takes 4\. Transpose"),
        ({"labels": labels + 4}, "classes of the head, 0 to 3"),
        ({"labels": labels[:5]}, r"\(9,\) integers, one a row; got \(5,\)"),
        ({"image": np.arange(5)}, r"image is \(9,\), one a row; got \(5,\)"),
        ({"features": draw(9, 6) * np.nan}, "9 rows of features are not finite"),
        ({"labels": labels[::-1]}, "a and b have other labels"),
        ({"image": np.zeros(9, int)}, "say differently which rows are of one image"),
        ({"head_weight": draw(6, 5), "head_bias": draw(5)}, "tell apart 4 and 5"),
        ({"fit_features": draw(20, 6)}, "have no and 20 rows to fit on"),
        ({"fit_image": np.arange(20)}, "fit_image is of rows to fit on, and there are no"),
        ({"fit_features": draw(20, 3)}, "are 6 wide and rows to fit on 3"),
    ),
)  # fmt: skip
def test_says_what_is_wrong(folder, wrong, match, unchecked_types):
    np.savez(folder / "b.npz", **arrays(6, **wrong))
    with pytest.raises(InputError, match=match):
        read_classifiers(folder)


def test_says_what_a_folder_holds(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        read_classifiers(tmp_path / "none")
    with pytest.raises(InputError, match=r"0 files NAME\.npz: two networks or more"):
        read_classifiers(tmp_path)
