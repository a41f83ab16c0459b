import gzip
import struct
import sys

import numpy as np
import pytest

import jfacemap as jfm


rng = np.random.default_rng(0)
arrays = {
    "train-images-idx3-ubyte": rng.integers(0, 256, (6, 28, 28), np.uint8),
    "train-labels-idx1-ubyte": rng.integers(0, 10, 6).astype(np.uint8),
    "t10k-images-idx3-ubyte": rng.integers(0, 256, (4, 28, 28), np.uint8),
    "t10k-labels-idx1-ubyte": rng.integers(0, 10, 4).astype(np.uint8),
}
keys = "x_train", "y_train", "x_test", "y_test"


def as_idx(x):
    return struct.pack(f">HBB{x.ndim}I", 0, 8, x.ndim, *x.shape) + x.tobytes()


def write_idx(folder, zipped=False, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    for name, x in arrays.items():
        raw = as_idx(x)
        raw = changes.get(name.partition("-idx")[0].replace("-", "_"), lambda raw: raw)(raw)
        path = folder / (name + ".gz" * zipped)
        path.write_bytes(gzip.compress(raw) if zipped else raw)
    return folder


def check(mnist):
    read = mnist.train_images, mnist.train_labels, mnist.test_images, mnist.test_labels
    for ours, truth in zip(read, arrays.values(), strict=True):
        np.testing.assert_array_equal(ours, truth)
        assert ours.dtype == np.uint8


@pytest.mark.parametrize("zipped", (False, True))
@pytest.mark.parametrize("place", (".", "mnist", "MNIST/raw"))
def test_idx_files(tmp_path, zipped, place):
    write_idx(tmp_path / place, zipped)
    check(jfm.data.load_mnist(tmp_path))


def test_npz_by_name_by_folder_and_by_environment(tmp_path, monkeypatch):
    path = tmp_path / "mnist.npz"
    np.savez(path, **dict(zip(keys, arrays.values(), strict=True)))
    check(jfm.data.load_mnist(path))
    check(jfm.data.load_mnist(tmp_path))
    monkeypatch.setenv("JFACEMAP_DATA", str(tmp_path))
    mnist = jfm.data.load_mnist()
    check(mnist)
    assert mnist.source == str(path)


def cut(raw):
    return raw[:-5]


def shorter(raw):
    return as_idx(np.frombuffer(raw[8:], np.uint8)[:-1])


bad = {
    "truncated": ({"train_images": cut}, "train-images-idx3-ubyte is truncated"),
    "too long": ({"t10k_labels": lambda raw: raw + b"\0"}, "is too long"),
    "sizes": ({"train_images": lambda raw: raw[:9]}, "ends within its 3 sizes"),
    "magic": ({"t10k_images": lambda raw: b"\x89PNG" + raw}, "wrong magic number 89504e47"),
    "type": ({"train_images": lambda raw: raw[:2] + b"\r" + raw[3:]}, "of type 0x0d"),
    "count": ({"train_labels": shorter}, "has 6 images and .* 5 labels"),
    "labels": ({"train_labels": lambda raw: raw[:-1] + b"\x0a"}, "from . to 10"),
    "axes": ({"train_images": lambda raw: as_idx(arrays[next(iter(arrays))][0])}, "shape"),
}


@pytest.mark.parametrize("zipped", (False, True))
@pytest.mark.parametrize("fault", bad)
def test_bad_files_are_refused_by_name(tmp_path, fault, zipped):
    changes, words = bad[fault]
    folder = write_idx(tmp_path, zipped, **changes)
    part = next(iter(changes)).replace("_", "-")
    with pytest.raises(
        jfm.data.InputError, match=words.replace("ubyte is", "ubyte.* is")
    ) as e:
        jfm.data.load_mnist(folder)
    assert part in str(e.value)


def test_a_truncated_gz(tmp_path):
    folder = write_idx(tmp_path, True)
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(jfm.data.InputError, match=r"images-idx3-ubyte\.gz is truncated"):
        jfm.data.load_mnist(folder)


def test_what_lacks(tmp_path, monkeypatch):
    with pytest.raises(jfm.data.InputError, match="does not exist"):
        jfm.data.load_mnist(tmp_path / "nowhere")
    with pytest.raises(jfm.data.InputError, match="no MNIST in"):
        jfm.data.load_mnist(tmp_path)
    folder = write_idx(tmp_path / "some")
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(jfm.data.InputError, match="lacks t10k-labels-idx1-ubyte"):
        jfm.data.load_mnist(folder)
    np.savez(tmp_path / "mnist.npz", x_train=arrays["train-images-idx3-ubyte"])
    with pytest.raises(jfm.data.InputError, match="lacks y_train, x_test, y_test"):
        jfm.data.load_mnist(tmp_path / "mnist.npz")
    monkeypatch.delenv("JFACEMAP_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(jfm.data.InputError, match="pip install scikit-learn"):
        jfm.data.load_mnist()


def test_from_openml(monkeypatch):
    import sklearn.datasets

    def fetch(name, **options):
        assert (name, options["version"]) == ("mnist_784", 1)
        x = np.zeros((60_004, 784), np.int64)
        x[:6] = arrays["train-images-idx3-ubyte"].reshape(6, -1)
        x[60_000:] = arrays["t10k-images-idx3-ubyte"].reshape(4, -1)
        return x, np.array(["3"] * 60_004, object)

    monkeypatch.delenv("JFACEMAP_DATA", raising=False)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    mnist = jfm.data.load_mnist()
    np.testing.assert_array_equal(mnist.test_images, arrays["t10k-images-idx3-ubyte"])
    assert len(mnist.train_images) == 60_000 and set(mnist.test_labels) == {3}
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: 1 / 0)
    with pytest.raises(jfm.data.InputError, match="cannot be fetched from OpenML"):
        jfm.data.load_mnist()
