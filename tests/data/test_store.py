import functools as ft
import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.core.rows import RowSource
from jfacemap.core.wide import Wide
from jfacemap.data.arrays import InputError
from jfacemap.data.store import EmbeddingStore


dtypes = ("float32", "float16", "bfloat16")
fresh = (f"memory://test_store/{i}" for i in itertools.count())
rng = np.random.default_rng(0)
x = rng.normal(size=(50, 6)).astype(np.float32)
who = np.array([f"née {i // 3}" if i % 5 else "" for i in range(50)])
media = rng.integers(-(2**40), 2**40, 50)
quality = rng.normal(size=50)
columns = {"who": str, "media": int, "quality": float}


def make(place, *, size=8, dtype="float32", chunk_rows=16, n=50):
    options = dict(dtype=dtype, columns=columns, chunk_rows=chunk_rows)
    with EmbeddingStore.create(place, 6, **options) as store:
        for a in range(0, n, size):
            part = slice(a, min(n, a + size))
            values = dict(who=who[part], media=media[part], quality=quality[part])
            store.append(x[part], **values)
    return EmbeddingStore.open(place)


@hypothesis.given(
    dtype=st.sampled_from(dtypes),
    chunk_rows=st.integers(1, 60),
    appended=st.integers(4, 60),
    read=st.integers(1, 60),
    span=st.tuples(st.integers(0, 60), st.integers(0, 60)),
)
@hypothesis.settings(max_examples=30, deadline=None)
def test_round_trip(dtype, chunk_rows, appended, read, span):
    store = make(next(fresh), size=appended, dtype=dtype, chunk_rows=chunk_rows)
    truth = x.astype(store.dtype), who, media, quality
    np.testing.assert_array_equal(store.rows(), truth[0], strict=True)
    batches = list(store.batches(read, "who", "media", "quality"))
    for ours, theirs in zip(zip(*batches, strict=True), truth, strict=True):
        np.testing.assert_array_equal(np.concatenate(ours), theirs, strict=True)
    assert [len(b[0]) for b in batches] == [min(read, 50 - i) for i in range(0, 50, read)]

    start, stop = span
    part = list(store.batches(read, start=start, stop=stop))
    expected = truth[0][start:stop]
    assert [len(b) for b in part] == [
        min(read, len(expected) - i) for i in range(0, len(expected), read)
    ]
    if part:
        np.testing.assert_array_equal(np.concatenate(part), expected, strict=True)


@hypothesis.given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\0"), max_size=9), max_size=5)
    )
)
@hypothesis.settings(max_examples=25, deadline=None)
def test_any_text_is_kept(batches):
    place = next(fresh)
    with EmbeddingStore.create(place, 1, columns={"text": str}, chunk_rows=9) as store:
        for texts in batches:
            store.append(np.ones((len(texts), 1), np.float32), text=texts)
    store = EmbeddingStore.open(place)
    flat = list(itertools.chain(*batches))
    assert store.column("text").tolist() == flat
    backwards = np.arange(len(flat))[::-1]
    assert store.column("text", backwards).tolist() == flat[::-1]


def test_file_names_that_are_no_unicode_are_kept():
    name = b"photo\xff.jpg".decode("utf-8", "surrogateescape")
    with EmbeddingStore.create(next(fresh), 1, columns={"path": str}) as store:
        store.append(np.ones((1, 1), np.float32), path=[name])
        assert store.column("path").tolist() == [name]


@pytest.mark.parametrize(
    "index",
    (
        slice(None),
        slice(5, 31),
        slice(-7, None),
        slice(40, 3, -4),
        slice(9, 2),
        [3, 3, -1, 0, 49, -50],
        np.arange(50) % 3 == 0,
        np.array([], int),
        [],
    ),
)
def test_indexing_is_that_of_numpy(index):
    store = make(next(fresh))
    index_np = np.asarray(index, int) if isinstance(index, list) else index
    np.testing.assert_array_equal(store.rows(index), x[index_np], strict=True)
    for name, truth in (("who", who), ("media", media), ("quality", quality)):
        np.testing.assert_array_equal(store.column(name, index), truth[index_np])


@pytest.mark.parametrize(
    ("index", "message"),
    (
        ([0, 50], r"Row 50 of a store of 50 rows; refresh\(\)"),
        ([-51], "Row -51 of"),
        (np.ones(49, bool), "A mask of 49 rows for a store of 50"),
        ([[1]], r"shape \(1, 1\)"),
        (3, r"shape \(\)"),
        ([1.0], "float64"),
    ),
)
def test_says_which_index_is_wrong(index, message):
    with pytest.raises(IndexError, match=message):
        make(next(fresh)).rows(index)


def test_is_a_row_source_with_a_name():
    store = make("memory://test_store/named", dtype=jnp.bfloat16)
    assert isinstance(store, RowSource)
    assert (store.shape, store.dtype, len(store)) == ((50, 6), ml_dtypes.bfloat16, 50)
    assert store.columns == {"who": "string", "media": "int64", "quality": "float64"}
    assert repr(store) == (
        "EmbeddingStore('memory://test_store/named', shape=(50, 6), dtype=bfloat16)"
    )


def test_a_store_of_no_rows_has_empty_arrays(tmp_path):
    for place in (tmp_path / "s", next(fresh)):
        EmbeddingStore.create(place, 6, dtype="float16", columns=columns).close()
        store = EmbeddingStore.open(place)
        assert store.rows().shape == (0, 6) and store.rows().dtype == np.float16
        assert store.column("who").dtype.kind == "U" and store.column("media").dtype == int
        assert list(store.batches(3, "who")) == []


def test_metadata_is_a_copy_of_what_was_given():
    place, given = next(fresh), {"model": "größe", "mean": [0.5, 127], "ids": {"a": None}}
    with EmbeddingStore.create(place, 6, metadata=given) as store:
        given["mean"][0] = 1
        store.metadata["ids"]["a"] = 3
        assert store.metadata == {"model": "größe", "mean": [0.5, 127], "ids": {"a": None}}
        store.annotate({"skipped": ["b.jpg"], "model": "other"})
        assert EmbeddingStore.open(place).metadata["skipped"] == ["b.jpg"]
    store = EmbeddingStore.open(place, writable=True)
    assert store.metadata == {
        **{"model": "other", "mean": [0.5, 127], "ids": {"a": None}},
        "skipped": ["b.jpg"],
    }


@pytest.mark.parametrize("wrong", ({"x": np.ones(2)}, {"x": float("nan")}, {"x": {1, 2}}))
def test_metadata_is_what_json_holds(wrong):
    with pytest.raises(ValueError, match="Metadata is text, finite numbers, lists"):
        EmbeddingStore.create(next(fresh), 6, metadata=wrong)


@pytest.mark.parametrize("given", (np.float64, np.float32, np.float16, ml_dtypes.bfloat16))
@pytest.mark.parametrize("dtype", dtypes)
def test_rows_are_rounded_to_the_type_of_the_store(dtype, given):
    rows = x.astype(given)
    with EmbeddingStore.create(next(fresh), 6, dtype=dtype) as store:
        store.append(rows)
        store.append(jnp.asarray(x))
        truth = np.concatenate([rows.astype(store.dtype), x.astype(store.dtype)])
        np.testing.assert_array_equal(store.rows(), truth, strict=True)


def _with(value, dtype=np.float32):
    rows = x[:9].astype(dtype)
    rows[4, 2] = rows[7, 0] = value
    return rows


ids = {"who": ["a"] * 9, "media": range(9), "quality": [0.5] * 9}


@pytest.mark.parametrize(
    ("rows", "values", "message"),
    (
        (x[:9, :5], ids, r"takes rows of shape \(n, 6\); got an array of shape \(9, 5\)"),
        (x[0], ids, r"takes rows of shape \(n, 6\); got an array of shape \(6,\)"),
        (x[:9].astype(int), ids, r"got int64: convert them, as x.astype\('float32'\)"),
        (_with(np.nan), ids, r"2 of 9 rows \(counted from 0: 4, 7\) hold NaN or infinity"),
        (_with(np.inf), ids, "hold NaN or infinity: drop them"),
        (_with(1e5), ids, "too large for float16, which ends at 65504"),
        (x[:9], {}, r"has the columns \['media', 'quality', 'who'\].*; got \[\]"),
        (x[:9], ids | {"age": [1] * 9}, r"got \['age', 'media', 'quality', 'who'\]"),
        (x[:8], ids, r"'who' has shape \(9,\) for 8 rows: it takes \(8,\)"),
        (x[:9], ids | {"media": [0.5] * 9}, "'media' takes int64, got float64"),
        (x[:9], ids | {"media": ["a"] * 9}, "'media' takes int64, got <U1"),
        (x[:9], ids | {"media": [2**63] * 9}, "'media' takes int64, got uint64"),
        (x[:9], ids | {"who": [1] * 9}, "'who' takes string, got int64"),
        (x[:9], ids | {"who": [None] * 9}, "'who' takes string, got object"),
    ),
)
def test_refuses_before_anything_is_written(
    rows, values, message, tmp_path, unchecked_types
):
    place = tmp_path / "s"
    with EmbeddingStore.create(place, 6, dtype="float16", columns=columns) as store:
        store.append(x[:9], **ids)
        files = {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
        with pytest.raises(ValueError, match=message):
            store.append(rows, **values)
        assert files == {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
        assert len(store) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    (
        ({"dtype": "float64"}, "float32, float16, bfloat16; got float64"),
        ({"dtype": "int8"}, "got int8"),
        ({"dim": 0}, "at least 1; got 0"),
        ({"chunk_rows": 0}, "at least 1; got 6, 0"),
        ({"columns": {"a b": int}}, "letters, digits and _"),
        ({"columns": {"embeddings": int}}, "not embeddings or commit; got 'embeddings'"),
        ({"columns": {"a": bool}}, "one of int, float or str; got <class 'bool'>"),
    ),
)
def test_says_why_no_store_can_be_made(options, message):
    place = next(fresh)
    with pytest.raises(ValueError, match=message):
        EmbeddingStore.create(place, **{"dim": 6, **options})
    assert not EmbeddingStore.exists(place)


def test_says_what_a_reader_cannot_do():
    store = make(next(fresh))
    with pytest.raises(InputError, match=r"open for reading: .*writable=True"):
        store.append(x)
    with pytest.raises(KeyError, match="no column 'age'; it has who, media, quality"):
        store.column("age")
    with pytest.raises(KeyError, match="no column 'age'"):
        store.batches(3, "age")
    with pytest.raises(ValueError, match="got size 0"):
        store.batches(0)


def test_rows_that_come_by_few_wait_for_a_chunk():
    place = next(fresh)
    rows = x.copy()
    with EmbeddingStore.create(place, 6, chunk_rows=16) as store:
        reader = EmbeddingStore.open(place)
        seen = []
        for i in range(40):
            buffer = rows[i : i + 1].copy()
            store.append(buffer, commit=False)
            buffer[:] = 0  # the store has its own copy
            seen.append(len(reader.refresh()))
        assert seen == [0] * 15 + [16] * 16 + [32] * 9
        store.commit()
        assert len(reader.refresh()) == 40
        store.append(rows[40:], commit=False)
    np.testing.assert_array_equal(reader.refresh().rows(), rows)


@pytest.mark.parametrize("statistic", ("pair", "joint"))
def test_moments_of_batches_are_those_of_the_rows(statistic):
    """More rows than memory: maps come from the merged moments of batches."""
    y = (x @ rng.normal(size=(6, 4))).astype(np.float32)
    moments = {"pair": lambda a, b: jfm.pair_moments(a, b)}
    moments |= {"joint": lambda a, b: jfm.joint_moments((a, b))}
    stores = [EmbeddingStore.create(next(fresh), a.shape[1], chunk_rows=7) for a in (x, y)]
    for store, rows in zip(stores, (x, y), strict=True):
        store.append(rows)
    batches = zip(*(store.batches(25) for store in stores), strict=True)
    ours = ft.reduce(jfm.merge, (moments[statistic](*batch) for batch in batches))
    truth = moments[statistic](x, y)
    assert np.asarray(ours.count) == 50
    is_sum = lambda leaf: isinstance(leaf, Wide)
    for a, b in zip(
        *(jax.tree.leaves(m, is_leaf=is_sum) for m in (ours, truth)), strict=True
    ):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-12)
