"""Work that fans out over maps, on eight devices; run by `test_fan_out.py`."""

import jax
import jax.numpy as jnp
import numpy as np

import jfacemap as jfm

from .eight_devices import close, mesh, programs, put, r, read_collectives, x, y, z


key = jax.random.key(0)
x, y, z = x[:1200], y[:1200], z[:1200]


def moved(f):
    """What `f()` returns, and the bytes that travelled while it was found."""
    del programs[:]
    out = jax.block_until_ready(f())
    return out, sum(c.bytes for text in programs for c in read_collectives(text))


def draw(groups, x=x, replicates=16, mesh=None):
    options = {"groups": groups, "replicates": replicates, "mesh": mesh}
    return jfm.bootstrap_maps(key, x, y, **options)


def bootstrap():
    for groups in (None, np.arange(1200) // 100):
        ours, travelled = moved(lambda groups=groups: draw(groups, mesh=mesh))
        close(ours, draw(groups), 1e-5)
        part = ours.maps.weight.addressable_shards[0].data
        assert part.shape == (2, 12, 8)
        assert travelled == 0  # the rows are on every device from the start
    close(draw(None, put(x), mesh=mesh), draw(None), 1e-5)
    close(draw(None, replicates=5, mesh=mesh), draw(None, replicates=5), 1e-5)


def sweep():
    models = [a[:400] for a in (x, y, z)]

    def worth(maps):
        pairs = [(i, j) for i in range(3) for j in range(3)]
        miss = [jnp.sum((maps[i, j](models[i]) - models[j]) ** 2) for i, j in pairs]
        return np.reshape([float(m) for m in miss], (3, 3))

    kinds = "linear", "affine", "rotation"
    # Fewer rows than dimensions, and more; subsets that the devices do not divide.
    given = key, models, (6, 40), 9, kinds
    alone = jfm.sweep_subsets(*given, evaluate=worth)
    ours = jfm.sweep_subsets(*given, evaluate=worth, mesh=mesh)
    for kind in kinds:
        np.testing.assert_allclose(ours.values[kind], alone.values[kind], 2e-3, 1e-2)


def draws():
    """Of TAR: counts, hence the same; of more draws than the devices divide."""
    who = np.arange(90) // 3
    genuine, valid = jfm.label_pairs(who)
    scores = np.where(genuine, 0.5, 0) + r.normal(size=(2, 90, 90)).round(1)
    pairs = jfm.identity_pairs(who[:, None], who[None], valid=valid)
    given = key, scores.astype(np.float32), pairs, (1e-1, 1e-2)
    ours = jfm.tar_confidence(*given, replicates=50, mesh=mesh)
    alone = jfm.tar_confidence(*given, replicates=50)
    for name in ("tar", "lower", "upper", "replicates"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(alone, name))


def folds():
    """Of a path: each device has its share of five or nine folds."""
    of, weights = np.arange(1200) % 9, r.uniform(size=1200).astype(np.float32)
    for path in (jfm.fit_ridge_path, jfm.fit_low_rank_path):
        for given in ({}, {"folds": of, "weights": weights}):
            close(path(x, y, mesh=mesh, **given), path(x, y, **given), 1e-5)
        _, travelled = moved(lambda path=path: path(x, y, mesh=mesh))
        assert travelled <= 8 * 5 * (20**2 + 8 * 20), travelled  # moments, and errors
    moments = jfm.group_moments(x, y, of)
    for solve in (jfm.solve_ridge_path, jfm.solve_low_rank_path):
        close(solve(moments, mesh=mesh), solve(moments), 1e-5)
    each = dict(per_target=True, ridges=[0.1, 10.0])
    close(
        jfm.fit_ridge_path(put(x), put(y), mesh=mesh, **each),
        jfm.fit_ridge_path(x, y, **each),
        1e-5,
    )


def batches():
    """Thousands of problems, stacked and cut by problem: no call needs to know."""
    problems = r.normal(size=(2, 16, 50, 6)).astype(np.float32)
    weights = r.uniform(size=(16, 50)).astype(np.float32)
    fit = jax.vmap(lambda x, y, w: jfm.fit_affine(x, y, weights=w, ridge=0.1))
    given = *problems, weights
    ours, travelled = moved(lambda: fit(*map(put, given)))
    close(ours, fit(*given), 1e-5)
    assert travelled <= 8 * 16, travelled  # is there one that lacks rank?
    turn = jax.vmap(jfm.fit_rotation)
    close(turn(*map(put, problems)), turn(*problems), 1e-4)

    keys, rates = jax.random.split(key, 16), np.linspace(0.1, 1, 16, dtype=np.float32)
    init = jfm.fit_affine(x, y)
    descend = jax.vmap(
        lambda k, ridge: (
            jfm.fit_gradient(
                k, x, y, init=init, steps=5, batch_size=32, weights=ridge * jnp.ones(1200)
            ).map.weight
        )
    )
    ours, travelled = moved(lambda: descend(*map(put, (keys, rates))))
    close(ours, descend(keys, rates), 1e-4)
    assert travelled == 0
    path = jax.vmap(lambda ridge: jfm.fit_linear(x, y, ridge=ridge).weight)
    ours, travelled = moved(lambda: path(put(rates)))
    close(ours, path(rates), 1e-5)
    assert travelled <= 8 * 16, travelled
