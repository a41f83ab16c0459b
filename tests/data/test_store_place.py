"""Folders, URLs, zarr arrays of other programs."""

import functools
import http.server
import itertools
import json
import threading

import ml_dtypes
import numpy as np
import pytest
import tensorstore as ts
import zarr

from jfacemap.data.arrays import InputError
from jfacemap.data.store import EmbeddingStore
from jfacemap.data.store_place import open_place


x = np.arange(60, dtype=np.float32).reshape(20, 3)


def fill(place):
    options = dict(columns={"who": str}, chunk_rows=8, metadata={"model": "m"})
    with EmbeddingStore.create(place, 3, **options) as store:
        store.append(x[:11], who=["a"] * 11)
    with EmbeddingStore.open(place, writable=True) as store:
        store.append(x[11:], who=["bé"] * 9)


def check(place):
    assert EmbeddingStore.exists(place)
    store = EmbeddingStore.open(place)
    np.testing.assert_array_equal(store.rows(), x, strict=True)
    assert store.column("who").tolist() == ["a"] * 11 + ["bé"] * 9
    assert store.metadata == {"model": "m"}


@pytest.mark.parametrize(
    "place",
    (
        "{}/s",
        "{}/deep/er/s/",
        "file://{}/s",
        "memory://test_store_place",
        "memory://test_store_place/deep/er/",
    ),
)
def test_a_store_at_any_place(tmp_path, place):
    place = place.format(tmp_path)
    assert not EmbeddingStore.exists(place)
    fill(place)
    check(place)


def test_a_place_as_a_path_or_as_json(tmp_path):
    fill(tmp_path / "s")
    check(tmp_path / "s")
    check({"driver": "file", "path": f"{tmp_path}/s"})


def test_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill("s")
    check(tmp_path / "s")


@pytest.mark.parametrize("driver", ("zarr", "zarr3"))
def test_arrays_of_other_programs_are_there(tmp_path, driver):
    """What `open` reads exists; a group that is no store does not open, and says so."""
    kv = {"driver": "file", "path": f"{tmp_path}/z"}
    spec = {"driver": driver, "kvstore": kv}
    ts.open(spec, create=True, dtype=ts.float32, shape=[4, 3]).result()[...] = 1
    assert EmbeddingStore.exists(tmp_path / "z")
    assert EmbeddingStore.open(tmp_path / "z").shape == (4, 3)
    with pytest.raises(InputError):
        EmbeddingStore.open(tmp_path / "z", writable=True)


def test_a_store_is_read_over_http(tmp_path):
    fill(tmp_path / "s")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/s"
        check(url)
        with pytest.raises(InputError, match=f"{url} cannot be written"):
            EmbeddingStore.open(url, writable=True)
        server.shutdown()


@pytest.mark.parametrize(
    ("url", "driver", "path"),
    (("gs://bucket/a/b", "gcs", "a/b/"), ("s3://bucket/a", "s3", "a/")),
)
def test_buckets_are_folders_too(url, driver, path):
    place = open_place(url)
    spec = place.kv.spec().to_json()
    assert (spec["driver"], spec["bucket"], spec["path"]) == (driver, "bucket", path)
    assert (place.name, place.folder) == (url, None)
    assert place.child("x").kv.path == f"{path}x/"


def test_says_which_place_cannot_be(tmp_path):
    with pytest.raises(InputError, match=r"ftp://x is no place for a store .*ftp"):
        EmbeddingStore.open("ftp://x")
    with pytest.raises(InputError, match="is no place for a store"):
        EmbeddingStore.open({"driver": "none"})
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/s cannot be made: .*Not a directory"):
        EmbeddingStore.create(tmp_path / "file/s", 3)


dtypes = (np.float16, np.float32, np.float64, ml_dtypes.bfloat16)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("driver", ("zarr", "zarr3"))
def test_an_array_of_another_program_is_read(tmp_path, driver, dtype):
    kv = {"driver": "file", "path": f"{tmp_path}/z/"}
    rows = x.astype(dtype)
    array = ts.open(
        {"driver": driver, "kvstore": kv}, create=True, shape=x.shape, dtype=dtype
    )
    array.result().write(rows).result()
    with_attributes(tmp_path / "z", driver, {"model": "theirs"})
    store = EmbeddingStore.open(tmp_path / "z")
    assert store.metadata == {"model": "theirs"} and store.columns == {}
    np.testing.assert_array_equal(store.rows(), rows, strict=True)
    np.testing.assert_array_equal(np.concatenate([*store.batches(6)]), rows, strict=True)
    np.testing.assert_array_equal(store.rows([3, -1]), rows[[3, -1]], strict=True)
    assert store.refresh().shape == (20, 3)
    with pytest.raises(InputError):
        EmbeddingStore.open(tmp_path / "z", writable=True)


def with_attributes(folder, driver, attributes):
    if driver == "zarr":
        (folder / ".zattrs").write_text(json.dumps(attributes))
    else:
        about = json.loads((folder / "zarr.json").read_text())
        (folder / "zarr.json").write_text(json.dumps(about | {"attributes": attributes}))


def test_zarr_2_as_its_usual_program_writes_it(tmp_path):
    """Compressed, chunked both ways, big-endian, with chunks of zeros left out."""
    metadata = {
        "chunks": [8, 2],
        "dtype": ">f4",
        "fill_value": 0.0,
        "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
    }
    kv = {"driver": "file", "path": f"{tmp_path}/z/"}
    spec = {"driver": "zarr", "kvstore": kv, "metadata": {"shape": [20, 3], **metadata}}
    rows = np.where(np.arange(20)[:, None] < 8, 0, x)
    ts.open(spec, create=True).result().write(rows).result()
    assert not (tmp_path / "z/0.0").exists()
    store = EmbeddingStore.open(tmp_path / "z")
    np.testing.assert_array_equal(store.rows(), rows, strict=True)
    assert store.chunk_rows == 8
    (tmp_path / "z/1.0").write_bytes(b"not blosc")
    with pytest.raises(InputError, match=r"z/1\.0 of rows 8 to 16 is missing or damaged"):
        store.rows()


@pytest.mark.parametrize(
    ("shape", "dtype"), (([4], "f4"), ([4, 3, 2], "f4"), ([4, 3], "i4"))
)
def test_an_array_that_holds_no_rows(tmp_path, shape, dtype):
    kv = {"driver": "file", "path": f"{tmp_path}/z/"}
    ts.open(
        {"driver": "zarr3", "kvstore": kv}, create=True, shape=shape, dtype=np.dtype(dtype)
    ).result()
    with pytest.raises(
        InputError, match=r"is a zarr array of .*; rows to read are \(n, d\)"
    ):
        EmbeddingStore.open(tmp_path / "z")


def test_other_programs_read_a_store(tmp_path):
    """As zarr version 3, by zarr-python, which knows nothing of stores."""
    fill(tmp_path / "s")
    group = json.loads((tmp_path / "s/zarr.json").read_text())
    assert (group["zarr_format"], group["node_type"]) == (3, "group")
    arrays = zarr.open_group(tmp_path / "s", mode="r")
    np.testing.assert_array_equal(arrays["embeddings"][:], x, strict=True)
    ends, text = arrays["who.ends"][:], bytes(arrays["who.text"][:])
    parts = itertools.pairwise([0, *ends.tolist()])
    assert [text[a:b].decode() for a, b in parts] == ["a"] * 11 + ["bé"] * 9
