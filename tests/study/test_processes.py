"""Two processes, each with its own rows, find what one finds of all."""

import threading
import time

import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.core.wide import Wide
from jfacemap.study.processes import merge_in_pairs

from ..processes import finish_all, free_port, says, start


begin = """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    port, me = sys.argv[1:3]
    jax.distributed.initialize(
        f"localhost:{port}", 2, int(me), heartbeat_timeout_seconds=10
    )
    mesh = make_mesh()
"""


def both(code, *args):
    port = free_port()
    return [start(begin + code, port, me, *args, devices=4) for me in range(2)]


def test_maps_and_counts_are_those_of_one_process(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(203, 6)).astype(np.float32)
    y = (x @ rng.normal(size=(6, 4)) + rng.normal(size=(203, 4))).astype(np.float32)
    for name, rows in (("x", x), ("y", y)):
        with jfm.data.EmbeddingStore.create(tmp_path / name, rows.shape[1]) as store:
            store.append(rows)
    code = """
    a, b = (jfm.data.EmbeddingStore.open(f"{sys.argv[3]}/{n}") for n in ("x", "y"))
    on = [store.on_mesh(mesh, "rows") for store in (a, b)]
    joint = jfm.joint_moments([o.rows for o in on], on[0].weights)
    maps = jfm.fit_all_pairs(joint, "affine")
    labels = jnp.where(on[1].rows[:, :2] > 0, 1, -1)
    labels = jnp.where(on[0].weights[:, None] > 0, labels, 0)  # rows that fill up
    svm = jfm.fit_svm(on[0].rows, labels, np.ones(1, "f"))

    # Each reads half of the rows as it likes: streams, and comparisons with all.
    mine = slice(100) if me == "0" else slice(100, 203)
    x, y = a.rows(slice(None)), b.rows(slice(None))
    streamed = jfm.merge_processes(jfm.pair_moments(x[mine], y[mine]))
    near = np.round(x * 8) / 8  # products are exact
    of = lambda rows: jfm.Templates(np.arange(203)[rows], near[rows])
    who = np.arange(203) // 3
    given = of(mine), of(slice(None)), who[mine], who
    counts = jfm.merge_processes(jfm.count_matches(*given))
    fars, fine = [1e-1, 1e-3], None
    inside = jfm.bins_in_doubt(counts, fars)
    while inside:
        fine = jfm.merge_processes(jfm.count_matches(*given, inside=inside))
        inside = jfm.bins_in_doubt(counts, fars, fine)
    tar = jfm.tar_of_counts(counts, fine, fars)
    np.savez(f"{sys.argv[3]}/found{me}", weight=maps[0, 1].weight, bias=maps[1, 0].bias,
             count=np.asarray(joint.count), svm=svm.weight, xy=np.asarray(streamed.xy),
             tar=tar.tar, threshold=tar.threshold,
             sums=[np.asarray(v) for v in jax.tree.leaves(streamed.xx)])
    # Of 64 bits each: on the host, and on devices.
    assert counts.genuine.dtype == np.int64 and isinstance(counts.genuine, np.ndarray)
    with jax.enable_x64(True):
        wide = jfm.pair_moments(jnp.asarray(x[mine], "d"), jnp.asarray(y[mine], "d"))
        wide = jfm.merge_processes(wide).xx.high
        whole = jfm.pair_moments(jnp.asarray(x, "d"), jnp.asarray(y, "d")).xx.high
    assert wide.dtype == np.float64 and isinstance(wide, jax.Array)
    np.testing.assert_allclose(wide, whole, 1e-13, 1e-11)
    """
    finish_all(both(code, tmp_path))
    maps = jfm.fit_all_pairs(jfm.joint_moments([x, y]), "affine")
    labels = np.where(y[:, :2] > 0, 1, -1)
    near, who = jfm.Templates(np.arange(203), np.round(x * 8) / 8), np.arange(203) // 3
    tar = jfm.cross_match(near, near, who, who, [1e-1, 1e-3]).tar
    for me in range(2):
        found = np.load(tmp_path / f"found{me}.npz")
        np.testing.assert_allclose(found["weight"], maps[0, 1].weight, 1e-5, 1e-6)
        np.testing.assert_allclose(found["bias"], maps[1, 0].bias, 1e-5, 1e-6)
        assert found["count"] == 203
        svm = jfm.fit_svm(x, labels, np.ones(1, np.float32)).weight
        np.testing.assert_allclose(found["svm"], svm, 1e-3, 1e-4)
        true = np.asarray(jfm.pair_moments(x, y).xy)
        np.testing.assert_allclose(found["xy"], true, 1e-11, 1e-11)
        other = np.load(tmp_path / f"found{1 - me}.npz")
        np.testing.assert_array_equal(found["sums"], other["sums"])
        np.testing.assert_array_equal(found["tar"], tar.tar)
        np.testing.assert_array_equal(found["threshold"], tar.threshold)


def test_sweeps_and_embeddings_of_two_processes(tmp_path):
    """Memory differs; rows lie in both; each embeds and streams a part of its own."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 96, 16)).astype(np.float32)
    images = rng.integers(0, 256, (11, 4, 4, 3)).astype(np.uint8)
    np.savez(tmp_path / "rows.npz", x=x, z=z, images=images)
    code = """
    from jfacemap.core import memory

    place = sys.argv[3]
    x, z, images = np.load(f"{place}/rows.npz").values()
    item = 4 * 32 * (30 + 32)
    memory.free_bytes = lambda device=None: int(4 * item * (1.5 + float(me)))
    over = NamedSharding(mesh, P("rows"))
    put = lambda a: jax.make_array_from_callback(a.shape, over, lambda i: a[i])
    worth = lambda maps: np.asarray(maps[0, 1].weight)
    sweep = lambda: jfm.sweep_subsets(
        jax.random.key(0), list(map(put, (x, z))), (30,), 24, ("linear",), evaluate=worth,
        mesh=mesh, keep=f"{place}/kept")
    values = sweep().values["linear"]
    worth = None  # all is kept
    np.testing.assert_array_equal(sweep().values["linear"], values)

    small, mine = jfm.data.Preprocess((4, 4)), jfm.process_rows(11)
    options = dict(preprocess=small, batch_size=8)
    flat = lambda x: x.reshape(len(x), -1)
    try:
        jfm.embed(flat, images, f"{place}/all", sharding=over, **options)
        raise AssertionError("across processes")
    except ValueError as fault:
        assert "jfm.data.join_stores" in str(fault), fault
    jfm.embed(flat, images[slice(*mine)], f"{place}/part{me}", **options)
    streamed = jfm.stream_pair_moments(
        x, z, rows=jfm.process_rows(96), checkpoint=f"{place}/{me}.safetensors")
    xy = np.asarray(jfm.merge_processes(streamed).xy)
    np.savez(f"{place}/found{me}", values=values, mine=mine, xy=xy)
    """
    finish_all(both(code, tmp_path))
    worth = lambda maps: np.asarray(maps[0, 1].weight)
    alone = jfm.sweep_subsets(
        jax.random.key(0), [x, z], (30,), 24, ("linear",), evaluate=worth
    )
    for me in range(2):
        found = np.load(tmp_path / f"found{me}.npz")
        np.testing.assert_allclose(found["values"], alone.values["linear"], 1e-3, 1e-3)
        assert found["mine"].tolist() == [[0, 5], [5, 11]][me]
        true = np.asarray(jfm.pair_moments(x, z).xy)
        np.testing.assert_allclose(found["xy"], true, 1e-11, 1e-11)
    parts = [tmp_path / "part0", tmp_path / "part1"]
    joined = jfm.data.join_stores(parts, tmp_path / "joined")
    whole = jfm.embed(
        lambda x: x.reshape(len(x), -1),
        images,
        tmp_path / "whole",
        preprocess=jfm.data.Preprocess((4, 4)),
    )
    np.testing.assert_array_equal(joined.rows(), whole.rows())


def test_of_one_process_it_is_the_summary_itself():
    moments = jfm.pair_moments(np.ones((3, 2), np.float32), np.ones((3, 1), np.float32))
    assert jfm.merge_processes(moments) is moments
    assert jax.process_count() == 1


@pytest.mark.parametrize("of", (1, 2, 3, 5))
def test_processes_merge_in_pairs_whoever_comes_first(of):
    r = np.random.default_rng(of)
    x, y = (r.normal(size=(40, d)).astype(np.float32) + 3 for d in (3, 2))
    own = [jfm.pair_moments(x[me::of], y[me::of]) for me in range(of)]

    def all_of_them(delays):
        ready, box, sent = threading.Barrier(of), {}, []
        found: list = [None] * of

        def exchange(me, summary, pairs):
            senders, receivers = (list(side) for side in zip(*pairs, strict=True))
            assert len({*senders}) == len(senders) and len({*receivers}) == len(receivers)
            sent.extend(pairs if me == 0 else ())
            time.sleep(delays[me])
            box[me] = summary
            ready.wait(60)
            came = {to: box[who] for who, to in pairs}.get(me)
            ready.wait(60)
            return came

        def run(me):
            each = lambda *given: exchange(me, *given)
            found[me] = merge_in_pairs(own[me], me, of, each)

        threads = [threading.Thread(target=run, args=(me,)) for me in range(of)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(sent) == 2 * (of - 1)  # each summary once up, the whole once down
        return found

    found = all_of_them(np.linspace(0, 0.02, of)) + all_of_them(np.linspace(0.02, 0, of))
    for other in found:
        for a, b in zip(jax.tree.leaves(found[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(a, b)
    true = jfm.pair_moments(x, y)
    wide = lambda leaf: isinstance(leaf, Wide)
    for a, b in zip(*(jax.tree.leaves(m, is_leaf=wide) for m in (found[0], true)),
                    strict=True):  # fmt: skip
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), 1e-11, 1e-11)


def test_who_is_left_alone_does_not_wait_forever():
    """Without a launcher: JAX notices that the other is gone, and says so."""
    code = """
    sums = jax.jit(jnp.sum)
    over, one = NamedSharding(mesh, P("rows")), np.ones(8, np.float32)
    rows = jax.make_array_from_callback((8,), over, lambda i: one[i])
    assert sums(rows) == 8
    print("ready", flush=True)
    while True:
        jax.block_until_ready(sums(rows))
    """
    first, second = both(code)
    try:
        for process in (first, second):
            assert says(process, "ready\n")  # after what gloo says
        second.kill()
        _, err = first.communicate(timeout=120)
        assert first.returncode != 0
        assert "closed by peer" in err or "heartbeat" in err or "reset by peer" in err
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
