import json
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from jfacemap.data import store_convert
from jfacemap.data.arrays import InputError
from jfacemap.data.store import EmbeddingStore


rng = np.random.default_rng(0)
x = rng.normal(size=(31, 4)).astype(np.float32)
who = np.array([f"né {i % 5}" for i in range(31)])
media = np.arange(31) - 9
quality = rng.normal(size=31)
columns = {"media": media, "quality": quality}
dtypes = (np.float16, np.float32, ml_dtypes.bfloat16)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """So that these few rows are streamed in several batches."""
    monkeypatch.setattr(store_convert, "batch_bytes", 64)


def write(path, rows):
    arrays = {"x": rows, "other": -rows[:3]}
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        safetensors.numpy.save_file(arrays, path)
    return path if path.suffix == ".npy" else f"{path}:x"


@pytest.mark.parametrize("dtype", (np.float16, np.float32, np.float64))
@pytest.mark.parametrize("suffix", (".npy", ".npz", ".safetensors"))
def test_a_store_of_a_file(tmp_path, suffix, dtype):
    rows = x.astype(dtype)
    spec = write(tmp_path / f"x{suffix}", rows)
    given = dict(columns={"who": who, **columns}, metadata={"model": "m"}, chunk_rows=7)
    store = EmbeddingStore.from_file(spec, tmp_path / "s", **given)
    rows = rows.astype(np.float32) if dtype == np.float64 else rows
    np.testing.assert_array_equal(store.rows(), rows, strict=True)
    np.testing.assert_array_equal(store.column("who"), who, strict=True)
    np.testing.assert_array_equal(store.column("media"), media, strict=True)
    np.testing.assert_array_equal(store.column("quality"), quality, strict=True)
    assert store.metadata == {"model": "m"} and store.chunk_rows == 7


def test_a_file_is_rounded_only_if_asked(tmp_path):
    spec = write(tmp_path / "x.npy", x)
    for dtype in dtypes:
        store = EmbeddingStore.from_file(spec, tmp_path / np.dtype(dtype).name, dtype=dtype)
        np.testing.assert_array_equal(store.rows(), x.astype(dtype), strict=True)


def test_bfloat16_comes_from_safetensors_as_it_is(tmp_path):
    rows = x.astype(ml_dtypes.bfloat16)
    spec = write(tmp_path / "x.safetensors", rows)
    store = EmbeddingStore.from_file(spec, tmp_path / "s")
    np.testing.assert_array_equal(store.rows(), rows, strict=True)


@pytest.mark.parametrize("place", ("folder", "memory"))
def test_nothing_is_left_of_a_store_that_failed(tmp_path, place):
    place = tmp_path / "s" if place == "folder" else f"memory://{tmp_path}"
    broken = x.copy()
    broken[-1] = np.nan
    for spec in (write(tmp_path / "b.npy", broken), write(tmp_path / "x.npz", broken)):
        with pytest.raises(ValueError, match="NaN"):
            EmbeddingStore.from_file(spec, place)
        assert not EmbeddingStore.exists(place)
    store = EmbeddingStore.from_file(write(tmp_path / "x.npy", x), place)
    np.testing.assert_array_equal(store.rows(), x)


def test_the_only_array_needs_no_key(tmp_path):
    safetensors.numpy.save_file({"a": x}, tmp_path / "x.safetensors")
    store = EmbeddingStore.from_file(tmp_path / "x.safetensors", tmp_path / "s")
    np.testing.assert_array_equal(store.rows(), x)


@pytest.fixture(params=dtypes, ids=lambda d: np.dtype(d).name)
def store(request, tmp_path):
    kinds = {"who": str, "media": int, "quality": float}
    about = {"model": "größe", "mean": [0.5]}
    options = dict(dtype=request.param, columns=kinds, metadata=about, chunk_rows=6)
    with EmbeddingStore.create(tmp_path / "store", 4, **options) as store:
        store.append(x, who=who, **columns)
    return EmbeddingStore.open(tmp_path / "store")


def wide(rows):
    return rows.astype(np.float32) if rows.dtype == ml_dtypes.bfloat16 else rows


def test_to_npy(store, tmp_path):
    store.to_file(tmp_path / "y.npy", columns=())
    np.testing.assert_array_equal(
        np.load(tmp_path / "y.npy"), wide(store.rows()), strict=True
    )


def test_to_npz(store, tmp_path):
    store.to_file(tmp_path / "y.npz")
    with np.load(tmp_path / "y.npz") as file:
        assert set(file.files) == {"embeddings", "who", "media", "quality", "metadata"}
        np.testing.assert_array_equal(file["embeddings"], wide(store.rows()), strict=True)
        for name, truth in (("who", who), ("media", media), ("quality", quality)):
            np.testing.assert_array_equal(file[name], truth, strict=True)
        assert json.loads(str(file["metadata"])) == store.metadata


def test_npz_and_back(store, tmp_path):
    store.to_file(tmp_path / "y.npz")
    spec = f"{tmp_path / 'y.npz'}:embeddings"
    again = EmbeddingStore.from_file(spec, tmp_path / "again", dtype=store.dtype)
    assert again.columns == store.columns and again.metadata == store.metadata
    for name in store.columns:
        np.testing.assert_array_equal(again.column(name), store.column(name), strict=True)
    given = dict(columns={"media": media}, metadata={"a": 1})
    other = EmbeddingStore.from_file(spec, tmp_path / "other", **given)
    assert list(other.columns) == ["media"] and other.metadata == {"a": 1}
    with EmbeddingStore.create(tmp_path / "bare", 4, columns={"who": str}) as bare:
        bare.append(x, who=who)
    EmbeddingStore.open(tmp_path / "bare").to_file(tmp_path / "bare.npz")
    spec = f"{tmp_path / 'bare.npz'}:embeddings"
    assert list(EmbeddingStore.from_file(spec, tmp_path / "b").columns) == ["who"]
    np.savez(tmp_path / "n.npz", embeddings=x, metadata=np.array("no JSON"), z=x[:3])
    foreign = EmbeddingStore.from_file(f"{tmp_path / 'n.npz'}:embeddings", tmp_path / "n")
    assert foreign.columns == {} and foreign.metadata == {}


def test_to_safetensors(store, tmp_path):
    path = tmp_path / "y.safetensors"
    store.to_file(path, columns=("media", "quality"))
    arrays = safetensors.numpy.load_file(path)
    assert set(arrays) == {"embeddings", "media", "quality"}
    np.testing.assert_array_equal(arrays["embeddings"], store.rows(), strict=True)
    np.testing.assert_array_equal(arrays["media"], media, strict=True)
    np.testing.assert_array_equal(arrays["quality"], quality, strict=True)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["metadata"]) == store.metadata


@pytest.mark.parametrize("suffix", (".npy:", ".npz:embeddings", ".safetensors:embeddings"))
def test_there_and_back_again(store, tmp_path, suffix):
    ending, key = suffix.split(":")
    store.to_file(tmp_path / f"y{ending}", columns=())
    spec = f"{tmp_path}/y{suffix}" if key else tmp_path / f"y{ending}"
    back = EmbeddingStore.from_file(spec, tmp_path / "back", dtype=store.dtype)
    np.testing.assert_array_equal(back.rows(), store.rows(), strict=True)


@pytest.mark.parametrize("name", ("y.npy", "y.npz", "y.safetensors"))
def test_a_store_of_no_rows_makes_a_file_of_none(tmp_path, name):
    store = EmbeddingStore.create(tmp_path / "s", 4, columns={"who": str, "age": int})
    store.to_file(tmp_path / name, columns=("age",) if name != "y.npy" else ())
    spec = tmp_path / name if name == "y.npy" else f"{tmp_path}/{name}:embeddings"
    assert EmbeddingStore.from_file(spec, tmp_path / "back").shape == (0, 4)


def test_says_why_a_file_cannot_be_written(store, tmp_path):
    before = set(tmp_path.iterdir())
    for name, given, message in (
        ("y.csv", (), "ends in .npy, .npz, .safetensors"),
        ("gone/y.npy", (), "gone does not exist: mkdir"),
        ("y.npy", None, r"holds the rows alone: .*columns=\(\)"),
        ("y.safetensors", None, r"holds no text, and who is: .*\('media', 'quality'\)"),
    ):
        with pytest.raises(InputError, match=message):
            store.to_file(tmp_path / name, columns=given)
    with pytest.raises(KeyError, match="no column 'age'"):
        store.to_file(tmp_path / "y.npz", columns=("age",))
    assert set(tmp_path.iterdir()) == before


def test_a_damaged_store_leaves_no_file(store, tmp_path):
    chunk = tmp_path / "store/embeddings/c.4.0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    for name in ("y.npy", "y.npz", "y.safetensors"):
        with pytest.raises(InputError, match=r"embeddings/c\.4\.0 of rows 24 to 30"):
            store.to_file(tmp_path / name, columns=())
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_says_why_a_file_makes_no_store(tmp_path):
    spec = write(tmp_path / "x.safetensors", x)
    np.save(tmp_path / "flat.npy", x[0])
    np.save(tmp_path / "ints.npy", media[:, None])
    safetensors.numpy.save_file({"flat": x[0]}, tmp_path / "flat.safetensors")
    safetensors.numpy.save_file({"i": np.int32([[1]])}, tmp_path / "ints.safetensors")
    broken = x.copy()
    broken[7] = np.nan
    np.save(tmp_path / "nan.npy", broken)
    make = lambda spec, **options: EmbeddingStore.from_file(spec, tmp_path / "s", **options)
    for bad, options, message in (
        (tmp_path / "gone.npy", {}, "gone.npy does not exist"),
        (tmp_path / "flat.npy", {}, r"has shape \(4,\); embeddings are \(n, d\)"),
        (tmp_path / "flat.safetensors", {}, r"has shape \(4,\); embeddings are \(n, d\)"),
        (tmp_path / "x.safetensors", {}, r"holds other, x: name one, as '.*:KEY'"),
        (f"{tmp_path}/x.safetensors:y", {}, "holds other, x: name one"),
        (tmp_path / "ints.npy", {}, "float32, float16, bfloat16; got int64"),
        (
            tmp_path / "ints.safetensors",
            {},
            "ints.safetensors:i holds I32: rows are floats",
        ),
        (spec, {"columns": {"a": who == ""}}, "'a' has bool; columns are integers, floats"),
        (spec, {"columns": {"a": [1, 2]}}, r"'a' has shape \(2,\) for 31 rows"),
    ):
        with pytest.raises(ValueError, match=message):
            make(bad, **options)
        assert not EmbeddingStore.exists(tmp_path / "s"), message
    with pytest.raises(ValueError, match="NaN or infinity"):
        make(tmp_path / "nan.npy")


def test_more_rows_than_memory_stream_through(tmp_path):
    """32 MB in, through and out in blocks of one, by a process that may grow by 16."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the memory of a process is read from /proc")
    shape = (16384, 512)
    rows = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, shape)
    rows[::100, 0] = 1
    code = """
import sys, threading, time
import numpy as np
from jfacemap.data import store_check, store_convert
from jfacemap.data.store import EmbeddingStore

store_convert.batch_bytes = store_check.block_bytes = 2**20
folder = sys.argv[1]

def megabytes():
    "Of memory of its own: the pages of a mapped file are the system's."
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024

def stream(n):
    name = f"{folder}/{n}"
    np.save(f"{name}.npy", np.load(f"{folder}/x.npy", mmap_mode="r")[:n])
    EmbeddingStore.from_file(f"{name}.npy", name, chunk_rows=512)
    store, total = EmbeddingStore.open(name), 0
    for batch in store.batches(512):
        total += batch[:, 0].sum()
    store.to_file(f"{name}.out.npy")
    return total

stream(2048)  # what does not grow with the rows
most, busy = [megabytes()] * 2, True
def watch():
    while busy:
        most[1] = max(most[1], megabytes())
        time.sleep(0.001)
watcher = threading.Thread(target=watch)
watcher.start()
total = stream(16384)
busy = False
watcher.join()
print(int(total), most[1] - most[0])
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    total, grown = map(float, done.stdout.split())
    assert total == len(rows[::100]) and grown < 16
    assert (tmp_path / "16384.out.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()
