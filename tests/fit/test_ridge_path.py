import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from sklearn.linear_model import Ridge

import jfacemap as jfm

from ..helpers import least_squares, relative_error, steep_rows, tree_allclose


ridges = np.array([0.3, 3.0, 30.0, 0.03])  # in no order


def random_pairs(getkey, n=40):
    draw = lambda *shape: jr.normal(getkey(), shape)
    x = draw(n, 6) + 1
    return x, x[:, :3] + draw(n, 3), jnp.abs(draw(n))


def held_out_errors(x, y, w, fold, ridge, bias):
    """Weighted squared errors (k,) of each fold under a ridge fitted on the others."""
    for k in range(fold.max() + 1):
        train, held = fold != k, fold == k
        model = Ridge(ridge, fit_intercept=bias, solver="svd")
        model.fit(np.float64(x)[train], np.float64(y)[train], w[train])
        left = model.predict(np.float64(x)[held]) - np.float64(y)[held]
        yield np.float64(w)[held] @ left**2, w[held].sum()


@pytest.mark.parametrize("bias", (True, False))
def test_errors_and_maps_are_those_of_a_loop_over_sklearn(getkey, bias):
    x, y, w = map(np.asarray, random_pairs(getkey))
    who = np.arange(40) // 4
    fold = jfm.assign_folds(who, 3)
    ours = jfm.fit_ridge_path(x, y, ridges, folds=3, groups=who, weights=w, bias=bias)
    each = jfm.fit_ridge_path(
        x, y, ridges, folds=fold, weights=w, bias=bias, per_target=True
    )
    assert each.target_error is not None
    for i, ridge in enumerate(ridges):
        missed, mass = zip(*held_out_errors(x, y, w, fold, ridge, bias), strict=True)
        by_target = np.sum(missed, axis=0) / np.sum(mass)
        by_fold = np.sum(missed, axis=1) / mass
        np.testing.assert_allclose(ours.error[i], by_target.sum(), rtol=1e-5)
        np.testing.assert_allclose(ours.fold_error[:, i], by_fold, rtol=1e-5)
        np.testing.assert_allclose(each.target_error[i], by_target, rtol=1e-5)
        weight, offset = least_squares(x, y, w, ridge, centred=bias)
        assert relative_error(ours.maps.weight[i], weight) < 1e-6
        if bias:
            assert relative_error(ours.maps.bias[i], offset) < 1e-6
    np.testing.assert_allclose(each.error, ours.error, rtol=1e-5)
    best = int(ours.best)
    assert best == np.argmin(ours.error) and ours.ridge == ours.ridges[best]
    chosen = jax.tree.map(lambda leaf: leaf[best], ours.maps)
    assert tree_allclose(ours.map, chosen, rtol=1e-6)
    for t, i in enumerate(np.argmin(each.target_error, axis=0)):
        np.testing.assert_array_equal(each.map.weight[:, t], each.maps.weight[i, :, t])
        assert each.ridge[t] == each.ridges[i]
    energy = np.float64(y) - bias * np.average(y, axis=0, weights=w)
    spread = np.average((energy**2).sum(axis=1), weights=w)
    np.testing.assert_allclose(ours.spread, spread, rtol=1e-5)


@pytest.mark.parametrize("condition", (1e1, 1e4))
def test_ill_conditioned_rows_meet_float64_truth(condition):
    x = steep_rows(0, 300, 16, condition)
    y = np.float32(x @ np.random.default_rng(1).normal(size=(16, 4)))
    y = y + np.float32(0.01 * np.random.default_rng(2).normal(size=y.shape))
    grid = np.array([0.0, 1e-6])
    fold = np.arange(300) % 3
    ours = jfm.fit_ridge_path(x, y, grid, folds=fold)
    ones = np.ones(300)
    for i, ridge in enumerate(grid):
        weight, _ = least_squares(x, y, ridge=ridge, centred=True)
        assert relative_error(ours.maps.weight[i], weight) < 2e-6
        missed, _ = zip(*held_out_errors(x, y, ones, fold, ridge, True), strict=True)
        np.testing.assert_allclose(ours.error[i], np.sum(missed) / 300, rtol=1e-4)


def test_a_factor_of_folds_is_as_good_in_float32(getkey):
    x = steep_rows(0, 300, 16, 1e3).reshape(3, 100, 16)
    y = np.float32(jr.normal(getkey(), (3, 100, 4)))
    grid = np.array([1e-7, 1e-3])
    factors = jax.vmap(jfm.pair_factor)(x, y)
    ours = jfm.solve_ridge_path(factors, grid)
    fold = np.repeat(np.arange(3), 100)
    rows = x.reshape(-1, 16), y.reshape(-1, 4)
    truth = jfm.fit_ridge_path(*rows, grid, folds=fold)
    assert relative_error(ours.maps.weight, truth.maps.weight) < 3e-4
    np.testing.assert_allclose(ours.error, truth.error, rtol=1e-4)
    np.testing.assert_allclose(ours.fold_error, truth.fold_error, rtol=1e-4)


def test_a_missing_direction_gives_the_map_of_least_norm(getkey):
    x, y, _ = random_pairs(getkey)
    x = jnp.concatenate([x, x[:, :2]], axis=1)
    ours = jfm.fit_ridge_path(x, y, [0.0, 1.0], folds=2)
    weight, _ = least_squares(x, y, centred=True)
    assert relative_error(ours.maps.weight[0], weight) < 1e-5


def test_vmap_is_a_loop_and_solve_is_fit(getkey):
    xs, ys, _ = eqx.filter_vmap(lambda k: random_pairs(lambda: k))(jr.split(getkey(), 2))
    fold = np.arange(40) // 4 % 3
    path = lambda x, y: jfm.fit_ridge_path(x, y, ridges, folds=fold)
    batch = jax.vmap(path)(xs, ys)
    for i in range(2):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], batch)
        solved = jfm.solve_ridge_path(jfm.group_moments(xs[i], ys[i], fold), ridges)
        assert tree_allclose(one, solved, rtol=1e-5, atol=1e-6)


def test_errors_have_a_slope(getkey):
    """Of the source rows, by reverse mode; against a difference."""
    x, y, _ = random_pairs(getkey)
    fold = np.arange(40) // 4 % 3
    error = lambda x: jfm.fit_ridge_path(x, y, ridges, folds=fold).error[1]
    slope = jax.jit(jax.grad(error))(x)
    step = jr.normal(getkey(), x.shape)
    change = (error(x + 1e-2 * step) - error(x - 1e-2 * step)) / 2e-2
    np.testing.assert_allclose(jnp.sum(slope * step), change, rtol=1e-2)


def test_the_default_grid_is_on_the_scale_of_the_rows(getkey):
    x, y, _ = random_pairs(getkey)
    centred = np.float64(x) - np.float64(x).mean(axis=0)
    ours = jfm.fit_ridge_path(x, y)
    scale = (centred**2).sum() / 6
    np.testing.assert_allclose(ours.ridges, scale * np.geomspace(1e-8, 1e2, 21), rtol=1e-5)
    folds = jfm.group_moments(x, y, np.arange(40) % 5)
    np.testing.assert_allclose(jfm.ridge_grid(folds), ours.ridges, rtol=1e-6)
    about_origin = jfm.ridge_grid(jfm.pair_moments(x, y), 1, low=1.0, high=1.0, bias=False)
    np.testing.assert_allclose(about_origin, [np.sum(np.float64(x) ** 2) / 6], rtol=1e-6)
    # Rows ten times as long: maps ten times smaller, of a hundred times the ridge.
    longer = jfm.fit_ridge_path(10 * x, y)
    np.testing.assert_allclose(longer.error, ours.error, rtol=1e-5)
    assert longer.best == ours.best


def test_caution_takes_the_largest_ridge_within_a_standard_error(getkey):
    x, y, _ = random_pairs(getkey)
    ours = jfm.fit_ridge_path(x, y)  # the program of the test above
    slack = np.std(ours.fold_error[:, ours.best], ddof=1) / np.sqrt(5)
    near = np.flatnonzero(ours.error <= ours.error[ours.best] + slack)
    assert ours.simplest == near.max() >= ours.best


def test_caution_passes_over_folds_without_weight(getkey):
    x, y, _ = random_pairs(getkey)
    w = np.ones(40, np.float32)
    w[:8] = 0
    ours = jfm.fit_ridge_path(x, y, weights=w)
    assert np.isnan(ours.fold_error[0]).all() and np.isfinite(ours.fold_error[1:]).all()
    rest = jfm.fit_ridge_path(x[8:], y[8:], ours.ridges, folds=4)
    assert ours.simplest == rest.simplest > ours.best
    alone = eqx.tree_at(lambda p: p.fold_error, ours, ours.fold_error.at[1:4].set(jnp.nan))
    assert alone.simplest == ours.best


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input(getkey):
    x, y, _ = random_pairs(getkey)
    with pytest.raises(ValueError, match="A ridge is a penalty from 0 on"):
        jfm.fit_ridge_path(x, y, [1.0, -1.0])
    with pytest.raises(ValueError, match=r"list of penalties; got shape \(\)"):
        jfm.fit_ridge_path(x, y, np.float32(1))
    with pytest.raises(ValueError, match="stacked along a leading axis"):
        jfm.solve_ridge_path(jfm.pair_moments(x, y))
    with pytest.raises(ValueError, match="0 < low <= high"):
        jfm.ridge_grid(jfm.pair_moments(x, y), low=0.0)


def test_nan_is_loud_unless_its_row_has_no_weight(getkey):
    x, y, w = random_pairs(getkey)
    bad = x.at[3, 0].set(jnp.nan)
    fold = jfm.assign_folds(np.arange(40) // 4, 3)  # a program that is there already
    path = lambda x, w: jfm.fit_ridge_path(x, y, ridges, folds=fold, weights=w)
    assert np.isnan(path(bad, w).error).all() and np.isnan(path(bad, w).map.weight).all()
    rest = w.at[3].set(0)
    assert tree_allclose(path(bad, rest), path(x, rest), rtol=1e-6)


def test_it_closes_the_gap_that_least_squares_leaves_for_faceres():
    """1,021 rows of 1,024 dimensions: the interpolation peak of least squares."""
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset != "lfw100"]
    yale = faces.dataset == "yaleb"
    used = ~yale | np.isin(faces.label, np.unique(faces.label[yale])[::2])
    x, y = (jfm.unit(faces.embeddings[m]) for m in ("faceres", "mobilefacenet_ms1m"))
    scale = jfm.ridge_grid(jfm.pair_moments(x[used], y[used]), 9, low=1e-6)
    grid = np.append(0, scale)
    path = jfm.fit_ridge_path(x[used], y[used], grid, folds=3, groups=faces.label[used])
    genuine, valid = jfm.label_pairs(faces.label[~used])

    def tar(m):
        scores = jfm.score_all(jfm.unit(m(x[~used])), y[~used])
        return float(jfm.tar_at_far(scores, genuine, [1e-2], valid=valid).tar[0])

    plain = tar(jax.tree.map(lambda leaf: leaf[0], path.maps))
    turned = tar(jfm.fit_rotation(x[used], y[used]))
    assert plain < 0.05 and 0.4 < turned < tar(path.map)
    # Held out by person: hardly any ridge overfits as least squares does.
    assert path.error[path.best] < 0.85 * path.spread < 0.5 * path.error[0]
