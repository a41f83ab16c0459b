import numpy as np
import pytest

import jfacemap as jfm


rng = np.random.default_rng(0)
labels = rng.integers(0, 3, 50)
x = np.float32(np.maximum(rng.normal(size=(50, 8)) + 2 * np.eye(8)[labels], 0))


@pytest.mark.parametrize("scaled", (False, True))
def test_scree_by_svd(scaled):
    rows = np.float64(x) + 100 * (not scaled)
    found = jfm.scree(np.float32(rows), scaled=scaled)
    rows = np.float64(np.float32(rows))
    if scaled:
        low, high = rows.min(axis=0), rows.max(axis=0)
        rows = 2 * (rows - low) / (high - low) - 1
    truth = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(found.singular_values, truth, rtol=1e-5)
    np.testing.assert_allclose(found.explained, truth**2 / np.sum(truth**2), rtol=1e-5)


def test_centred_class_means_span_one_axis_less():
    means = rng.normal(size=(4, 8))
    rows = np.float32(means[rng.integers(0, 4, 50)])
    values = np.asarray(jfm.scree(rows).singular_values)
    assert (values[:3] > 1).all() and values[3:].max() < 1e-4 * values[0]


def test_fewer_rows_than_features_constant_features_and_nan():
    assert jfm.scree(x[:5]).singular_values.shape == (5,)
    flat = x.copy()
    flat[:, 3] = 7
    assert np.isfinite(jfm.scree(flat, scaled=True).singular_values).all()
    flat[0, 0] = np.nan
    assert np.isnan(jfm.scree(flat, scaled=True).singular_values).all()


def literal(x, labels, classes):
    """Equation 1, as it stands, row by row of D."""
    d = np.float64(x).T
    error = np.empty((len(d), classes))
    for i, l in np.ndindex(error.shape):
        inside = labels == l
        with np.errstate(divide="ignore", invalid="ignore"):
            error[i, l] = np.sum(d[i] * (1 - inside)) / np.sum(d[i] * inside)
    return error


def test_blocks_by_the_formula():
    rows = x.copy()
    rows[:, 5] = 0  # dead: 0 / 0
    rows[labels == 1, 2] = 0  # silent for one class: infinite there
    found = jfm.block_diagonalize(rows, labels)
    truth = literal(rows, labels, 3)
    np.testing.assert_allclose(found.error, truth, rtol=1e-5)
    assert np.isinf(found.error[2, 1]) and np.isnan(found.error[5]).all()
    alive = np.arange(8) != 5
    np.testing.assert_array_equal(
        np.asarray(found.cluster)[alive], truth[alive].argmin(axis=1)
    )
    assert found.dead == 1 and found.cluster[5] == 3 and found.order[-1] == 5
    clusters = np.asarray(found.cluster)[np.asarray(found.order)]
    assert (np.diff(clusters) >= 0).all()
    np.testing.assert_allclose(found.sparsity, np.mean(rows == 0), rtol=1e-6)


def test_order_of_samples_does_not_matter():
    turn = rng.permutation(50)
    ours, same = (
        jfm.block_diagonalize(x[turn], labels[turn]),
        jfm.block_diagonalize(x, labels),
    )
    np.testing.assert_array_equal(ours.order, same.order)


def test_bad_input(unchecked_types):
    with pytest.raises(ValueError, match="not negative"):
        jfm.block_diagonalize(x - 1, labels)
    with pytest.raises(ValueError, match="not one a row"):
        jfm.block_diagonalize(x, labels[1:])
    with pytest.raises(ValueError, match="at least one"):
        jfm.scree(x[:0])
