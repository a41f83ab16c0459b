import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve as sklearn_roc_curve

from jfacemap.evaluate.roc import roc_curve
from jfacemap.evaluate.tar import tar_at_far

from .test_tar import draw, fars


@pytest.mark.parametrize(
    ("decimals", "dtype"),
    [(0, np.float32), (1, np.float32), (8, np.float32), (2, np.float64)],
)
def test_bit_equal_to_sklearn(decimals, dtype):
    scores, genuine = draw(0, 500, decimals, dtype)
    ours = roc_curve(scores, genuine)
    theirs = sklearn_roc_curve(genuine, scores, drop_intermediate=False)
    points = np.stack([ours.far, ours.tar, ours.thresholds])
    assert points.shape == (3, 501)
    np.testing.assert_array_equal(np.unique(points, axis=1), np.unique(theirs, axis=1))
    assert ours.area == pytest.approx(roc_auc_score(genuine, scores), rel=1e-12)
    far, tar, _ = theirs
    raw = [tar[far <= limit].max() for limit in fars]
    np.testing.assert_array_equal(ours.tar_at(fars), raw)
    i = np.argmin(abs(far - (1 - tar)))
    assert ours.equal_error_rate == pytest.approx((far[i] + 1 - tar[i]) / 2)


def test_agrees_with_tar_at_far_also_below_one_impostor():
    scores, genuine = draw(1)
    curve, at = roc_curve(scores, genuine), tar_at_far(scores, genuine, fars)
    expected = np.where(at.supported, at.tar, at.tar_at_zero)
    np.testing.assert_array_equal(curve.tar_at(fars), expected)


def test_is_blind_to_any_rising_transform():
    scores, genuine = draw(2)
    a, b = roc_curve(scores, genuine), roc_curve(np.exp(scores), genuine)
    np.testing.assert_array_equal(a.far, b.far)
    np.testing.assert_array_equal(a.tar, b.tar)


def test_only_valid_pairs_count():
    scores, genuine = draw(3, decimals=1)
    valid = np.random.default_rng(4).random(500) < 0.8
    ours = roc_curve(scores, genuine, valid=valid)
    theirs = sklearn_roc_curve(genuine[valid], scores[valid], drop_intermediate=False)
    points = np.stack([ours.far, ours.tar, ours.thresholds])
    np.testing.assert_array_equal(np.unique(points, axis=1), np.unique(theirs, axis=1))


def test_nan_is_never_accepted_and_a_missing_class_is_nan():
    scores, genuine = draw(5)
    scores[:100] = np.nan
    curve = roc_curve(scores, genuine)
    assert curve.n_nan == 100
    assert curve.far[-1] == np.mean(~np.isnan(scores[~genuine]))
    assert np.isfinite(curve.thresholds[1:]).all()
    alone = roc_curve(scores, np.ones(500, bool))
    rates = alone.area, alone.equal_error_rate, alone.tar_at(0.1), alone.far[-1]
    assert np.isnan(rates).all()


def test_jit_and_vmap_are_a_loop():
    tables = [draw(seed, decimals=1) for seed in range(3)]
    loop = [roc_curve(s, g) for s, g in tables]
    stack = lambda *x: jnp.stack(x)
    ours = jax.jit(jax.vmap(roc_curve))(*map(stack, *tables))
    assert eqx.tree_equal(ours, jax.tree.map(stack, *loop))
    numbers = lambda c: (c.area, c.equal_error_rate)
    expected = np.transpose([numbers(c) for c in loop])
    np.testing.assert_array_equal(numbers(ours), expected)
    inside = jax.jit(jax.vmap(numbers))(ours)
    np.testing.assert_allclose(inside, expected, rtol=1e-5)


@pytest.mark.parametrize("platform", ("tpu", "cuda"))
def test_lowers(platform):
    scores, genuine = draw(6)
    f = jax.jit(lambda s, g: roc_curve(s, g).tar_at(fars))
    lowered = f.trace(scores, genuine).lower(lowering_platforms=(platform,))
    assert platform != "tpu" or "f64" not in lowered.as_text()


@pytest.mark.usefixtures("unchecked_types")
def test_rejects_mismatched_shapes():
    with pytest.raises(ValueError, match="one shape"):
        roc_curve(np.zeros(3, np.float32), np.zeros(4, bool))
