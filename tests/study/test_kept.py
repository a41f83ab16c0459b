"""A sweep that is killed, wherever it stood, ends as one that was not."""

import signal

import jax
import numpy as np
import pytest

import jfacemap as jfm

from ..processes import finish, start


key = jax.random.key(1)
rng = np.random.default_rng(0)
models = [rng.normal(size=(60, d)).astype(np.float32) for d in (5, 4)]
kinds = "linear", "rotation"


def worth(maps):
    return np.stack([np.asarray(maps[0, 1](models[0]) - models[1]).sum(axis=0)] * 2)


def sweep(folder=None, progress=lambda done, total: None, rows=models, kinds=kinds):
    return jfm.sweep_subsets(
        key, rows, (3, 20), 3, kinds, evaluate=worth, keep=folder, progress=progress
    )


def same(a, b):
    return all(np.array_equal(a.values[kind], b.values[kind]) for kind in kinds)


def test_kept_results_are_read_and_not_found_again(tmp_path):
    told, straight = [], sweep()
    tell = lambda *step: told.append(step)
    assert same(sweep(tmp_path / "kept", tell), straight)
    assert told == [(i, 6) for i in range(1, 7)]
    told.clear()
    (tmp_path / "kept" / "3-1.npz").unlink()
    assert same(sweep(tmp_path / "kept", tell), straight)
    assert told == [(2, 6)]


def test_another_sweep_is_refused(tmp_path):
    sweep(tmp_path)
    with pytest.raises(jfm.data.InputError, match=r"another way \(rows\)"):
        sweep(tmp_path, rows=[2 * x for x in models])
    with pytest.raises(jfm.data.InputError, match=r"another way \(kinds\)"):
        sweep(tmp_path, kinds=("linear",))


code = """
    import time
    from tests.study.test_kept import sweep

    def slow(done, total):
        print(done, flush=True)
        time.sleep(float(sys.argv[2]) if done == int(sys.argv[3]) else 0)

    sweep(sys.argv[1], slow)
"""


def test_a_killed_sweep_ends_with_the_same_bits(tmp_path):
    straight, folder = sweep(), tmp_path / "kept"
    for steps in (range(1, 3), range(3, 5)):
        child = start(code, folder, 600, steps[-1])
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in steps]
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert told == list(steps)
    # What was being written when it was killed is no piece.
    (folder / ".20-1.npz.partial").write_bytes(b"half a file")
    told = finish(start(code, folder, 0, 0)).split()
    assert told == ["5", "6"]
    assert same(sweep(folder), straight)
    assert sorted(p.name for p in folder.glob("*.npz")) == [
        f"{size}-{i}.npz" for size in (20, 3) for i in range(3)
    ]
