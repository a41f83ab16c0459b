import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.optimize

import jfacemap as jfm

from ..helpers import least_squares, relative_error, tree_allclose


truth = np.random.default_rng(0).normal(size=(6, 4))


def pairs(seed, n=200, swapped=0.0, noise=0.1):
    """Rows, and a share of them whose targets belong to each other's sources."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)) + 0.5
    y = x @ truth + 1 + noise * rng.normal(size=(n, 4))
    wrong = rng.permutation(n)[: int(swapped * n)]
    y[wrong] = y[np.roll(wrong, 1)]
    return np.float32(x), np.float32(y), np.isin(np.arange(n), wrong)


def by_hand(x, y, w, loss, threshold=1.5, rounds=300):
    """Reweighted least squares in float64 NumPy."""
    v = np.float64(w)
    for _ in range(rounds):
        weight, bias = least_squares(x, y, v, centred=True)
        r = np.linalg.norm(np.float64(x) @ weight + bias - y, axis=1)
        order = np.argsort(r)
        reached = np.cumsum(w[order])
        scale = r[order][np.searchsorted(reached, 0.5 * reached[-1])]
        v = w * (np.minimum(1, threshold * scale / r) if loss == "huber" else scale / r)
    return weight, bias


@pytest.mark.parametrize("loss", ("huber", "distance"))
def test_matches_reweighting_by_hand(loss):
    x, y, wrong = pairs(0, swapped=0.2)
    w = np.random.default_rng(5).integers(1, 4, 200).astype(np.float32)
    ours = jfm.fit_robust(x, y, loss=loss, weights=w, steps=300, tolerance=1e-9)
    weight, bias = by_hand(x, y, np.float64(w), loss)
    assert relative_error(ours.map.weight, weight) < 1e-6
    assert relative_error(ours.map.bias, bias) < 1e-6
    assert ours.change <= 1e-9 and ours.steps < 300
    share = np.asarray(ours.weights) / w
    assert share[wrong].max() < share[~wrong].mean()


def test_distance_is_the_objective_of_the_paper():
    """Unsquared lengths, paper 000, eq. 2: a general minimiser finds the same map."""
    x, y, _ = pairs(1, n=40, swapped=0.1)
    a, b = np.c_[np.float64(x), np.ones(40)], np.float64(y)

    def objective(flat):
        left = a @ flat.reshape(7, 4) - b
        r = np.linalg.norm(left, axis=1)
        return r.sum(), (a.T @ (left / r[:, None])).ravel()

    start = least_squares(a, b)[0].ravel()
    theirs = scipy.optimize.minimize(
        objective, start, jac=True, method="BFGS", options={"gtol": 1e-9}
    )
    given = {"loss": "distance", "weights": np.ones(40, np.float32)}
    m = jfm.fit_robust(x, y, **given, steps=500, tolerance=1e-9).map
    ours = np.concatenate([m.weight, m.bias[None]])
    assert relative_error(ours, theirs.x.reshape(7, 4)) < 1e-5
    assert objective(np.float64(ours).ravel())[0] <= theirs.fun * (1 + 1e-7)


every = "huber", "distance", "trimmed"
ones = np.ones(200, np.float32)  # weights, so that most tests share their programs


@pytest.mark.parametrize(
    "kind, losses",
    (("affine", every), ("rotation", ("trimmed",)), ("similarity", every[:1])),
)
def test_breakdown(kind, losses):
    """Swapped pairs: least squares is lost at once, each loss holds as far as it can."""
    x, _, _ = pairs(2)
    target = truth
    if kind != "affine":
        target = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0]
        target[:, 0] *= np.sign(np.linalg.det(target))
    off = lambda m: np.abs(np.asarray(m.as_affine().weight) - target).max()
    plain = {"affine": jfm.fit_affine, "rotation": jfm.fit_rotation}
    gap = {}
    for swapped in (0.2, 0.45):
        rng = np.random.default_rng(4)
        y = x @ target + 0.1 * rng.normal(size=(200, target.shape[1]))
        wrong = rng.permutation(200)[: int(swapped * 200)]
        y[wrong] = y[np.roll(wrong, 1)]
        y = np.float32(y)
        gap["squares", swapped] = off(plain.get(kind, jfm.fit_similarity)(x, y))
        for loss in losses:
            robust = jfm.fit_robust(x, y, kind=kind, loss=loss, weights=ones)
            gap[loss, swapped] = off(robust.map)
            if loss == "trimmed":  # at 0.45 of wrong pairs too
                share = np.asarray(robust.weights)
                assert not share[wrong].any() and (share > 0).sum() == 100
                assert gap[loss, swapped] < 0.1
    for loss in losses:
        assert gap[loss, 0.2] < 0.5 * gap["squares", 0.2]


def test_nothing_is_lost_where_all_is_well():
    x, y, _ = pairs(6)
    gap = lambda m: np.abs(m.weight - truth).max()
    robust = jfm.fit_robust(x, y, weights=ones)
    assert gap(robust.map) < 1.5 * gap(jfm.fit_affine(x, y))
    exact = np.float32(x @ truth)  # residuals are all rounding
    ours = jfm.fit_robust(x, exact, loss="trimmed", keep=0.9, weights=ones)
    assert relative_error(ours.map.weight, truth) < 1e-5


def test_trimming_lowers_its_objective_step_by_step():
    x, y, _ = pairs(7, swapped=0.3)

    def objective(steps):
        fit = jfm.fit_robust(x, y, loss="trimmed", steps=steps, weights=ones)
        r = fit.residuals
        return np.sort(np.float64(r) ** 2)[:100].sum()

    values = [objective(steps) for steps in (1, 2, 5, 50)]
    assert np.all(np.diff(values) <= 1e-9 * values[0])


def test_rows_without_weight_and_batches():
    x, y, _ = pairs(8, n=40)
    bad = x.copy()
    bad[3] = np.nan
    fit = lambda x, w, c: jfm.fit_robust(x, y, loss="distance", weights=w, ridge=c)
    all_of, rest = jnp.ones(40), jnp.ones(40).at[3].set(0)
    ours = fit(bad, rest, 0.0)
    assert tree_allclose(ours.map, fit(x, rest, 0.0).map, rtol=1e-6)
    assert np.isnan(ours.residuals[3]) and np.isfinite(np.delete(ours.residuals, 3)).all()
    assert np.isnan(fit(bad, all_of, 0.0).map.weight).all()
    trimmed = jfm.fit_robust(bad, y, loss="trimmed")
    assert np.isnan(trimmed.map.weight).all()
    ridges = jnp.array([0.0, 2.0])
    batch = jax.vmap(lambda c: fit(x, rest, c))(ridges)
    one = jax.tree.map(lambda leaf: leaf[0], batch)
    assert tree_allclose(one.map, ours.map, rtol=1e-5, atol=1e-6)
    assert one.steps == ours.steps


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input(getkey):
    x, y = jr.normal(getkey(), (2, 20, 3))
    for wrong in ({"kind": "cubic"}, {"loss": "absolute"}):
        with pytest.raises(ValueError, match="kind is one of linear"):
            jfm.fit_robust(x, y, **wrong)
    with pytest.raises(ValueError, match="no row to fit"):
        jfm.fit_robust(x[:0], y[:0])
    with pytest.raises(ValueError, match="above 0 up to 1; got 0"):
        jfm.fit_robust(x, y, keep=0)
    with pytest.raises(ValueError, match="in median residuals"):
        jfm.fit_robust(x, y, threshold=-1.0)
    for kind in ("rotation", "similarity"):
        with pytest.raises(ValueError, match=f"A {kind} takes no ridge"):
            jfm.fit_robust(x, y, kind=kind, ridge=0.1)
    for steps in (0, np.int32(-1)):
        with pytest.raises(ValueError, match="steps is at least 1; got"):
            jfm.fit_robust(x, y, steps=steps)
