"""Numbers are traced, never static: a sweep over one compiles on its first call alone."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.evaluate.rules import rules


rows = [np.asarray(jr.normal(jr.key(seed), (20, 4))) for seed in range(3)]
x, y, _ = rows
pair, joint, factor = jfm.pair_moments(x, y), jfm.joint_moments(rows), jfm.pair_factor(x, y)
grouping = jfm.group_templates(np.arange(20) // 2, np.arange(20))
scores, genuine = x @ y.T, np.eye(20, dtype=bool)

ridges = 0.0, 0.1, 1.0
weights = [np.linspace(low, 1, 20, dtype=np.float32) for low in (0.0, 0.3, 0.5)]
fars = [np.array(pair) for pair in ((1e-1, 1e-2), (0.5, 0.0), (1e-3, 1.0))]
arrays = {
    "prior": np.float32(ridges),
    "C": np.float32((0.1, 1.0, 3.0)),
    "bits": np.int32((1, 2, 4)),
    "fars": [np.float32(far) for far in fars],
    "ridge": np.float32(ridges),
    "rank": np.int32((1, 2, 3)),
}

table = lambda kind: lambda ridge: jfm.fit_all_pairs(joint, kind, ridge=ridge)
pool = lambda w: jfm.pool_templates(x, grouping, weights=w)
pool_through = lambda w: jfm.pool_mapped(
    jfm.identity_map(x.shape[1]), x, grouping, weights=w
)
ids = np.arange(20) // 4
by_identity = lambda r: jfm.fit_by_identity([x, y], [ids, ids], "linear", ridge=r)
tar = lambda rule: lambda fars: jfm.tar_at_far(scores, genuine, fars, rule=rule)

sweeps = {
    "fit_linear ridge": (lambda r: jfm.fit_linear(x, y, ridge=r), ridges),
    "fit_affine ridge": (lambda r: jfm.fit_affine(x, y, ridge=r), ridges),
    "solve_linear ridge": (lambda r: jfm.solve_linear(pair, ridge=r), ridges),
    "solve_affine ridge": (lambda r: jfm.solve_affine(pair, ridge=r), ridges),
    "solve_linear factor ridge": (lambda r: jfm.solve_linear(factor, ridge=r), ridges),
    "fit_all_pairs linear ridge": (table("linear"), ridges),
    "fit_all_pairs affine ridge": (table("affine"), ridges),
    "fit_linear weights": (lambda w: jfm.fit_linear(x, y, weights=w), weights),
    "fit_affine weights": (lambda w: jfm.fit_affine(x, y, weights=w), weights),
    "fit_rotation weights": (lambda w: jfm.fit_rotation(x, y, weights=w), weights),
    "fit_similarity weights": (lambda w: jfm.fit_similarity(x, y, weights=w), weights),
    "fit_standardize weights": (lambda w: jfm.fit_standardize(x, weights=w), weights),
    "pair_moments weights": (lambda w: jfm.pair_moments(x, y, w), weights),
    "pair_factor weights": (lambda w: jfm.pair_factor(x, y, w), weights),
    "joint_moments weights": (lambda w: jfm.joint_moments(rows, w), weights),
    "pool_templates weights": (pool, weights),
    "pool_mapped weights": (pool_through, weights),
    "fit_by_identity ridge": (by_identity, ridges),
    "fit_ridge ridge": (lambda r: jfm.fit_ridge(x, y, ridge=r), ridges),
    "fit_svm C": (
        lambda c: jfm.fit_svm(x, np.sign(y[:, :2]), jnp.reshape(c, 1)),
        list(map(jnp.float32, (0.1, 1.0, 3.0))),
    ),
    "linkability prior": (lambda p: jfm.linkability(scores, genuine, prior=p), ridges[1:]),
    "Noise size": (lambda s: jfm.defences.Noise(jr.key(0), s)(x, ids), ridges),
    "Quantise bits": (lambda b: jfm.defences.Quantise(b)(x, ids), (1, 2, 4)),
    "choose_pairs ridge": (
        lambda r: jfm.choose_pairs(x, 5, ridge=r + jnp.float32(1e-3)),
        list(map(jnp.float32, ridges)),
    ),
    "rank_path rank": (lambda rank: jfm.rank_path(joint).at(rank), (1, 2, 3)),
    **{f"tar_at_far {rule} fars": (tar(rule), fars) for rule in rules},
}
each_sweep = pytest.mark.parametrize("sweep", sweeps, ids=sweeps)


@pytest.fixture
def compiled():
    """Names of what was compiled so far, in any thread and under any transformation."""
    seen = []

    def listen(event, duration, **facts):
        if event.endswith("backend_compile_duration"):
            seen.append(facts.get("fun_name", event))

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


@each_sweep
def test_called_as_it_is(sweep, compiled):
    f, values = sweeps[sweep]
    jax.block_until_ready(f(values[0]))
    compiled.clear()
    for value in values[1:]:
        jax.block_until_ready(f(value))
    assert not compiled


@each_sweep
def test_called_within_jit(sweep):
    """The number may be traced: nothing asks for its value."""
    f, values = sweeps[sweep]
    values = [jnp.asarray(v) for v in arrays.get(sweep.split()[-1], values)]
    within = jax.tree.leaves(jax.jit(f)(values[1]))
    for ours, outside in zip(within, jax.tree.leaves(f(values[1])), strict=True):
        np.testing.assert_allclose(ours, outside, rtol=1e-5, atol=1e-6)


def test_a_vmapped_path_is_one_program(compiled):
    path = jax.jit(jax.vmap(lambda ridge: jfm.fit_linear(x, y, ridge=ridge)))
    weight = path(np.float32(ridges)).weight
    assert len(compiled) == 1  # and so the listener hears
    loop = np.stack([jfm.fit_linear(x, y, ridge=ridge).weight for ridge in ridges])
    np.testing.assert_allclose(weight, loop, rtol=1e-5, atol=1e-6)
