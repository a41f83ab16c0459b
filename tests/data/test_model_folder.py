import numpy as np
import pytest

import jfacemap as jfm


x = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)


def test_files_and_stores_in_order_of_their_names(tmp_path):
    np.save(tmp_path / "b.npy", x.astype(np.float16))
    with jfm.data.EmbeddingStore.create(tmp_path / "a.zarr", 4) as store:
        store.append(2 * x)
    (tmp_path / "pedigree.csv").write_text("name\n")
    a, b = jfm.data.open_models(tmp_path, rows=10)
    assert (a.name, b.name) == ("a", "b") and a.shape == b.shape == (10, 4)
    np.testing.assert_array_equal(a.read(), 2 * x)
    np.testing.assert_allclose(b.read(), x, atol=2e-3)
    mask = np.arange(10) % 3 == 0
    for model, rows in ((a, 2 * x), (b, x)):
        assert model.read(mask).dtype == np.float32
        np.testing.assert_allclose(model.read(mask), rows[mask], atol=2e-3)


def test_what_cannot_be_used_is_named(tmp_path):
    with pytest.raises(jfm.data.InputError, match="is no folder"):
        jfm.data.open_models(tmp_path / "none")
    with pytest.raises(jfm.data.InputError, match="holds no embeddings"):
        jfm.data.open_models(tmp_path)
    np.save(tmp_path / "a.npy", x)
    with pytest.raises(jfm.data.InputError, match=r"a has 10 rows, where 11 images"):
        jfm.data.open_models(tmp_path, rows=11)
    np.save(tmp_path / "b.npy", np.arange(10))
    with pytest.raises(jfm.data.InputError, match=r"b.npy holds int64\[10\]"):
        jfm.data.open_models(tmp_path)
    np.save(tmp_path / "b.npy", np.where(np.arange(10)[:, None] == 7, np.nan, x))
    _, b = jfm.data.open_models(tmp_path)
    with pytest.raises(jfm.data.InputError, match="b: 1 of 10 rows read hold NaN"):
        b.read()


def test_a_file_and_a_store_of_one_name(tmp_path):
    np.save(tmp_path / "a.npy", x)
    jfm.data.EmbeddingStore.create(tmp_path / "a.zarr", 4).close()
    with pytest.raises(jfm.data.InputError, match="holds a twice"):
        jfm.data.open_models(tmp_path)


def test_stores_of_the_images_in_another_order(tmp_path):
    for name, step in (("a", 1), ("b", -1)):
        columns = {"image": str}
        place = tmp_path / f"{name}.zarr"
        with jfm.data.EmbeddingStore.create(place, 4, columns=columns) as store:
            store.append(x, image=np.arange(10).astype(str)[::step])
    with pytest.raises(ValueError, match="b holds the images of a in another order"):
        jfm.data.open_models(tmp_path)
