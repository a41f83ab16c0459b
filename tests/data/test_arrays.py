import pickle
import warnings

import hypothesis
import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from jfacemap.data.arrays import (
    InputError,
    new_file,
    open_arrays,
    read_array,
    read_labels,
    read_rows,
    scan_rows,
    split_spec,
)


rows = np.arange(12, dtype=np.float32).reshape(4, 3) + 1


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "x.npy", rows)
    np.savez(tmp_path / "one.npz", x=rows)
    np.savez_compressed(tmp_path / "two.npz", x=rows, y=-rows)
    safetensors.numpy.save_file({"x": rows, "y": -rows}, tmp_path / "two.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    "spec",
    ("x.npy", "one.npz", "one.npz:x", "two.npz:x", "two.safetensors:x"),
)
def test_reads_what_was_written(folder, spec):
    for read in (read_array, read_rows):
        np.testing.assert_array_equal(read(f"{folder}/{spec}"), rows, strict=True)


def test_maps_npy_into_memory(folder):
    assert isinstance(read_array(folder / "x.npy"), np.memmap)


@pytest.mark.parametrize("dtype", (np.float16, np.float32, np.float64))
def test_keeps_the_float_type(tmp_path, dtype):
    np.save(tmp_path / "x.npy", rows.astype(dtype))
    assert read_rows(tmp_path / "x.npy").dtype == dtype


def test_bfloat16_comes_as_float32(tmp_path):
    x = rows.astype(ml_dtypes.bfloat16)
    safetensors.numpy.save_file({"x": x}, tmp_path / "x.safetensors")
    read = read_rows(tmp_path / "x.safetensors")
    np.testing.assert_array_equal(read, x.astype(np.float32), strict=True)


@pytest.mark.parametrize("labels", (np.arange(4), np.array(["a", "b", "a", "c"])))
def test_reads_labels(tmp_path, labels):
    np.savez(tmp_path / "l.npz", who=labels)
    np.testing.assert_array_equal(read_labels(tmp_path / "l.npz"), labels, strict=True)


@pytest.mark.parametrize(
    ("spec", "message"),
    (
        ("X.npz", r"X.npz does not exist. Did you mean .*x.npy"),
        ("gone/x.npy", "Nor does the folder .*gone"),
        ("", "is not a file"),
        ("folder.npy", "is not a file"),
        ("x.npy:x", "without a key: drop ':x'"),
        ("two.npz", "several arrays; add a key, as '.*two.npz:KEY': x, y"),
        ("two.npz:z", "no array 'z'; it holds: x, y"),
        ("two.npz:", "no array ''; it holds: x, y"),
        ("two.safetensors:z", "no array 'z'; it holds: x, y"),
        ("empty.npz", "holds no arrays"),
        ("x.csv", "not an array file: give a .npy, .npz or .safetensors"),
        ("text.npy", "not a .npy file inside"),
        ("pickle.npy", "not a .npy file inside"),
        ("text.npz", "truncated, or no .npz"),
        ("text.safetensors", "truncated or damaged"),
        ("object.npy", "pickled Python objects, which are not read"),
        ("object.npz:x", "pickled Python objects, which are not read"),
        ("header.npy", "truncated or damaged"),
        ("short.npy", "truncated or damaged"),
        ("short.npz", "truncated, or no .npz"),
        ("short.safetensors", "truncated or damaged"),
        ("flipped.npz", "truncated or damaged"),
    ),
)
def test_says_what_is_wrong_with_a_file(folder, spec, message):
    (folder / "folder.npy").mkdir()
    (folder / "x.csv").write_text("1,2\n")
    np.savez(folder / "empty.npz")
    for suffix in (".npy", ".npz", ".safetensors"):
        (folder / f"text{suffix}").write_text("1,2\n3,4\n")
    (folder / "pickle.npy").write_bytes(pickle.dumps([1.0]))
    objects = np.array([{}, None], object)
    np.save(folder / "object.npy", objects, allow_pickle=True)
    np.savez(folder / "object.npz", allow_pickle=True, x=objects)
    cut = lambda name, end: (folder / name).read_bytes()[:end]
    (folder / "header.npy").write_bytes(cut("x.npy", 20))
    (folder / "short.npy").write_bytes(cut("x.npy", -4))
    (folder / "short.npz").write_bytes(cut("one.npz", -30))
    (folder / "short.safetensors").write_bytes(cut("two.safetensors", -4))
    flipped = bytearray((folder / "one.npz").read_bytes())
    flipped[150] ^= 255
    (folder / "flipped.npz").write_bytes(flipped)
    with pytest.raises(InputError, match=message):
        read_array(f"{folder}/{spec}" if spec else "")


@pytest.mark.parametrize("spec", ("x.npy", "one.npz", "two.safetensors:x"))
def test_says_that_a_file_may_not_be_read(folder, monkeypatch, spec):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)  # tests may run as root
    with pytest.raises(InputError, match="may not be read: permission denied"):
        read_array(f"{folder}/{spec}")


def _with(bad, at):
    x = rows.copy()
    x[at] = bad
    return x


@pytest.mark.parametrize(
    ("x", "message"),
    (
        (rows.astype(np.int8), "holds int8, not float16"),
        (rows.astype(np.complex64), "holds complex64, not float16"),
        (rows.astype(np.longdouble), "holds .*, not float16"),
        (rows[0], r"has shape \(3,\); embeddings are \(n, d\)"),
        (rows[None], r"has shape \(1, 4, 3\)"),
        (rows[:0], r"is empty: its shape is \(0, 3\)"),
        (rows[:, :0], r"is empty: its shape is \(4, 0\)"),
        (_with(np.nan, (2, 1)), r"1 of 4 rows \(counted from 0: 2\) hold NaN"),
        (_with(np.inf, slice(1, 3)), r"2 of 4 rows \(counted from 0: 1, 2\) hold"),
        (np.full((9, 2), -np.inf), r"9 of 9 rows \(counted from 0: 0, 1, 2, 3, 4, ...\)"),
    ),
)
def test_says_what_is_wrong_with_rows(tmp_path, x, message):
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path / "x.npy")


def test_finds_bad_rows_past_the_first_batch(tmp_path):
    x = np.ones((scan_rows + 5, 1), np.float16)
    x[[3, scan_rows + 2]] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(
        InputError, match=rf"2 of .* \(counted from 0: 3, {scan_rows + 2}\)"
    ):
        read_rows(tmp_path / "x.npy")


def test_warns_of_zero_rows(tmp_path):
    np.save(tmp_path / "x.npy", _with(0, 2))
    with pytest.warns(UserWarning, match=r"1 of 4 rows \(counted from 0: 2\) are all zero"):
        read_rows(tmp_path / "x.npy")


def test_unused_rows_may_hold_anything(tmp_path):
    np.save(tmp_path / "x.npy", np.stack([rows[0], rows[1] * np.nan, rows[2] * 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_rows(tmp_path / "x.npy", used=np.array([True, False, False]))
    with pytest.raises(InputError, match="3 rows, for 2 weights"):
        read_rows(tmp_path / "x.npy", used=np.array([True, False]))


@pytest.mark.parametrize(
    ("labels", "message"),
    (
        (np.ones(4), "holds float64; labels are integers or strings"),
        (np.ones((4, 1), int), r"has shape \(4, 1\); labels are \(n,\)"),
        (np.ones(0, int), r"has shape \(0,\)"),
    ),
)
def test_says_what_is_wrong_with_labels(tmp_path, labels, message):
    np.save(tmp_path / "l.npy", labels)
    with pytest.raises(InputError, match=message):
        read_labels(tmp_path / "l.npy")


names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1
)


@hypothesis.given(
    name=names.filter(lambda s: "." not in s),
    suffix=st.sampled_from((".npy", ".npz", ".safetensors")),
    key=st.none() | st.text(),
)
def test_a_spec_splits_into_file_and_key(name, suffix, key):
    spec = f"gone/{name}{suffix}" + ("" if key is None else f":{key}")
    path, found = split_spec(spec)
    assert (path.name, found) == (name + suffix, key)


def test_a_file_of_exactly_that_name_wins(tmp_path):
    path = tmp_path / "a.npz:b.npz"
    np.savez(path, x=rows)
    assert split_spec(str(path)) == (path, None)


@hypothesis.given(
    key=names.filter(lambda s: not s.endswith(".npy")),
    others=st.lists(names.filter(lambda s: not s.endswith(".npy")), max_size=2),
)
@hypothesis.settings(suppress_health_check=["function_scoped_fixture"], max_examples=50)
def test_any_key_is_found(tmp_path, key, others):
    arrays = {name: -rows for name in others} | {key: rows}
    safetensors.numpy.save_file(arrays, tmp_path / "x.safetensors")
    read = read_array(f"{tmp_path / 'x.safetensors'}:{key}")
    np.testing.assert_array_equal(read, rows)
    assert set(open_arrays(tmp_path / "x.safetensors")) == set(arrays)


def test_a_new_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), new_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(InputError, match=r"x\.txt cannot be written: No space"):
        with new_file(path) as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    with new_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "message"),
    (
        ("gone/x.npy", "folder .*gone does not exist: mkdir -p"),
        (".", "not a regular file"),
        ("/dev/null", "not a regular file"),
    ),
)
def test_says_why_a_file_cannot_be_written(tmp_path, name, message):
    with pytest.raises(InputError, match=message), new_file(tmp_path / name):
        raise AssertionError
