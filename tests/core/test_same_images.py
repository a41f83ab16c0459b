"""Rows brought together by the names of their images, or refused."""

import numpy as np
import pytest

from jfacemap.core.same_images import check_same_images, find_images


names = np.array([f"person {i % 4}/{i}.png" for i in range(23)])


def test_images_are_found_wherever_they_lie():
    order = np.random.default_rng(0).permutation(23)
    place = find_images(names[order], names, "b", "a")
    np.testing.assert_array_equal(place, np.argsort(order))  # the inverse
    np.testing.assert_array_equal(names[order][place], names)
    numbers = np.arange(23)  # as of images in an array: not in the order of their texts
    place = find_images(order, numbers, "b", "a")
    np.testing.assert_array_equal(order[place], numbers)


def test_names_that_agree_may_repeat():
    same = np.array(["x", "x", "y"])
    assert find_images(same, same, "b", "a") is None
    with pytest.raises(ValueError, match=r"1 image is in b more than once \(x\): name"):
        find_images(same[::-1], same, "b", "a")
    with pytest.raises(ValueError, match="in a more than once"):
        find_images(np.array(["y", "x"]), same, "b", "a")


def test_other_images_are_counted_and_named():
    others = np.array([*names[:-1], "new 1", "new 2", "new 3", "new 4"])
    with pytest.raises(ValueError) as caught:
        find_images(others, names, "b.zarr", "a.zarr")
    text = str(caught.value)
    assert "4 images are only in b.zarr (new 1, new 2, new 3, ...)" in text
    assert "1 image is only in a.zarr (person 2/22.png)" in text
    assert "to_file('X.npy', columns=())" in text


class Named:
    """What a store is to the check."""

    def __init__(self, names):
        self.columns, self._names = {"image": "string"}, names

    def column(self, name):
        assert name == "image"
        return self._names


def test_sources_are_compared_where_they_have_names():
    rows = np.zeros((23, 2))
    check_same_images({"x": rows, "y": Named(names), "z": rows, "w": Named(names)})
    check_same_images({"x": rows, "y": Named(names)})
    with pytest.raises(ValueError, match="z holds the images of y in another order"):
        check_same_images({"x": rows, "y": Named(names), "z": Named(names[::-1])})
    with pytest.raises(ValueError, match="1 image is only in y"):
        check_same_images({"y": Named(names), "z": Named(names[1:])})
