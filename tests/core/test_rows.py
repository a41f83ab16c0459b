import jax.numpy as jnp
import numpy as np
import pytest

from jfacemap.core.rows import ArrayRows, as_rows, RowSource


x = np.arange(35, dtype=np.float32).reshape(7, 5)


@pytest.mark.parametrize("size", (1, 3, 7, 100))
def test_batches_are_the_rows_in_order(size):
    rows = as_rows(x)
    batches = list(rows.batches(size))
    assert [len(b) for b in batches] == [min(size, 7 - i) for i in range(0, 7, size)]
    np.testing.assert_array_equal(np.concatenate(batches), x, strict=True)
    assert len(list(rows.batches(size))) == len(batches)  # it starts again


def test_an_array_of_no_rows_has_no_batch():
    rows = as_rows(x[:0])
    assert rows.shape == (0, 5) and list(rows.batches(3)) == []


def test_a_memory_map_is_read_by_views(tmp_path):
    np.save(tmp_path / "x.npy", x)
    rows = as_rows(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert all(isinstance(b, np.memmap) for b in rows.batches(3))


def test_arrays_of_both_libraries_have_a_shape_and_a_type():
    for array in (x, jnp.asarray(x, jnp.bfloat16)):
        rows = as_rows(array)
        assert isinstance(rows, RowSource)
        assert (rows.shape, rows.dtype) == ((7, 5), array.dtype)


def test_a_source_stays_what_it_is():
    rows = ArrayRows(x)
    assert as_rows(rows) is rows


def test_says_what_rows_are(unchecked_types):
    for wrong, found in ((x[0], r"\(5,\)"), ([[1.0]], "list")):
        with pytest.raises(ValueError, match=f"or a RowSource; got {found}"):
            as_rows(wrong)
    with pytest.raises(ValueError, match="at least one row; got size 0"):
        as_rows(x).batches(0)
