"""What is wrong with a store is said in one line, with the file and the remedy."""

import json

import numpy as np
import pytest

from jfacemap.data.arrays import InputError
from jfacemap.data.store import EmbeddingStore
from jfacemap.data.store_place import open_place


x = np.arange(90, dtype=np.float32).reshape(30, 3)
who = np.array([f"name {i}" for i in range(30)])


@pytest.fixture
def place(tmp_path):
    columns = {"who": str, "age": int}
    with EmbeddingStore.create(tmp_path / "s", 3, columns=columns, chunk_rows=8) as store:
        store.append(x, who=who, age=range(30))
    return tmp_path / "s"


def flip(path):
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


harms = pytest.mark.parametrize("harm", (flip, truncate, empty, remove))


def test_what_can_still_be_read_is_told(tmp_path, place):
    """No rows, those after it, those before it."""
    with EmbeddingStore.create(tmp_path / "one", 3) as store:
        store.append(x)
    flip(tmp_path / "one/embeddings/c.0.0")
    with pytest.raises(InputError, match=r"make the store again; it holds all rows\.$"):
        EmbeddingStore.open(tmp_path / "one").rows()
    flip(place / "embeddings/c.0.0")
    with pytest.raises(
        InputError, match=r"again; batches\(start=8\) still reads the other"
    ):
        EmbeddingStore.open(place).rows()
    flip(place / "embeddings/c.0.0")
    flip(place / "embeddings/c.3.0")
    with pytest.raises(
        InputError, match=r"again; batches\(stop=24\) still reads the other"
    ):
        EmbeddingStore.open(place).rows()


@harms
def test_a_damaged_chunk_is_named_with_its_rows(place, harm):
    harm(place / "embeddings/c.2.0")
    store = EmbeddingStore.open(place)
    message = (
        rf"s/embeddings: the chunk {place}/embeddings/c\.2\.0 of rows 16 to 24 is missing "
        r"or damaged \(.*\) Put back a copy .*batches\(stop=16\) and batches\(start=24\)"
    )
    batches = lambda size: [len(b) for b in store.batches(size)]
    for read in (
        store.rows,
        lambda: store.rows([20, 3]),
        lambda: store.rows(slice(23, 30)),
        lambda: batches(5),
        lambda: batches(100),
    ):
        with pytest.raises(InputError, match=message):
            read()
    np.testing.assert_array_equal(np.concatenate([*store.batches(5, stop=16)]), x[:16])
    np.testing.assert_array_equal(np.concatenate([*store.batches(5, start=24)]), x[24:])
    np.testing.assert_array_equal(store.column("who"), who)


@harms
@pytest.mark.parametrize(
    ("column", "array"), (("age", "age"), ("who", "who.ends"), ("who", "who.text"))
)
def test_a_damaged_column_is_named(place, harm, column, array):
    harm(place / array / "c.0")
    store = EmbeddingStore.open(place)
    for read in (
        lambda: store.column(column),
        lambda: store.column(column, [3]),
        lambda: next(store.batches(4, column)),
    ):
        unit = "bytes" if array == "who.text" else "rows"
        with pytest.raises(InputError, match=rf"chunk {place}/{array}/c\.0 of {unit} 0 to"):
            read()
    np.testing.assert_array_equal(store.rows(), x)


def test_rows_before_the_damage_come_first(place):
    flip(place / "embeddings/c.2.0")
    seen = []
    with pytest.raises(InputError):
        for batch in EmbeddingStore.open(place).batches(8):
            seen.append(batch)
    np.testing.assert_array_equal(np.concatenate(seen), x[:16])


@harms
@pytest.mark.parametrize(
    "file", ("embeddings/c.3.0", "age/c.0", "who.ends/c.0", "who.text/c.0")
)
def test_a_damaged_chunk_is_not_filled_up(place, harm, file):
    """Else what it lacks would become zeros that nothing tells from rows."""
    harm(place / file)
    for _ in range(2):
        with pytest.raises(InputError, match=rf"the chunk {place}/{file} of "):
            EmbeddingStore.open(place, writable=True)
    assert len(EmbeddingStore.open(place)) == 30


def test_a_writer_that_could_not_begin_is_gone():
    """Where a claim and no lock keeps writers apart."""
    place = "memory://test_store_damage"
    with EmbeddingStore.create(place, 3, chunk_rows=8) as store:
        store.append(x)
    open_place(place).child("embeddings").kv.write("c.3.0", b"short").result()
    for _ in range(2):
        with pytest.raises(InputError, match=r"c\.3\.0 of rows 24 to 30 is missing or dam"):
            EmbeddingStore.open(place, writable=True)


def test_rows_that_the_arrays_do_not_have(place):
    record = json.loads((place / "zarr.json").read_text())
    record["attributes"]["jfacemap"]["rows"] = 99
    (place / "zarr.json").write_text(json.dumps(record))
    for writable in (False, True):
        with pytest.raises(
            InputError, match="s/embeddings has 30 rows, but 99 are committed"
        ):
            EmbeddingStore.open(place, writable=writable)


@pytest.mark.parametrize("array", ("embeddings", "age", "who.text"))
def test_an_array_without_its_description(place, array):
    (place / array / "zarr.json").unlink()
    with pytest.raises(InputError, match=rf"s/{array} is missing, or no array .*NOT_FOUND"):
        EmbeddingStore.open(place)


def refused(place, message, *, writable=(False, True)):
    for w in writable:
        with pytest.raises(InputError, match=message):
            EmbeddingStore.open(place, writable=w)


@pytest.mark.parametrize("text", ("", '{"zarr_format": 3', "\xff", "null garbage"))
def test_a_record_that_is_not_json(place, text):
    (place / "zarr.json").write_text(text, encoding="latin-1")
    refused(place, r"s/zarr.json is damaged, it is not JSON .*put back a copy")


@pytest.mark.parametrize(
    ("field", "value"),
    (
        ("rows", -1),
        ("rows", "many"),
        ("dim", 0),
        ("dtype", "int8"),
        ("columns", {"who": "date"}),
        ("columns", None),
        ("metadata", []),
        ("chunk_rows", None),
    ),
)
def test_a_record_that_makes_no_sense(place, field, value):
    group = json.loads((place / "zarr.json").read_text())
    group["attributes"]["jfacemap"][field] = value
    (place / "zarr.json").write_text(json.dumps(group))
    refused(place, r"s/zarr.json is damaged \(.*put back a copy")
    del group["attributes"]["jfacemap"][field]
    (place / "zarr.json").write_text(json.dumps(group))
    refused(place, r"s/zarr.json is damaged \(.*put back a copy")


def test_a_record_of_a_later_version(place):
    group = json.loads((place / "zarr.json").read_text())
    group["attributes"]["jfacemap"] |= {"format": 2, "version": "9.9"}
    (place / "zarr.json").write_text(json.dumps(group))
    refused(place, "of format 2, written by jfacemap 9.9; .*pip install --upgrade")


@pytest.mark.parametrize(
    "group",
    (
        {"zarr_format": 3, "node_type": "group"},
        {"zarr_format": 3, "node_type": "group", "attributes": {"jfacemap": {"kind": "X"}}},
        [],
        3,
    ),
)
def test_a_group_of_another_program(tmp_path, group):
    (tmp_path / "zarr.json").write_text(json.dumps(group))
    refused(tmp_path, "holds zarr data but no EmbeddingStore: .*/NAME")
    with pytest.raises(InputError, match="holds zarr data but no EmbeddingStore"):
        EmbeddingStore.create(tmp_path, 3)


def test_a_place_without_a_store(tmp_path):
    refused(tmp_path / "gone", "gone holds no store: nothing is there. .*create makes one")
    assert not (tmp_path / "gone").exists()
    (tmp_path / "x.txt").touch()
    refused(tmp_path, "holds no store: it is a folder without a zarr.json")
    with pytest.raises(InputError, match=r"is not empty, it holds x.txt: give a new name"):
        EmbeddingStore.create(tmp_path, 3)
    np.save(tmp_path / "x.npy", x)
    refused(tmp_path / "x.npy", "is a file and a store is a folder; .*from_file makes one")
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    refused(tmp_path, "holds zarr data but no EmbeddingStore", writable=(False,))


def test_a_store_is_not_made_twice(place):
    with pytest.raises(InputError, match=r"is a store already: .*writable=True\) appends"):
        EmbeddingStore.create(place, 3)
    assert len(EmbeddingStore.open(place)) == 30
