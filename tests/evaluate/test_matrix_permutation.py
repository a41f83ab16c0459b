import itertools

import jax
import numpy as np
import pytest

from jfacemap.evaluate.matrix_permutation import qap_test


key = jax.random.key(0)


def tables(seed, n):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, n))
    return values, (rng.random((n, n)) < 0.4).astype(float)


@pytest.mark.parametrize("n", (4, 5))
def test_equals_brute_force_over_all_permutations(n):
    values, relation = tables(n, n)
    pairs = list(itertools.permutations(range(n), 2))
    a = [values[pair] for pair in pairs]

    def correlate(order):
        return np.corrcoef(a, [relation[order[i], order[j]] for i, j in pairs])[0, 1]

    null = np.array([correlate(order) for order in itertools.permutations(range(n))])
    ours = qap_test(key, values, relation)
    assert ours.exact
    np.testing.assert_allclose(ours.correlation, correlate(range(n)), rtol=1e-12)
    np.testing.assert_allclose(ours.null, null, rtol=1e-9, atol=1e-12)
    lead = null - correlate(range(n))
    assert ours.p_greater == np.mean(lead > -1e-9)
    assert ours.p_value == np.mean(np.abs(null) - np.abs(correlate(range(n))) > -1e-9)


def test_three_alike_of_six_cannot_be_surer_than_one_in_twenty():
    alike = np.zeros((6, 6), bool)
    alike[:3, :3] = True
    values = alike + np.random.default_rng(0).normal(size=(6, 6)) / 100
    assert qap_test(key, values, alike).p_greater == pytest.approx(1 / 20)


def test_draws_agree_with_all_permutations():
    values, relation = tables(1, 7)
    exact = qap_test(key, values, relation)
    drawn = qap_test(key, values, relation, permutations=4000)
    assert exact.exact and not drawn.exact and drawn.null.shape == (4000,)
    assert drawn.p_greater == pytest.approx(exact.p_greater, abs=0.03)
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.03)


def test_the_level_is_kept_where_rows_go_together():
    """Entries that share a model: a test of single entries would reject far too often."""
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        quality, group = rng.normal(size=5), rng.permutation([0, 0, 1, 1, 1])
        values = quality[:, None] + quality
        alike = group[:, None] == group
        rejected += qap_test(key, values, alike).p_greater <= 0.1
    assert 10 <= rejected <= 30  # 1 / 10 is one of the p there are: 20 on average


@pytest.mark.parametrize("broken", ("constant", "nan"))
def test_what_is_undefined_is_nan(broken):
    values, relation = tables(0, 4)
    if broken == "nan":
        values[0, 1] = np.nan
    else:
        relation = np.ones((4, 4))
    test = qap_test(key, values, relation)
    assert np.isnan([test.correlation, test.p_greater, test.p_value]).all()


def test_the_diagonal_does_not_matter():
    values, relation = tables(0, 4)
    other = values + np.diag([5.0, np.nan, 1, 2])
    assert qap_test(key, other, relation).p_value == qap_test(key, values, relation).p_value


@pytest.mark.parametrize("shapes", (((4, 4), (5, 5)), ((4, 3), (4, 3)), ((2, 2), (2, 2))))
def test_other_tables_are_refused(shapes):
    with pytest.raises(ValueError, match="the same three or more models"):
        qap_test(key, *(np.ones(shape) for shape in shapes))
