import numpy as np
import pytest

from jfacemap.data import EmbeddingStore, InputError, join_stores


def make(place, x, metadata=None, **columns):
    kinds = {
        name: "string" if v.dtype.kind == "U" else "int64" for name, v in columns.items()
    }
    with EmbeddingStore.create(
        place, x.shape[1], columns=kinds, metadata=metadata, chunk_rows=7
    ) as store:
        if len(x):
            store.append(x, **columns)
    return place


def test_rows_columns_and_what_was_skipped_follow_each_other(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    name = np.array([f"{i}.png" for i in range(30)])
    cuts, places = ((0, 13), (13, 13), (13, 30)), []
    for a, b in cuts:
        how = {"flip": True, "images": f"digest of {a}"}
        about = {"model": "m", "embed": how, "skipped": {f"{a}-{b}": "unreadable"}}
        places.append(make(tmp_path / f"{a}-{b}", x[a:b], about, image=name[a:b]))
    joined = join_stores(places, tmp_path / "all")
    np.testing.assert_array_equal(joined.rows(), x)
    np.testing.assert_array_equal(joined.column("image"), name)
    assert joined.metadata["model"] == "m"
    assert list(joined.metadata["skipped"]) == ["0-13", "13-13", "13-30"]


def test_what_is_not_alike_is_not_joined(tmp_path):
    x, who = np.ones((4, 3), np.float32), np.arange(4)
    one = make(tmp_path / "one", x, {"embed": {"flip": True}}, who=who)
    others = (
        make(tmp_path / "width", x[:, :2], {"embed": {"flip": True}}, who=who),
        make(tmp_path / "columns", x, {"embed": {"flip": True}}),
        make(tmp_path / "how", x, {"embed": {"flip": False}}, who=who),
    )
    for other in others:
        with pytest.raises(InputError, match="is not of the kind of"):
            join_stores([one, other], tmp_path / "all")
        assert not EmbeddingStore.exists(tmp_path / "all")
    with pytest.raises(ValueError, match="at least one store"):
        join_stores([], tmp_path / "all")
