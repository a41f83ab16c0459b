import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm

from ..helpers import least_squares, steep_rows


@pytest.mark.parametrize("condition", (10.0, 1e4))
def test_condition_rank_and_count(condition):
    x = steep_rows(0, 500, 20, condition)
    info = jfm.diagnose(jfm.pair_moments(jnp.asarray(x), jnp.asarray(x[:, :3])))
    np.testing.assert_allclose(info.condition, np.linalg.cond(np.float64(x)), rtol=1e-4)
    assert (info.rank, info.count) == (20, 500)
    np.testing.assert_allclose(info.residual, 0, atol=1e-6)


@pytest.mark.parametrize("centered", (False, True))
def test_residual_is_that_of_the_fit(getkey, centered):
    x, y = jr.normal(getkey(), (40, 5)) + 2, jr.normal(getkey(), (40, 3)) + 1
    w = jr.uniform(getkey(), (40,))
    info = jfm.diagnose(jfm.pair_moments(x, y, w), centered=centered)
    x, y, w = map(np.asarray, (x, y, w))
    weight, bias = least_squares(x, y, w, centred=centered)
    error = w @ np.sum((x @ weight + bias * centered - y) ** 2, axis=1)
    base = np.average(y, axis=0, weights=w) if centered else 0
    np.testing.assert_allclose(
        info.residual, error / (w @ np.sum((y - base) ** 2, axis=1)), rtol=1e-5
    )


def test_lacking_rank_is_said(getkey):
    x = jr.normal(getkey(), (4, 6))
    info = jfm.diagnose(jfm.pair_moments(x, x))
    assert info.rank == 4 and jnp.isinf(info.condition)
    assert jfm.diagnose(jfm.pair_moments(x, x), centered=True).rank == 3


@pytest.mark.parametrize("centered", (False, True))
def test_a_factor_says_the_same(getkey, centered):
    x, y = jr.normal(getkey(), (60, 5)) + 2, jr.normal(getkey(), (60, 3)) + 1
    ours, theirs = (
        jfm.diagnose(statistic(x, y), centered=centered)
        for statistic in (jfm.pair_factor, jfm.pair_moments)
    )
    for name in ("condition", "rank", "count", "residual"):
        value, truth = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(value, truth, rtol=1e-4, err_msg=name)


def test_a_factor_knows_its_own_rounding(getkey):
    """Float32 rows of lacking rank leave pivots of rounding, not of information."""
    x = jr.normal(getkey(), (50, 6)) @ jr.normal(getkey(), (6, 9))
    info = jfm.diagnose(jfm.pair_factor(x, x[:, :2]))
    assert info.rank == 6 and jnp.isinf(info.condition)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    "solve",
    (
        jfm.solve_linear,
        jfm.solve_affine,
        jfm.solve_rotation,
        jfm.solve_similarity,
        jfm.diagnose,
    ),
)
def test_what_is_no_pair_of_models_is_named(solve):
    joint = jfm.joint_moments([np.eye(3, dtype=np.float32)] * 2)
    with pytest.raises(ValueError, match=r"JointMoments.*joint\.pair"):
        solve(joint)
