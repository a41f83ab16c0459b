import numpy as np
import pytest
from scipy.ndimage import rotate

from jfacemap import network


rng = np.random.default_rng(0)
images = np.zeros((3, 28, 28), np.uint8)
images[:, 5:23, 6:22] = rng.integers(0, 256, (3, 18, 16))


def test_by_scipy():
    ours = np.asarray(network.rotate_images(images, np.float32(network.angles)))
    assert ours.dtype == np.uint8 and ours.shape == (7, 3, 28, 28)
    for turned, degree in zip(ours, network.angles, strict=True):
        for one, image in zip(turned, images, strict=True):
            truth = rotate(np.float64(image), degree, reshape=False, order=1)
            assert np.abs(one - np.clip(np.round(truth), 0, 255)).max() <= 1


@pytest.mark.parametrize("turns", (1, 2, 3))
def test_quarter_turns_are_exact(turns):
    ours = network.rotate_images(images, np.float32([90 * turns]))
    np.testing.assert_array_equal(ours[0], np.rot90(images, turns, axes=(1, 2)))
