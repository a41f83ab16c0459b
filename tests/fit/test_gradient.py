import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
import scipy.optimize
import scipy.spatial.transform
from hypothesis import given, settings, strategies as st

import jfacemap as jfm
from jfacemap.core.rows import ArrayRows
from jfacemap.fit.retraction import coordinates, lean, move

from ..helpers import relative_error, tree_allclose


rng = np.random.default_rng(0)
truth = rng.normal(size=(4, 3))
x = np.float32(rng.normal(size=(60, 4)) + 0.5)
y = np.float32(x @ truth + 1 + 0.3 * rng.normal(size=(60, 3)))
nothing = jfm.AffineMap(jnp.zeros((4, 3)), jnp.zeros(3))
heavy_ball = optax.sgd(0.1, momentum=0.9)
falling = optax.adam(optax.cosine_decay_schedule(0.1, 300))
quick = optax.adam(0.3)
key = jr.key(0)


def test_squared_loss_reaches_the_closed_form():
    fit = jfm.fit_gradient(key, x, y, init=nothing, optimizer=heavy_ball, steps=300)
    assert tree_allclose(fit.map, jfm.fit_affine(x, y), rtol=1e-4, atol=1e-5)
    assert fit.losses[0] > 10 * fit.losses[-1] and fit.step == 300
    assert fit.held_out is None
    best = np.mean(np.sum((np.float64(jfm.fit_affine(x, y)(x)) - y) ** 2, axis=1))
    np.testing.assert_allclose(fit.losses[-1], best, rtol=1e-5)


@pytest.mark.parametrize("widths", ((4, 4), (4, 3), (3, 4)))
def test_a_rotation_reaches_kabsch_and_stays_one(widths):
    """From half a turn away, where a fixed chart of the rotations would have no end."""
    d, k = widths
    turn = scipy.spatial.transform.Rotation.from_rotvec([0, 0, np.pi - 0.1]).as_matrix()
    full = np.eye(4)
    full[:3, :3] = turn
    a = np.float32(rng.normal(size=(60, d)) * np.linspace(1, 2, d))
    b = np.float32(a @ full[:d, :k] + 0.1 * rng.normal(size=(60, k)))
    start = jfm.identity_map(d, k)
    fit = jfm.fit_gradient(key, a, b, init=start, optimizer=falling, steps=300)
    ours, best = np.float64(fit.map.rotation), jfm.fit_rotation(a, b)
    small = min(d, k)
    gram = ours @ ours.T if d <= k else ours.T @ ours
    np.testing.assert_allclose(gram, np.eye(small), atol=2e-6)
    if d <= k:
        np.testing.assert_allclose(ours, best.rotation, atol=1e-4)
    else:  # d > k: the closed form maximises the trace, and least squares asks for more
        loss = lambda m: float(jnp.sum((m(a) - b) ** 2))
        assert loss(fit.map) <= loss(best) * (1 + 1e-6)
    if d == k:
        assert np.linalg.det(ours) > 0
        mirror = jfm.RotationMap(start.rotation.at[0, 0].set(-1))
        fit = jfm.fit_gradient(key, a, b, init=mirror, optimizer=falling, steps=300)
        assert np.linalg.det(fit.map.rotation) < 0


def test_unsquared_distance_matches_a_general_minimiser():
    a, b = np.float64(x), np.float64(y)

    def objective(flat):
        left = a @ flat[:12].reshape(4, 3) + flat[12:] - b
        r = np.linalg.norm(left, axis=1)
        pull = left / r[:, None]
        slope = np.concatenate([(a.T @ pull).ravel(), pull.sum(axis=0)])
        return r.mean(), slope / len(a)

    flat = lambda m: np.float64(np.concatenate([m.weight.ravel(), m.bias]))
    start = jfm.fit_affine(x, y)
    theirs = scipy.optimize.minimize(
        objective, flat(start), jac=True, method="BFGS", options={"gtol": 1e-9}
    )
    given = {"init": start, "loss": jfm.losses.distance, "steps": 40}
    fit = jfm.fit_gradient(key, x, y, optimizer=optax.lbfgs(), **given)
    np.testing.assert_allclose(flat(fit.map), theirs.x, atol=1e-3)
    value, _ = objective(flat(fit.map))
    assert theirs.fun <= value < theirs.fun * (1 + 1e-6)
    assert value < objective(flat(start))[0]


def test_a_hundred_fits_are_one_program():
    """Over keys, learning rates and pairs; each is what it would be alone."""
    rates, shifts = jnp.linspace(0.01, 0.1, 5), jnp.linspace(-1, 1, 20)
    keys = jr.split(key, 100).reshape(5, 20)

    def fit(key, rate, shift):
        return jfm.fit_gradient(
            key, x, y + shift, init=nothing, optimizer=optax.sgd(rate), steps=20,
            batch_size=8,
        )  # fmt: skip

    over_shifts = eqx.filter_vmap(fit, in_axes=(0, None, 0))
    fits = eqx.filter_vmap(over_shifts, in_axes=(0, 0, None))(keys, rates, shifts)
    assert fits.map.weight.shape == (5, 20, 4, 3) and fits.losses.shape == (5, 20, 20)
    one = jax.tree.map(lambda leaf: leaf[3, 7], fits)
    alone = fit(keys[3, 7], float(rates[3]), shifts[7])
    assert tree_allclose(one, alone, rtol=1e-4, atol=1e-5)


def test_batches_are_drawn_by_weight():
    """Rows of no weight may be NaN; those that count agree on another map."""
    w = np.where(np.arange(60) < 30, 0, np.arange(60)).astype(np.float32)
    bad = np.where(w[:, None] == 0, np.nan, x)
    exact = np.where(w[:, None] == 0, np.nan, np.float32(x @ truth))
    given = {"init": nothing, "optimizer": falling, "steps": 300, "weights": w}
    for batch_size in (8, None):
        fit = jfm.fit_gradient(key, bad, exact, batch_size=batch_size, **given)
        np.testing.assert_allclose(fit.map.weight, truth, atol=0.01)


def test_it_stops_when_held_out_pairs_gain_no_more():
    start = jfm.AffineMap(jnp.float32(truth), jnp.ones(3))  # nothing can be gained
    held_x = np.float32(np.random.default_rng(1).normal(size=(50, 4)))
    held = held_x, np.float32(held_x @ truth + 1)
    options = {"optimizer": heavy_ball, "steps": 60, "held_out": held, "check_every": 5}
    fit = jfm.fit_gradient(key, x, y, init=start, patience=2, **options)
    assert fit.step == 0 and tree_allclose(fit.map, start)
    assert np.isfinite(fit.losses[:10]).all() and np.isnan(fit.losses[10:]).all()
    assert np.isfinite(fit.held_out[:3]).all() and np.isnan(fit.held_out[3:]).all()
    away = jfm.fit_gradient(key, x, y, init=nothing, patience=2, **options)
    at = int(np.nanargmin(away.held_out))
    assert away.step == 5 * at > 0
    loss = np.mean(np.sum((np.float64(away.map(held[0])) - held[1]) ** 2, axis=1))
    np.testing.assert_allclose(away.held_out[at], loss, rtol=1e-5)


def test_rows_of_a_source(tmp_path):
    with jfm.data.EmbeddingStore.create(tmp_path / "x.zarr", 4) as store:
        store.append(x)
    source = store, ArrayRows(y)
    held = x[:20], y[:20]
    options = {"optimizer": falling, "steps": 300, "batch_size": 20}
    fit = jfm.fit_gradient(key, *source, init=nothing, **options)
    gap = relative_error(fit.map.weight, jfm.fit_affine(x, y).weight)
    assert gap < 0.1 and fit.losses.shape == (300,) and fit.step == 300
    again = jfm.fit_gradient(key, *source, init=nothing, **options)
    assert tree_allclose(again, fit)
    fit = jfm.fit_gradient(key, *source, init=nothing, held_out=held, patience=3, **options)
    assert fit.held_out is not None and fit.held_out[0] > np.nanmin(fit.held_out)
    for name, image in (("a", np.arange(len(x))), ("b", np.arange(len(x))[::-1])):
        with jfm.data.EmbeddingStore.create(
            tmp_path / name, 4, columns={"image": int}
        ) as store:
            store.append(x, image=image)
    named = [jfm.data.EmbeddingStore.open(tmp_path / name) for name in "ab"]
    with pytest.raises(ValueError, match="y holds the images of x in another order"):
        jfm.fit_gradient(key, *named, init=nothing, **options)


def assert_same_fit(ours, theirs):
    """NaN, where they stopped early, in the same places."""
    for leaf, other in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
        assert leaf.dtype == other.dtype
        np.testing.assert_allclose(leaf, other, rtol=1e-4, atol=1e-5)


look = np.arange(60) % 4 == 0
counts = np.float32(np.arange(60) % 3)


@pytest.mark.parametrize(
    ("batch_size", "weights", "held_out"),
    ((7, None, (x[look], y[look])), (7, counts, look), (None, counts, look)),
)
def test_one_buffer_of_a_source_is_fitted_as_arrays_are(batch_size, weights, held_out):
    """The same batches, the same checks, and the same end."""
    bad = x if weights is None else np.where(weights[:, None] == 0, np.nan, x)
    options = {
        "init": nothing, "optimizer": quick, "steps": 60, "check_every": 4, "patience": 2,
        "batch_size": batch_size, "weights": weights, "held_out": held_out,
    }  # fmt: skip
    theirs = jfm.fit_gradient(key, bad, y, **options)
    ours = jfm.fit_gradient(key, ArrayRows(bad), ArrayRows(y), **options)
    assert 0 < theirs.step < 50 and np.isnan(theirs.held_out).any()  # it did stop early
    assert_same_fit(ours, theirs)


def test_buffers_of_a_source_are_checked_as_arrays_are(monkeypatch):
    """Every so many steps, whatever a buffer holds; a short last one runs one program."""
    monkeypatch.setattr("jfacemap.fit.buffers.buffer_rows", 25)
    shapes = []

    def loss(guess, target):
        shapes.append(guess.shape)
        return jfm.losses.squared(guess, target)

    held = x[:9], y[:9]
    fit = jfm.fit_gradient(
        key, ArrayRows(x), ArrayRows(y), init=nothing, loss=loss, optimizer=falling,
        steps=60, batch_size=3, held_out=held, check_every=6, patience=3,
    )  # fmt: skip
    assert fit.held_out.shape == (11,) and fit.step % 6 == 0
    assert fit.step == 6 * np.nanargmin(fit.held_out)
    assert set(shapes) == {(3, 3), (9, 3)} and len(shapes) < 8  # traces, not steps
    loss = np.mean(np.sum((np.float64(fit.map(held[0])) - held[1]) ** 2, axis=1))
    np.testing.assert_allclose(np.nanmin(fit.held_out), loss, rtol=1e-5)
    drawn = []

    class Seen(ArrayRows):
        def batches(self, size, *, start=0):
            for rows in super().batches(size, start=start):
                drawn.append(len(rows))
                yield rows

    options = {"init": nothing, "steps": 40, "batch_size": 5, "optimizer": falling}
    jfm.fit_gradient(key, Seen(x), ArrayRows(y), **options)
    assert drawn[:4] == [25, 25, 10, 25]
    # 5 batches of each full buffer and 2 of the last: 12 steps a pass.
    assert len(drawn) in (10, 11)


def test_padding_of_the_last_buffer_is_never_drawn(monkeypatch):
    monkeypatch.setattr("jfacemap.fit.buffers.buffer_rows", 50)
    ones = np.ones((60, 1), np.float32)
    start = jfm.AffineMap(jnp.zeros((1, 1)), jnp.zeros(1))
    options = {"init": start, "optimizer": optax.sgd(0.0), "steps": 100, "batch_size": 5}
    for w in (None, ones[:, 0]):
        fit = jfm.fit_gradient(key, ArrayRows(ones), ArrayRows(ones), weights=w, **options)
        np.testing.assert_allclose(fit.losses, 1)  # of a padded row it is 0


def test_a_bent_map_finds_what_a_straight_one_cannot():
    bent = np.float32(np.abs(x[:, :2]))
    start = jfm.mlp_map(key, jfm.fit_affine(x, bent), 16)
    assert tree_allclose(start(x), jfm.fit_affine(x, bent)(x), rtol=1e-5, atol=1e-6)
    fit = jfm.fit_gradient(key, x, bent, init=start, optimizer=falling, steps=300)
    assert fit.losses[-1] < 0.2 * fit.losses[0]
    with pytest.raises(ValueError, match="not affine"):
        fit.map.inverse  # noqa: B018


def test_labels_and_low_rank():
    who = np.arange(60) // 3
    start = jfm.fit_low_rank(x, y, 2)
    options = {"loss": jfm.losses.info_nce, "labels": who, "steps": 20, "batch_size": 16}
    fit = jfm.fit_gradient(key, x, y, init=start, **options)
    assert isinstance(fit.map, jfm.LowRankMap) and np.isfinite(fit.losses).all()
    score = lambda m: float(jfm.losses.info_nce(m(x), y, who).mean())
    assert score(fit.map) < score(start)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**30), size=st.floats(1e-3, 30))
def test_any_step_is_a_rotation(seed, size):
    a, b = jr.split(jr.key(seed))
    m = jfm.RotationMap(jr.orthogonal(a, 4)[:, :3])
    at = coordinates(m)
    new = jax.tree.map(lambda z: z + size * jr.normal(b, z.shape), at)
    r = np.float64(move(m, at, new).rotation)
    np.testing.assert_allclose(r.T @ r, np.eye(3), atol=1e-5)


def test_leaning_has_the_slope_of_moving():
    m = jfm.SimilarityMap(jr.orthogonal(key, 4)[:3], jnp.float32(2), jnp.ones(4))
    at = coordinates(m)
    value = lambda by: lambda new: jnp.sum(by(m, at, new)(x[:, :3]) ** 3)
    ours, theirs = (jax.grad(value(by))(at) for by in (lean, move))
    assert tree_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input():
    with pytest.raises(ValueError, match="init maps width 3 to 3; rows are 4 and 3 wide"):
        jfm.fit_gradient(key, x, y, init=jfm.identity_map(3))
    with pytest.raises(ValueError, match="steps is at least 1; got 0"):
        jfm.fit_gradient(key, x, y, init=nothing, steps=0)
    with pytest.raises(ValueError, match="15 is no multiple of check_every 10"):
        jfm.fit_gradient(key, x, y, init=nothing, steps=15, held_out=(x, y))
    with pytest.raises(ValueError, match="labels has one for each of 60 rows"):
        jfm.fit_gradient(key, x, y, init=nothing, labels=np.arange(5))
    with pytest.raises(ValueError, match="Rows must pair up"):
        jfm.fit_gradient(key, ArrayRows(x), ArrayRows(y[:5]), init=nothing, batch_size=2)
    with pytest.raises(ValueError, match=r"one of jfm\.losses .* got 'cosine'"):
        jfm.fit_gradient(key, x, y, init=nothing, loss="cosine")
    with pytest.raises(ValueError, match="at least one unit"):
        jfm.mlp_map(key, nothing, 0)


def test_some_row_is_fitted_and_some_held_out():
    fit = lambda **given: jfm.fit_gradient(key, x, y, init=nothing, **given)
    none, half = np.zeros(60, np.float32), np.arange(60) < 30
    with pytest.raises(ValueError, match="no row to fit"):
        fit(weights=none)
    with pytest.raises(ValueError, match="no row to fit"):
        fit(held_out=np.ones(60, bool))
    with pytest.raises(ValueError, match="no row to fit"):
        fit(held_out=half, weights=np.float32(half))
    with pytest.raises(ValueError, match="no row to look at: held_out has none"):
        fit(held_out=np.zeros(60, bool))
    with pytest.raises(ValueError, match="no row to look at: held_out has none"):
        fit(held_out=half, weights=np.float32(~half))
    with pytest.raises(ValueError, match="no row to look at: held_out is empty"):
        fit(held_out=(x[:0], y[:0]))
    # What is traced is not known yet.
    traced = jax.jit(lambda w: fit(weights=w, steps=1).losses)
    assert np.isnan(traced(none)).all() and np.isfinite(traced(none + 1)).all()


@pytest.mark.usefixtures("unchecked_types")
def test_all_of_a_source_is_checked_before_any_is_read(monkeypatch):
    monkeypatch.setattr("jfacemap.fit.buffers.buffer_rows", 20)
    source = ArrayRows(x), ArrayRows(y)
    fit = lambda **given: jfm.fit_gradient(
        key, *source, init=nothing, **{"batch_size": 5, "steps": 1} | given
    )
    ones = np.ones(90, np.float32)  # its first buffer has as many as it needs
    with pytest.raises(ValueError, match=r"weights must be \(60,\) for 60 rows, got \(90"):
        fit(weights=ones)
    with pytest.raises(ValueError, match=r"labels has one for each of 60 rows: \(90,\)"):
        fit(labels=np.arange(90))
    with pytest.raises(ValueError, match="no row to fit"):
        fit(weights=0 * ones[:60])
    with pytest.raises(ValueError, match="60 rows of a source are read 20 at a time: pass"):
        fit(batch_size=None)
    with pytest.raises(ValueError, match="a mask of 60 rows"):
        fit(held_out=ones[:5] > 0)
    with pytest.raises(ValueError, match="no row to fit: held_out"):
        fit(held_out=ones[:60] > 0)
    with pytest.raises(ValueError, match="no row to look at"):
        fit(held_out=ones[:60] < 0)
    with pytest.raises(ValueError, match="steps 1 is no multiple of check_every 10"):
        fit(held_out=np.arange(60) < 5)
    with pytest.raises(ValueError, match="must not be negative"):
        fit(weights=np.float32(np.arange(60) < 50) * 2 - 1)


def test_buffers_of_a_source_count_by_weight(monkeypatch):
    """Two buffers that want different maps meet where all rows' weights have it."""
    monkeypatch.setattr("jfacemap.fit.buffers.buffer_rows", 40)
    one = np.ones((80, 1), np.float32)
    target = np.float32(np.arange(80) < 40)[:, None]  # 1 in the first buffer, then 0
    start = jfm.LinearMap(jnp.zeros((1, 1)))
    options = {"optimizer": optax.sgd(0.01), "steps": 200, "batch_size": 4}
    source = ArrayRows(one), ArrayRows(target)
    fit = lambda w: jfm.fit_gradient(key, *source, init=start, weights=w, **options)
    first = np.float32(target[:, 0])
    weights = 0.1 + 0 * first, 1 + 3 * first, first, 1 - first
    for w, mean in zip(weights, (0.5, 0.8, 1, 0), strict=True):
        np.testing.assert_allclose(fit(w).map.weight, mean, atol=0.1)
