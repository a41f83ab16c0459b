import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.study.map_bootstrap import sum_by_group

from ..helpers import least_squares, relative_error


rng = np.random.default_rng(0)
x = np.float32(rng.normal(size=(40, 4)) + 1)
y = np.float32(x @ rng.normal(size=(4, 3)) + 0.3 * rng.normal(size=(40, 3)))
who = np.repeat(np.array(list("dabc")), [7, 13, 8, 12])
key = jr.key(0)


def test_each_draw_is_a_fit_of_its_rows():
    """By moments of the groups, by rows, and refitted by hand from repeated rows."""
    w = np.float32(rng.integers(1, 3, 40))
    options = {"weights": w, "ridge": 0.5, "replicates": 6}
    draws = jfm.bootstrap_maps(key, x, y, groups=who, **options)
    assert sum_by_group(40, 4, 4, 3) and not sum_by_group(40, 40, 4, 3)
    counts = np.asarray(jfm.bootstrap_weights(key, 4, 6))
    np.testing.assert_array_equal(draws.counts, counts)
    code = np.unique(who, return_inverse=True)[1]
    for b in range(6):
        rows = np.repeat(np.arange(40), counts[b][code])
        weight, bias = least_squares(x[rows], y[rows], w[rows], 0.5, centred=True)
        assert relative_error(draws.maps.weight[b], weight) < 1e-6
        assert relative_error(draws.maps.bias[b], bias) < 1e-6


def test_without_groups_rows_are_drawn():
    draws = jfm.bootstrap_maps(key, x, y, kind="rotation", replicates=3)
    assert draws.counts.shape == (3, 40)
    for b in range(3):
        cross = (x * np.asarray(draws.counts[b])[:, None]).astype(float).T @ y
        u, _, vt = np.linalg.svd(cross, full_matrices=False)
        assert relative_error(draws.maps.rotation[b], u @ vt) < 1e-6


def test_the_spread_is_that_of_least_squares_theory():
    """Of rows with independent noise: the standard error of a prediction."""
    n, noise = 300, 0.2
    a = np.float32(rng.normal(size=(n, 3)))
    b = np.float32(a @ np.ones((3, 2)) + noise * rng.normal(size=(n, 2)))
    maps = jfm.bootstrap_maps(key, a, b, kind="linear", replicates=400).maps
    at = np.float32([[1, 0, 0], [2, -1, 1]])
    spread = jfm.map_spread(maps, at)
    inverse = np.linalg.inv(np.float64(a).T @ a)
    theory = noise * np.sqrt(np.einsum("ij,jk,ik->i", at, inverse, at))
    np.testing.assert_allclose(spread.deviation, theory[:, None] * np.ones(2), rtol=0.2)
    rows = np.stack([np.float64(at @ weight) for weight in np.asarray(maps.weight)])
    np.testing.assert_allclose(spread.mean, rows.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(spread.deviation, rows.std(axis=0, ddof=1), rtol=1e-4)
    off = np.sum((rows - rows.mean(axis=0)) ** 2, axis=2).mean(axis=0)
    np.testing.assert_allclose(spread.radius, np.sqrt(off), rtol=1e-4)


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input():
    with pytest.raises(ValueError, match="kind is one of linear"):
        jfm.bootstrap_maps(key, x, y, kind="bent")
    with pytest.raises(ValueError, match="label for each of 40 rows"):
        jfm.bootstrap_maps(key, x, y, groups=who[:5])
    with pytest.raises(ValueError, match="at least one draw"):
        jfm.bootstrap_maps(key, x, y, replicates=0)
    with pytest.raises(ValueError, match="A rotation takes no ridge"):
        jfm.bootstrap_maps(key, x, y, kind="rotation", ridge=0.5)
    with pytest.raises(ValueError, match="no row to draw"):
        jfm.bootstrap_maps(key, x[:0], y[:0])
    with pytest.raises(ValueError, match=r"one leading axis, .* these have \(\)"):
        jfm.map_spread(jfm.identity_map(4), x)
    one = jax.tree.map(lambda leaf: leaf[None], jfm.identity_map(4))
    with pytest.raises(ValueError, match=r"x must be \(n, d\), .* got \(4,\)"):
        jfm.map_spread(one, x[0])
    assert jnp.isnan(jfm.map_spread(one, x).deviation).all()
