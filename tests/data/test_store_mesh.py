"""Rows straight onto a mesh: eight devices of one process, and two processes."""

import jax
import numpy as np
import pytest

from jfacemap.data.store import EmbeddingStore

from ..processes import finish, finish_all, free_port, start


prelude = """
    from jfacemap.data.store import EmbeddingStore

    read = []
    def rows(self, index):
        read.append((index.start, index.stop))
        return whole(self, index)
    whole, EmbeddingStore.rows = EmbeddingStore.rows, rows
    store = EmbeddingStore.open(sys.argv[1])
    x = whole(store, slice(None))
"""


@pytest.fixture
def place(tmp_path):
    x = np.random.default_rng(0).normal(size=(61, 5)).astype(np.float32)
    with EmbeddingStore.create(tmp_path / "s", 5, chunk_rows=7) as store:
        store.append(x)
    return tmp_path / "s"


def test_eight_devices(place):
    code = """
    mesh = make_mesh((8,), ("rows",))
    on = store.on_mesh(mesh, "rows")
    assert on.rows.sharding == NamedSharding(mesh, P("rows"))
    assert on.weights.sharding == NamedSharding(mesh, P("rows"))
    assert on.rows.shape == (64, 5) and on.weights.dtype == np.float32
    np.testing.assert_array_equal(on.rows, np.pad(x, ((0, 3), (0, 0))))
    np.testing.assert_array_equal(on.weights, np.arange(64) < 61)
    assert read == [(i, min(i + 8, 61)) for i in range(0, 64, 8)]
    for shard in on.rows.addressable_shards:
        assert shard.data.shape == (8, 5)

    # The padding leaves no trace in a weighted statistic of the sharded rows.
    ours = jax.jit(jfm.joint_moments)([on.rows], on.weights)
    truth = jfm.joint_moments([x])
    np.testing.assert_allclose(np.asarray(ours.scatter), np.asarray(truth.scatter), 1e-12)
    assert np.asarray(ours.count) == 61

    # No padding; a part; fewer rows than devices.
    even = store.on_mesh(mesh, "rows", start=3, stop=43)
    np.testing.assert_array_equal(even.rows, x[3:43])
    np.testing.assert_array_equal(even.weights, 1)
    few = store.on_mesh(mesh, "rows", start=58)
    np.testing.assert_array_equal(few.rows, np.pad(x[58:], ((0, 5), (0, 0))))

    # Copies along another axis are read once; several axes are as one.
    grid = make_mesh((4, 2), ("rows", "model"))
    for axis, shards in (("rows", 4), ("model", 2), (("rows", "model"), 8)):
        del read[:]
        on = store.on_mesh(grid, axis)
        assert on.rows.sharding == NamedSharding(grid, P(axis))
        np.testing.assert_array_equal(np.asarray(on.rows)[:61], x)
        assert len(read) == shards
    """
    finish(start(prelude + code, place, devices=8))


def test_two_processes_read_their_own_rows(place):
    code = """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    _, _, port, me = sys.argv
    jax.distributed.initialize(f"localhost:{port}", 2, int(me))
    on = store.on_mesh(make_mesh((8,), ("rows",)), "rows")
    mine = range(0, 32) if me == "0" else range(32, 64)
    assert read == [(i, min(i + 8, 61)) for i in mine[::8]], read
    for shard in on.rows.addressable_shards:
        part = shard.index[0]
        np.testing.assert_array_equal(shard.data, np.pad(x, ((0, 3), (0, 0)))[part])
    total = jax.jit(lambda on: (on.weights[:, None] * on.rows).sum(0))(on)
    np.testing.assert_allclose(np.asarray(total), x.sum(0), rtol=1e-5)
    """
    port = free_port()
    given = [(prelude + code, place, port, me) for me in range(2)]
    finish_all([start(*args, devices=4) for args in given])


def test_one_device_and_bad_axes(place):
    store = EmbeddingStore.open(place)
    mesh = jax.make_mesh((1,), ("rows",))
    np.testing.assert_array_equal(store.on_mesh(mesh, "rows").rows, store.rows())
    with pytest.raises(ValueError, match=r"no axis 'columns'; it has .*'rows': 1"):
        store.on_mesh(mesh, "columns")
    with pytest.raises(ValueError, match="has no rows from 61 to put on a mesh"):
        store.on_mesh(mesh, "rows", start=61)


def test_half_types_stay_what_they_are(tmp_path):
    for dtype in ("float16", "bfloat16"):
        with EmbeddingStore.create(tmp_path / dtype, 2, dtype=dtype) as store:
            store.append(np.ones((3, 2), np.float32))
            mesh = jax.make_mesh((1,), ("rows",))
            assert store.on_mesh(mesh, "rows").rows.dtype == store.dtype
