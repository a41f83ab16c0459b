import os
import signal
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.data.moments_file import read_moments_metadata

from ..processes import finish, says


r = np.random.default_rng(0)
x, y = (np.float16(r.normal(size=(103, d)) + 1) for d in (5, 4))
w = np.float32(r.uniform(size=103))


def same(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(p, q, equal_nan=True) for p, q in leaves)


def close(a, b):
    wide = lambda t: [np.asarray(v) for v in jax.tree.leaves(t, is_leaf=is_wide)]
    for ours, true in zip(wide(a), wide(b), strict=True):
        np.testing.assert_allclose(ours, true, rtol=1e-11, atol=1e-11)


is_wide = lambda leaf: hasattr(leaf, "high")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The same rows in memory, in a memory map and in a store."""
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "x.npy", x)
    store = jfm.data.EmbeddingStore.from_file(folder / "x.npy", folder / "x.zarr")
    return {"array": x, "map": np.load(folder / "x.npy", mmap_mode="r"), "store": store}


@pytest.mark.parametrize("place", ("array", "map", "store"))
def test_moments_are_those_of_all_rows(places, place):
    close(
        jfm.stream_pair_moments(places[place], y, batch_rows=20),
        jfm.pair_moments(x, y),
    )
    joint = jfm.stream_joint_moments({"a": places[place], "b": y}, w, batch_rows=103)
    close(joint, jfm.joint_moments({"a": x, "b": y}, w))
    assert joint.names == ("a", "b")


def test_stores_in_another_order_are_refused(tmp_path):
    """Row i pairs with row i: the sums would be of other people."""
    order, names = r.permutation(103), np.array([f"{i}.png" for i in range(103)])
    stores = []
    for name, rows, image in (("x", x, names), ("y", y[order], names[order])):
        np.save(tmp_path / f"{name}.npy", rows)
        place, columns = tmp_path / f"{name}.zarr", {"image": image}
        store = jfm.data.EmbeddingStore.from_file(
            tmp_path / f"{name}.npy", place, columns=columns
        )
        stores.append(store)
    with pytest.raises(ValueError, match="y holds the images of x in another order"):
        jfm.stream_pair_moments(*stores)
    with pytest.raises(ValueError, match="b holds the images of a in another order"):
        jfm.stream_joint_moments(dict(zip("ab", stores, strict=True)))
    sorted_rows = (s.rows(np.argsort(s.column("image"))) for s in stores)  # the remedy
    close(jfm.stream_pair_moments(*sorted_rows, batch_rows=103), jfm.pair_moments(x, y))


def test_parts_merge(places):
    """Each process streams its own rows: whatever the cut, none twice and none left out."""
    for cut in (0, 47):
        spans, told = ((0, cut), (cut, 103)), []
        tell = lambda *step, told=told: told.append(step)
        one = lambda span, tell=tell: jfm.stream_pair_moments(
            places["store"], y, w, batch_rows=20, rows=span, progress=tell
        )
        close(jfm.merge(*map(one, spans)), jfm.pair_moments(x, y, w))
        assert (cut, cut) in told or not cut


def test_two_parts_do_not_share_a_checkpoint(tmp_path):
    file, how = tmp_path / "m.safetensors", {"batch_rows": 10, "every": 10}
    first = jfm.stream_pair_moments(x, y, rows=(0, 50), checkpoint=file, **how)
    for other in ((50, 103), (0, 60), None):
        with pytest.raises(jfm.data.InputError, match=r"another way \(part\)"):
            jfm.stream_pair_moments(x, y, rows=other, checkpoint=file, **how)
    assert same(jfm.data.load_moments(file), first)

    taken = read_moments_metadata(file)
    file.unlink()  # both began before there was one

    def meanwhile(done, n):
        if done == 10:
            jfm.data.save_moments(file, first, taken)

    with pytest.raises(jfm.data.InputError, match=r"another way \(part\)"):
        jfm.stream_pair_moments(
            x, y, rows=(50, 103), checkpoint=file, progress=meanwhile, **how
        )
    assert same(jfm.data.load_moments(file), first)


def test_rows_are_scaled_if_asked():
    ours = jfm.stream_pair_moments(x, y, normalize=True, batch_rows=103)
    true = jfm.pair_moments(jfm.unit(x), jfm.unit(y))
    np.testing.assert_allclose(np.asarray(ours.xy), np.asarray(true.xy), atol=2e-2)
    assert np.asarray(ours.xx).trace() < 104


def test_goes_on_where_it_was_stopped(tmp_path, places):
    """Stopped between commits: rows after the last one are read again, to the same bits."""
    file, told = tmp_path / "m.safetensors", []

    class StopError(Exception):
        pass

    def stop(done, n):
        told.append((done, n))
        if done == 70:
            raise StopError

    how = {"batch_rows": 10, "every": 30}
    for rows in (x, places["store"]):
        file.unlink(missing_ok=True)
        with pytest.raises(StopError):
            jfm.stream_pair_moments(rows, y, w, **how, checkpoint=file, progress=stop)
        told.clear()
        tell = lambda *step: told.append(step)
        ours = jfm.stream_pair_moments(rows, y, w, **how, checkpoint=file, progress=tell)
        assert told == [(70, 103), (80, 103), (90, 103), (100, 103), (103, 103)]
        assert same(ours, jfm.stream_pair_moments(rows, y, w, **how))
        told.clear()  # a finished one is read, not gathered
        again = jfm.stream_pair_moments(rows, y, w, **how, checkpoint=file, progress=tell)
        assert same(again, ours) and not told
        assert same(jfm.data.load_moments(file), ours)


script = """
    import sys, time
    import numpy as np
    import jfacemap as jfm

    rows = np.load(sys.argv[1], mmap_mode="r")
    def slow(done, n):
        print(done, flush=True)
        time.sleep(float(sys.argv[3]))
    jfm.stream_joint_moments([rows[:, :5], rows[:, 5:]], batch_rows=10, every=10,
                             checkpoint=sys.argv[2], progress=slow)
"""


def test_a_killed_run_ends_with_the_same_bits(tmp_path):
    rows, file = tmp_path / "rows.npy", tmp_path / "m.safetensors"
    np.save(rows, np.concatenate([x, y], axis=1))
    start = lambda pause: subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), rows, file, pause],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    child = start("600")
    try:
        assert says(child, "10\n")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert file.exists()
    told = finish(start("0"))
    assert told.split() == [*map(str, range(20, 101, 10)), "103"]
    straight = jfm.stream_joint_moments([x, y], batch_rows=10)
    assert same(jfm.data.load_moments(file), straight)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.safetensors", "rows.npy"]


def test_says_what_is_wrong(tmp_path, unchecked_types):
    stream, file = jfm.stream_pair_moments, tmp_path / "m.safetensors"
    with pytest.raises(ValueError, match="x has 103 rows and y 9"):
        stream(x, y[:9])
    with pytest.raises(ValueError, match="within 0 to 103"):
        stream(x, y, rows=(50, 104))
    with pytest.raises(ValueError, match="y holds int32"):
        stream(x, np.int32(y))
    with pytest.raises(ValueError, match=r"weights must be \(103,\)"):
        stream(x, y, w[:5])
    with pytest.raises(ValueError, match="must not be negative"):
        stream(x, y, -w)
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        stream(x, y, checkpoint=tmp_path / "m.npz")
    stream(x, y, checkpoint=file, batch_rows=20)
    for other, match in (
        (lambda: stream(x, y, checkpoint=file, batch_rows=40), r"another way \(batch_rows"),
        (lambda: stream(x + 1, y, checkpoint=file, batch_rows=20), r"way \(rows"),
        (lambda: stream(x, y, w, checkpoint=file, batch_rows=20), r"way \(rows"),
        (
            lambda: jfm.stream_joint_moments([x, y], checkpoint=file, batch_rows=20),
            r"another way \(models",
        ),
    ):
        with pytest.raises(jfm.data.InputError, match=match):
            other()


def test_where_no_checkpoint_can_be_is_told_before_a_row_is_read(tmp_path, monkeypatch):
    def fails(place, match):
        read = []
        with pytest.raises(jfm.data.InputError, match=match):
            jfm.stream_pair_moments(
                x, y, checkpoint=place, progress=lambda *done: read.append(done)
            )
        assert not read

    missing, folder = tmp_path / "no" / "m.safetensors", tmp_path / "d.safetensors"
    fails(missing, f"mkdir -p {missing.parent}$")
    folder.mkdir()
    fails(folder, f"{folder} is not a regular file")
    # The root user may write anywhere: the system's answer is put in its mouth.
    monkeypatch.setattr(os, "access", lambda place, mode: mode != os.W_OK)
    fails(tmp_path / "m.safetensors", f"chmod u\\+w {tmp_path}$")


def test_a_wide_statistic_keeps_its_bits(tmp_path):
    file = tmp_path / "m.safetensors"
    with jax.enable_x64(True):
        wide = jfm.pair_moments(jnp.asarray(x, jnp.float64), jnp.asarray(y, jnp.float64))
        jfm.data.save_moments(file, wide, {"who": "me"})
        assert same(jfm.data.load_moments(file), wide)
    energy = jfm.compare.energy_moments({"a": np.float32(x), "b": np.float32(y)})
    jfm.data.save_moments(file, energy)
    back = jfm.data.load_moments(file)
    assert same(back, energy) and back.joint.names == ("a", "b")
    jfm.save(file, jfm.identity_map(3))
    with pytest.raises(jfm.data.InputError, match="holds no moments"):
        jfm.data.load_moments(file)
