import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from jfacemap.evaluate.scoring import label_pairs
from jfacemap.evaluate.tar import tar_at_far

from . import oracles


each_rule = pytest.mark.parametrize("rule", oracles.rules)
fars = [0.0, 1e-4, 1e-3, 1e-2, 0.05, 0.29, 0.5, 1.0]


def draw(seed, n=500, decimals=8, dtype=np.float32):
    rng = np.random.default_rng(seed)
    genuine = rng.random(n) < 0.2
    scores = np.round(rng.normal(size=n) + genuine, decimals)
    return scores.astype(dtype), genuine


def at(scores, genuine, fars, rule="strict"):
    """Padded to one shape, so that all small tables compile once."""
    pad = lambda x: np.pad(np.asarray(x), (0, 512 - len(x)))
    fars = [*fars, *[1.0] * (8 - len(fars))]
    valid = pad(np.ones(len(scores), bool))
    return tar_at_far(pad(scores), pad(genuine), fars, rule=rule, valid=valid)


def check(ours, scores, genuine, fars, rule):
    ours = jax.device_get(ours)
    n_impostor = np.sum(~genuine)
    assert (ours.n_genuine, ours.n_impostor) == (np.sum(genuine), n_impostor)
    for i, far in enumerate(fars):
        *counts, threshold, tar = oracles.tar_at_far(scores, genuine, far, rule)
        supported = np.float64(1) / n_impostor <= far
        assert [ours.genuine_accepts[i], ours.impostor_accepts[i]] == counts
        assert ours.threshold[i] == threshold
        assert ours.far[i] == counts[1] / n_impostor
        assert ours.supported[i] == supported
        np.testing.assert_equal(ours.tar[i], tar if supported else np.nan)
    best = scores[~genuine].max()
    assert ours.tar_at_zero == np.mean(scores[genuine] > best)


@each_rule
@pytest.mark.parametrize("decimals", (0, 1, 8), ids=("ties", "some", "none"))
def test_bit_equal_to_sklearn(decimals, rule):
    scores, genuine = draw(0, 500, decimals)
    ours = at(scores, genuine, fars, rule)
    check(ours, scores, genuine, fars, rule)
    np.testing.assert_array_equal(ours.target, fars)


def test_float64_numpy_scores_keep_their_digits():
    scores, genuine = draw(0, decimals=2, dtype=np.float64)
    scores += 1e-12 * np.random.default_rng(1).integers(0, 3, 500)
    ours = tar_at_far(scores, genuine, fars, rule="nearest")
    assert isinstance(ours.threshold, np.ndarray)
    check(ours, scores, genuine, fars, "nearest")


@pytest.mark.parametrize("rule", ("nearest", "interpolate"))
def test_bit_equal_to_sklearn_over_many_rows_of_lanes(rule):
    scores, genuine = draw(0, 10_000, 2)
    check(tar_at_far(scores, genuine, fars, rule=rule), scores, genuine, fars, rule)


@st.composite
def tables(draw):
    """Heavily tied scores, and targets at, next to and between their rates."""
    n = draw(st.integers(2, 24))
    scores = draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))
    genuine = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    genuine[:2] = [True, False]
    size = n - sum(genuine)
    rate = st.integers(0, size).map(lambda k: k / size)
    nudged = st.builds(np.nextafter, rate, st.sampled_from([0.0, 1.0])).map(float)
    middle = st.integers(0, 2 * size).map(lambda k: k / 2 / size)
    decimal = st.integers(0, 100).map(lambda k: k / 100)
    target = st.one_of(rate, nudged, middle, decimal, st.floats(0, 1))
    targets = draw(st.lists(target, min_size=4, max_size=4))
    return np.float32(scores), np.array(genuine), targets


@each_rule
@given(tables())
@settings(max_examples=60, deadline=None)
def test_any_small_table(rule, table):
    scores, genuine, targets = table
    check(at(*table, rule), scores, genuine, targets, rule)


@given(st.integers(1, 300), st.integers(0, 300))
@example(100, 29)
@settings(max_examples=60, deadline=None)
def test_k_of_n_meets_the_target_k_over_n_and_not_the_float_below(n, k):
    k = min(k, n)
    scores = np.arange(500, dtype=np.float32)
    genuine = scores < 500 - n
    targets = [k / n, np.nextafter(k / n, 0)]
    ours = at(scores, genuine, targets)
    np.testing.assert_array_equal(ours.impostor_accepts[:2], [k, max(k - 1, 0)])


def test_rising_transforms_change_nothing_but_the_threshold():
    scores, genuine = draw(1)
    a, b = (at(f(scores), genuine, fars) for f in (np.asarray, np.exp))
    np.testing.assert_array_equal(a.tar, b.tar)
    np.testing.assert_array_equal(np.exp(a.threshold), b.threshold)


@each_rule
def test_signed_zeros_tie_and_infinities_and_subnormals_rank(rule):
    tiny = np.float32(1e-42)
    scores = np.array([-np.inf, -tiny, -0.0, 0.0, tiny, 1, np.inf, np.inf], np.float32)
    genuine = np.array([1, 0, 1, 0, 0, 1, 0, 1], bool)
    ours = at(scores, genuine, [0.25, 0.5, 0.75, 1.0], rule)
    np.testing.assert_array_equal(ours.impostor_accepts[:4], [1, 2, 3, 4])
    np.testing.assert_array_equal(ours.genuine_accepts[:4], [2, 2, 3, 4])
    np.testing.assert_array_equal(ours.threshold[:4], np.float32([1, tiny, 0, -np.inf]))


@each_rule
def test_nan_is_counted_and_never_accepted(rule):
    scores, genuine = draw(2)
    scores[::50] = np.nan
    ours = at(scores, genuine, fars, rule)
    assert ours.n_nan == 10
    assert ours.n_genuine + ours.n_impostor == 500
    accepted = scores >= np.asarray(ours.threshold)[:, None]
    np.testing.assert_array_equal(ours.genuine_accepts, accepted[:, genuine].sum(1))
    known = np.sum(~genuine & ~np.isnan(scores))
    assert int(ours.impostor_accepts[-1]) == known
    assert ours.far[-1] < 1


def test_a_target_below_one_impostor_is_not_supported():
    scores, genuine = draw(3)
    ours = at(scores, genuine, fars)
    assert not ours.supported[2] and np.isnan(ours.tar[2])
    assert ours.far[2] == 0
    best = scores[~genuine].max()
    assert ours.threshold[2] == scores[scores > best].min()
    assert ours.tar_at_zero == np.mean(scores[genuine] > best) > 0


def test_a_missing_class_is_nan():
    scores, far = np.arange(4, dtype=np.float32), [0.5] * 8
    no_impostor = at(scores, np.ones(4, bool), far)
    no_genuine = at(scores, np.zeros(4, bool), far)
    assert np.isnan([no_impostor.tar, no_impostor.far, no_genuine.tar]).all()
    assert (no_genuine.far == 0.5).all()


def test_nothing_is_accepted_where_impostors_score_best():
    ours = at(np.float32([1, 1, 0, 0]), np.array([1, 0, 1, 0], bool), [0.4] * 8)
    assert (ours.threshold == np.inf).all()
    assert not (ours.genuine_accepts + ours.impostor_accepts).any()


def test_a_table_is_a_list_of_its_valid_pairs():
    scores, genuine = draw(4)
    valid = np.random.default_rng(5).random(500) < 0.8
    table = (x.reshape(20, 25) for x in (scores, genuine, valid))
    ours = jax.jit(lambda s, g, v: tar_at_far(s, g, fars, valid=v))(*table)
    check(ours, scores[valid], genuine[valid], fars, "strict")


def test_half_precision_ties_where_it_rounds():
    scores, genuine = draw(6, dtype=np.float16)
    ours = tar_at_far(scores, genuine, fars)
    check(ours, scores.astype(np.float32), genuine, fars, "strict")


@pytest.mark.parametrize("rule", ("nearest", "insightface"))
def test_vmap_is_a_loop(rule):
    one = lambda s, g, v: tar_at_far(s, g, fars, rule=rule, valid=v)
    tables = [(*draw(seed, 512, 1), np.arange(512) < 300 + seed) for seed in range(3)]
    loop = [one(*table) for table in tables]
    stack = lambda *x: jnp.stack(x)
    batched = jax.vmap(one)
    for call in (batched, jax.jit(batched))[rule != "nearest" :]:
        ours = call(*map(stack, *tables))
        assert eqx.tree_equal(ours, jax.tree.map(stack, *loop))
        np.testing.assert_array_equal(ours.tar, [one.tar for one in loop])
        np.testing.assert_array_equal(ours.far, [one.far for one in loop])


def test_rates_inside_jit_are_float32():
    scores, genuine = draw(7)
    tar = lambda scores, genuine: tar_at_far(scores, genuine, fars, rule="interpolate").tar
    outside, inside = tar(scores, genuine), jax.jit(tar)(scores, genuine)
    assert outside.dtype == np.float64
    np.testing.assert_allclose(inside, outside, rtol=1e-6)


def test_array_targets_compare_in_their_own_precision():
    scores, genuine = draw(8)
    n = np.sum(~genuine)
    for k in np.arange(1, 97).reshape(-1, 8):
        ours = tar_at_far(scores, genuine, jnp.asarray(k / n, jnp.float32))
        np.testing.assert_array_equal(ours.impostor_accepts, k)
    odd = jnp.asarray([jnp.nan, -1.0, 2.0, *5 * [0.5]])
    supported = tar_at_far(scores, genuine, odd).supported
    np.testing.assert_array_equal(supported[:4], [False, False, True, True])


def test_targets_compile_once():
    scores, genuine = draw(9)
    once = jax.jit(eqx.debug.assert_max_traces(tar_at_far, max_traces=1))
    for far in (1e-3, 0.1, 1.0):
        once(scores, genuine, far)


@each_rule
@pytest.mark.parametrize("platform", ("tpu", "cuda"))
def test_lowers(platform, rule):
    scores, genuine = draw(10, 5000)
    f = jax.jit(lambda s, g: tar_at_far(s, g, fars, rule=rule))
    lowered = f.trace(scores, genuine).lower(lowering_platforms=(platform,))
    assert platform != "tpu" or "f64" not in lowered.as_text()


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input():
    scores, genuine = draw(11, 10)
    with pytest.raises(ValueError, match="one shape"):
        tar_at_far(scores, genuine[:9], 0.1)
    with pytest.raises(ValueError, match="no scores"):
        tar_at_far(scores[:0], genuine[:0], 0.1)
    with pytest.raises(ValueError, match="rule is one of strict"):
        tar_at_far(scores, genuine, 0.1, rule="loose")
    for far in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match="rates from 0 to 1"):
            tar_at_far(scores, genuine, far)


def test_lists_will_do(unchecked_types):
    scores, genuine = [0.9, 0.1, 0.5, 0.2], [True, False, True, False]
    found = tar_at_far(scores, genuine, [0.5], valid=[True, True, True, True])
    assert found.tar == 1 and found.threshold == 0.2
    labels = ["ann", "bob", "ann"]
    same, valid = label_pairs(labels)
    assert same.sum() == 5 and valid.sum() == 6
