"""Writers that are killed, readers that look on, and second writers."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from jfacemap.data.arrays import InputError
from jfacemap.data.store import EmbeddingStore
from jfacemap.data.store_array import RowArray
from jfacemap.data.store_place import Place


truth = """
    import functools, os, random, signal, sys, time
    import numpy as np
    from jfacemap.data.store import EmbeddingStore
    from jfacemap.data.store_array import RowArray
    from jfacemap.data import store_array, store_place
    from jfacemap.data.store_place import Place

    def without_sync():
        "A killed process, unlike a power failure, loses nothing that the system has."
        import tensorstore as ts
        return ts.Context({"file_io_sync": False})

    store_place.context = store_array.context = functools.cache(without_sync)

    def rows(start, stop):
        i = np.arange(start, stop)
        x = (i[:, None] + np.arange(5) / 8).astype(np.float32)
        return x, {"who": [f"id {k // 3}" * (k % 4) for k in i], "media": i * i}

    def write(path, n):
        "Append to a store until it has n rows, from wherever the last writer got to."
        if EmbeddingStore.exists(path):
            store = EmbeddingStore.open(path, writable=True)
        else:
            columns = {"who": str, "media": int}
            store = EmbeddingStore.create(path, 5, columns=columns, chunk_rows=4)
        with store:
            while len(store) < n:
                stop = min(n, len(store) + 1 + len(store) * 5 % 9)
                x, columns = rows(len(store), stop)
                store.append(x, **columns)

    def check(path):
        "The rows of a store, which are the first ones of the truth, or it raises."
        if not EmbeddingStore.exists(path):
            return 0
        store = EmbeddingStore.open(path)
        x, columns = rows(0, len(store))
        np.testing.assert_array_equal(store.rows(), x, strict=True)
        for name, values in columns.items():
            np.testing.assert_array_equal(store.column(name), values)
        return len(store)

    def fork(f, *args):
        child = os.fork()
        if child:
            return child
        try:
            f(*args)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def wait(child):
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    path = sys.argv[1]
"""


def run(code: str, *args) -> str:
    """Run `code` in a process of its own, one that may fork: it has no threads yet."""
    code = textwrap.dedent(truth) + textwrap.dedent(code)
    command = [sys.executable, "-c", code, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_writer_killed_at_any_step_loses_no_committed_row(tmp_path):
    """Before the k-th write to disk, for every k there is."""
    code = """
    def write_and_die(path, n, k):
        left = [k]
        def step():
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        def dying(f):
            def wrapped(*args, **kwargs):
                step()
                return f(*args, **kwargs)
            return wrapped
        steps = (RowArray, "resize"), (RowArray, "write"), (Place, "write_json")
        for owner, name in steps:
            setattr(owner, name, dying(getattr(owner, name)))
        write(path, n)

    def go_on(path, n):
        print(check(path), flush=True)
        write(path, n)

    k = 0
    while True:
        here = f"{path}/{k}"
        status = wait(fork(write_and_die, here, 7, k))
        assert status in (0, -signal.SIGKILL), status
        assert wait(fork(go_on, here, 16)) == 0, k
        k += 1
        if status == 0:
            break
    assert wait(fork(write, path + "/whole", 16)) == 0
    """
    seen = list(map(int, run(code, tmp_path).split()))
    assert seen == sorted(seen) and seen[-1] == 7 and len(set(seen)) > 2
    whole = files(tmp_path / "whole")
    assert len(whole) > 10
    for k in range(len(seen)):
        assert files(tmp_path / str(k)) == whole, k


def test_a_writer_killed_at_any_moment_is_resumed(tmp_path):
    code = """
    random.seed(0)
    before = 0
    for _ in range(6):
        ready, set_ready = os.pipe()
        def work():
            write(path, before + 1)
            os.write(set_ready, b"1")
            write(path, 10**6)
        child = fork(work)
        os.read(ready, 1)
        time.sleep(random.random() * 0.2)
        os.kill(child, signal.SIGKILL)
        assert wait(child) == -signal.SIGKILL
        out, to = os.pipe()
        assert wait(fork(lambda: os.write(to, str(check(path)).encode()))) == 0
        after = int(os.read(out, 20))
        assert after > before, (after, before)
        before = after
    for name in ("", "-whole"):
        assert wait(fork(write, path + name, before + 20)) == 0
    print(before)
    """
    assert int(run(code, tmp_path / "s")) >= 6
    assert files(tmp_path / "s") == files(tmp_path / "s-whole")


def test_half_written_files_of_a_killed_writer_are_cleared_away(tmp_path):
    """TensorStore would write the new text over the old and leave the end of that."""
    place = tmp_path / "s"
    with EmbeddingStore.create(place, 3, columns={"a": int}) as store:
        store.append(np.ones((4, 3), np.float32), a=range(4))
    for name in ("zarr.json", "embeddings/zarr.json", "embeddings/c.0.0", "a/c.0"):
        (place / f"{name}.__lock").write_bytes(b"{" * 10**6)
    with EmbeddingStore.open(place, writable=True) as store:
        store.append(np.ones((4, 3), np.float32), a=range(4))
    assert not list(place.rglob("*.__lock"))
    np.testing.assert_array_equal(EmbeddingStore.open(place).column("a"), [*range(4)] * 2)
    (tmp_path / "new").mkdir()
    (tmp_path / "new/zarr.json.__lock").write_bytes(b"{" * 10**6)
    EmbeddingStore.create(tmp_path / "new", 3).close()
    assert len(EmbeddingStore.open(tmp_path / "new")) == 0


def test_readers_see_a_committed_prefix_while_a_writer_appends(tmp_path):
    code = """
    child = fork(write, path, 100)
    def look_on():
        seen = [0]
        while seen[-1] < 100:
            seen.append(check(path))
            assert seen[-1] >= seen[-2]
        print(len(set(seen)))
    readers = [fork(look_on) for _ in range(2)]
    assert [wait(c) for c in (child, *readers)] == [0, 0, 0]
    """
    assert min(map(int, run(code, tmp_path / "s").split())) > 3


def test_a_reader_keeps_its_rows_until_it_looks_again(tmp_path):
    x = np.arange(30, dtype=np.float32).reshape(10, 3)
    with EmbeddingStore.create(tmp_path / "s", 3, chunk_rows=4) as store:
        store.append(x[:5])
        reader = EmbeddingStore.open(tmp_path / "s")
        store.append(x[5:])
        np.testing.assert_array_equal(reader.rows(), x[:5])
        assert reader.refresh() is reader
        np.testing.assert_array_equal(reader.rows(), x)


def append(store, n=4):
    store.append(np.ones((n, 3), np.float32))


@pytest.mark.parametrize("place", ("{}/s", "file://{}/s"))
def test_a_second_writer_is_refused_while_the_first_lives(tmp_path, place):
    place = place.format(tmp_path)
    with EmbeddingStore.create(place, 3) as store:
        append(store)
        for take_over in (False, True):
            with pytest.raises(InputError, match="open for writing already, here or in an"):
                EmbeddingStore.open(place, writable=True, take_over=take_over)
        append(store)
    with EmbeddingStore.open(place, writable=True) as store:
        append(store)
    assert len(EmbeddingStore.open(place)) == 12


def test_a_writer_that_was_dropped_lets_the_next_one_in(tmp_path):
    store = EmbeddingStore.create(tmp_path / "s", 3)
    append(store)
    del store
    with EmbeddingStore.open(tmp_path / "s", writable=True) as store:
        assert len(store) == 4


def test_where_no_lock_is_to_be_had_a_claim_refuses():
    place = "memory://test_store_commit/claim"
    first = EmbeddingStore.create(place, 3)
    append(first)
    with pytest.raises(InputError, match=rf"process {os.getpid()} on .*take_over=True"):
        EmbeddingStore.open(place, writable=True)
    second = EmbeddingStore.open(place, writable=True, take_over=True)
    append(second, 2)
    with pytest.raises(InputError, match=r"has been taken over by process .*len\(store\)"):
        append(first)
    with pytest.raises(InputError, match="is closed: open it again"):
        append(first)
    first.close()
    append(second, 2)
    second.close()
    assert len(EmbeddingStore.open(place)) == 8
    with EmbeddingStore.open(place, writable=True) as third:  # the claim is gone
        append(third)


def test_an_append_that_fails_has_not_happened(tmp_path, monkeypatch):
    with EmbeddingStore.create(tmp_path / "s", 3, chunk_rows=4) as store:
        append(store, 6)
        store.append(np.full((1, 3), 2, np.float32), commit=False)

        def full(*_):
            raise ValueError("RESOURCE_EXHAUSTED: No space left on device [os='28']")

        with monkeypatch.context() as patch:
            patch.setattr(RowArray, "write", full)
            with pytest.raises(
                InputError, match=r"cannot be written: .*No space left on dev"
            ):
                append(store, 5)
        assert len(store) == len(EmbeddingStore.open(tmp_path / "s")) == 6
        append(store, 5)
    rows = EmbeddingStore.open(tmp_path / "s").rows()
    np.testing.assert_array_equal(rows[:, 0], [1] * 6 + [2] + [1] * 5)


@pytest.mark.parametrize("landed", (False, True))
def test_a_commit_whose_answer_is_lost(tmp_path, monkeypatch, landed):
    """An interrupt between the write of the record and its answer, or before both."""
    write = Place.write_json

    def interrupted(self, *args):
        if landed:
            write(self, *args)
        raise KeyboardInterrupt

    with EmbeddingStore.create(tmp_path / "s", 3, chunk_rows=4) as store:
        append(store, 2)
        store.append(np.full((1, 3), 2, np.float32), commit=False)
        with monkeypatch.context() as patch:
            patch.setattr(Place, "write_json", interrupted)
            with pytest.raises(KeyboardInterrupt):
                append(store, 3)
    rows = EmbeddingStore.open(tmp_path / "s").rows()
    np.testing.assert_array_equal(rows[:, 0], [1, 1, 2] + [1] * 3 * landed)


def test_a_write_that_is_tried_twice_is_not_taken_for_that_of_another(monkeypatch):
    """As a network does that loses an answer: the second try finds the first one's file."""
    write = Place.write_json

    def twice(self, *args):
        write(self, *args)
        return write(self, *args)

    monkeypatch.setattr(Place, "write_json", twice)
    with EmbeddingStore.create("memory://test_store_commit/twice", 3) as store:
        append(store)
        append(store)
    assert len(EmbeddingStore.open("memory://test_store_commit/twice")) == 8


def test_a_store_replaced_by_another_is_noticed(tmp_path):
    import shutil

    with EmbeddingStore.create(tmp_path / "s", 3) as store:
        append(store)
    reader = EmbeddingStore.open(tmp_path / "s")
    shutil.rmtree(tmp_path / "s")
    with pytest.raises(InputError, match="holds no store: nothing is there"):
        reader.refresh()
    EmbeddingStore.create(tmp_path / "s", 4).close()
    with pytest.raises(InputError, match="replaced by another store: open it again"):
        reader.refresh()
