import numpy as np
import pytest

import jfacemap as jfm

from ..helpers import steep_rows


r = np.random.default_rng(0)
x, y = steep_rows(0, 50, 4, 1e3) + np.float32(1), np.float32(r.normal(size=(50, 3)) + 2)
w = np.float32(r.uniform(size=50))


@pytest.mark.parametrize("weights", (None, w))
def test_is_that_of_the_rows(weights):
    m = jfm.fit_affine(x[:25], y[:25])
    ours = jfm.map_residual(m, jfm.pair_moments(x, y, weights))
    y64 = np.float64(y)
    error = ((np.float64(x) @ np.float64(m.weight) + np.float64(m.bias) - y64) ** 2).sum(1)
    spread = ((y64 - np.average(y64, axis=0, weights=weights)) ** 2).sum(axis=1)
    true = np.average(error, weights=weights) / np.average(spread, weights=weights)
    np.testing.assert_allclose(ours, true, rtol=1e-5)


def test_of_the_best_map_it_is_that_of_diagnose():
    pair = jfm.pair_moments(x, y)
    ours = jfm.map_residual(jfm.solve_affine(pair), pair)
    np.testing.assert_allclose(ours, jfm.diagnose(pair, centered=True).residual, rtol=1e-5)


def test_knows_a_perfect_and_a_useless_map(unchecked_types):
    turn = np.float32(r.normal(size=(4, 3)))
    pair = jfm.pair_moments(x, x @ turn)
    assert 0 <= jfm.map_residual(jfm.LinearMap(turn), pair) < 1e-9
    dull = jfm.pair_moments(x, np.ones((50, 3), np.float32))
    assert np.isnan(jfm.map_residual(jfm.LinearMap(turn), dull))
    with pytest.raises(ValueError, match="from width 4 to 3; these are moments of"):
        jfm.map_residual(jfm.LinearMap(turn), jfm.pair_moments(x, x))
