import numpy as np
import PIL.Image
import pytest

import jfacemap as jfm
from jfacemap.data.arrays import InputError
from jfacemap.data.images import open_images


rng = np.random.default_rng(0)
colour = rng.integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
pixels = lambda images, i=0: np.asarray(images.read(i))


@pytest.fixture
def folder(tmp_path):
    """Three people, one image each, and what is no image."""
    for i, name in enumerate(("bob/1.png", "ann/2.png", "top.png", "ann/deep/3.PNG")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(colour[i]).save(path)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    return tmp_path


def test_a_folder_is_read_to_its_depth_in_order(folder):
    images = open_images(folder)
    assert images.names == ["ann/2.png", "ann/deep/3.PNG", "bob/1.png", "top.png"]
    assert images.folders == ["ann", "ann/deep", "bob", ""]
    np.testing.assert_array_equal(pixels(images, 2), colour[0])


def test_files_keep_their_order_and_names(folder):
    names = [str(folder / "top.png"), folder / "bob/1.png"]
    images = jfm.data.open_images(names)
    assert images.names == [str(n) for n in names] and images.folders is None
    np.testing.assert_array_equal(pixels(images, 1), colour[0])
    assert len(open_images(folder / "top.png")) == 1


def test_arrays_and_their_files(folder):
    np.savez(folder / "x.npz", images=colour, gray=colour[..., 0])
    for source in (colour, f"{folder}/x.npz:images"):
        images = open_images(source)
        assert images.names == [0, 1, 2, 3]
        np.testing.assert_array_equal(pixels(images, 3), colour[3])
    for gray in (colour[..., :1], f"{folder}/x.npz:gray"):
        np.testing.assert_array_equal(pixels(open_images(gray), 1), colour[1, ..., 0])


def test_deep_pictures_lose_their_lower_bits_and_turned_ones_stand_up(tmp_path):
    deep = rng.integers(0, 2**16, (5, 6)).astype(np.uint16)
    PIL.Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(pixels(open_images(tmp_path / "deep.png")), deep >> 8)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    PIL.Image.fromarray(colour[0]).save(tmp_path / "turned.png", exif=exif)
    turned = pixels(open_images(tmp_path / "turned.png"))
    np.testing.assert_array_equal(turned, np.rot90(colour[0], -1))


@pytest.mark.parametrize(
    ("source", "match"),
    (
        ("nowhere", "does not exist"),
        ("empty", "holds no images"),
        ([], "list of files is empty"),
        (["a.png", "a.png"], "named 2 times"),
        (colour / np.float32(255), "images are uint8"),
        (np.zeros((2, 3, 8, 8), np.uint8), "channels go last"),
        (np.zeros((0, 8, 8), np.uint8), "no images"),
    ),
)
def test_what_is_no_image_is_one_line(tmp_path, monkeypatch, source, match):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=match):
        open_images(source)
