import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm

from ..helpers import least_squares, relative_error, tree_allclose


def random_pairs(getkey, n=60, d=7, k=5, batch=()):
    draw = lambda *shape: jr.normal(getkey(), (*batch, *shape))
    latent = draw(n, 3)
    x = latent @ jr.normal(getkey(), (3, d)) + 0.5 * draw(n, d) + 1
    return x, latent @ jr.normal(getkey(), (3, k)) + 0.5 * draw(n, k), jnp.abs(draw(n))


def reduced_rank(x, y, w, rank, ridge, bias):
    """Float64 truth: truncated SVD of what the bordered problem fits."""
    weight, offset = least_squares(x, y, w, ridge, centred=bias)
    mean = bias * np.average(x, axis=0, weights=w)
    rows = np.sqrt(w)[:, None] * (np.float64(x) - mean)
    bordered = np.concatenate([rows, np.sqrt(ridge) * np.eye(x.shape[1])])
    v = np.linalg.svd(bordered @ weight, full_matrices=False)[2][:rank]
    mean_y = offset + mean @ weight
    return weight @ v.T @ v, mean_y - mean @ weight @ v.T @ v


@pytest.mark.parametrize("ridge, bias, swap", ((0.0, True, False), (2.0, False, True)))
def test_matches_a_truncated_decomposition(getkey, ridge, bias, swap):
    x, y, w = map(np.asarray, random_pairs(getkey))
    x, y = (y, x) if swap else (x, y)
    options = {"weights": w, "ridge": ridge, "bias": bias}
    stack = jfm.fit_low_rank(x, y, [1, 4], **options)
    for i, rank in enumerate((1, 4)):
        weight, offset = reduced_rank(x, y, np.float64(w), rank, ridge, bias)
        m = jax.tree.map(lambda leaf, i=i: leaf[i], stack)
        found = m.as_affine()
        assert relative_error(found.weight, weight) < 3e-6
        np.testing.assert_allclose(found.bias, offset, atol=1e-5)
        kept = np.diag(np.arange(4) < rank)
        np.testing.assert_allclose(m.right @ m.right.T, kept, atol=1e-6)


def test_no_map_of_that_rank_is_nearer(getkey):
    x, y, _ = random_pairs(getkey)
    ours = jfm.fit_low_rank(x, y, 2)
    loss = lambda m: jnp.sum((m(x) - y) ** 2)
    for key in jr.split(getkey(), 10):
        a, b, c = jr.split(key, 3)
        near = jfm.LowRankMap(
            ours.left + 1e-2 * jr.normal(a, ours.left.shape),
            ours.right + 1e-2 * jr.normal(b, ours.right.shape),
            ours.bias + 1e-2 * jr.normal(c, ours.bias.shape),
        )
        assert loss(ours) < loss(near)


def test_any_statistic_gives_it(getkey):
    x, y, w = random_pairs(getkey)
    ours = jfm.fit_low_rank(x, y, 2, weights=w, ridge=0.5).as_affine()
    moments, factor = jfm.pair_moments(x, y, w), jfm.pair_factor(x, y, w)
    for statistic, atol in ((moments, 1e-6), (factor, 1e-4)):
        other = jfm.solve_low_rank(statistic, 2, ridge=0.5).as_affine()
        assert tree_allclose(other, ours, rtol=1e-5, atol=atol)


def test_held_out_errors_are_those_of_maps_fitted_on_the_others(getkey):
    x, y, w = random_pairs(getkey)
    ranks, who = [1, 2, 3, 5], np.arange(60) // 5
    fold = jfm.assign_folds(who, 3)
    options = {"weights": w, "ridge": 0.5}
    path = jfm.fit_low_rank_path(x, y, ranks, folds=3, groups=who, **options)
    apart = [a[jnp.argsort(fold)].reshape(3, 20, *a.shape[1:]) for a in (x, y, w)]
    factors = jax.vmap(jfm.pair_factor)(*apart)
    by_factor = jfm.solve_low_rank_path(factors, ranks, ridge=0.5)
    for i in range(len(ranks)):
        missed = 0
        for k in range(3):
            train, held = fold != k, np.flatnonzero(fold == k)
            rest = jnp.where(train, w, 0)
            stack = jfm.fit_low_rank(x, y, ranks, weights=rest, ridge=0.5)
            m = jax.tree.map(lambda leaf, i=i: leaf[i], stack)
            left = np.sum((np.float64(m(x[held])) - y[held]) ** 2, axis=1)
            np.testing.assert_allclose(
                path.fold_error[k, i], np.average(left, weights=w[held]), rtol=1e-5
            )
            missed += np.float64(w)[held] @ left
        np.testing.assert_allclose(path.error[i], missed / np.float64(w).sum(), rtol=1e-5)
    np.testing.assert_allclose(by_factor.error, path.error, rtol=1e-4)
    best = int(np.argmin(path.error))
    assert path.rank == ranks[best]
    assert tree_allclose(
        path.maps, jfm.fit_low_rank(x, y, ranks, **options), rtol=1e-5, atol=1e-6
    )
    chosen = jax.tree.map(lambda leaf: leaf[best], path.maps)
    assert tree_allclose(path.map, chosen, rtol=1e-5, atol=1e-6)


def test_vmap_is_a_loop(getkey):
    x, y, _ = random_pairs(getkey, batch=(2,))
    fit = lambda x, y: jfm.fit_low_rank(x, y, 2).as_affine()
    batch = eqx.filter_vmap(fit)(x, y)
    one = jax.tree.map(lambda leaf: leaf[1], batch)
    assert tree_allclose(one, fit(x[1], y[1]), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("rank", (0, 6, [1, 9]))
def test_ranks_that_cannot_be_are_refused(getkey, rank):
    x, y, _ = random_pairs(getkey)
    with pytest.raises(ValueError, match="from width 7 to 5 are 1 to 5"):
        jfm.fit_low_rank(x, y, rank)
    with pytest.raises(ValueError, match="whole number"):
        jfm.fit_low_rank(x, y, 1.5)
