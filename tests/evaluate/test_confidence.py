import jax
import numpy as np
import pytest

from jfacemap.evaluate import excess
from jfacemap.evaluate.bands import simultaneous_band
from jfacemap.evaluate.confidence import bootstrap_weights, tar_confidence
from jfacemap.evaluate.identities import identity_pairs
from jfacemap.evaluate.tar import tar_at_far


fars = [0.5, 0.1, 0.02]
labels = np.array(list("aaaabbbcccccddeee"))
off_diagonal = ~np.eye(labels.size, dtype=bool)


def draw(seed, decimals=1, cells=()):
    rng = np.random.default_rng(seed)
    shape = *cells, labels.size, labels.size
    same = labels[:, None] == labels[None]
    return np.float32(np.round(rng.normal(size=shape) + same, decimals))


def pairs_of(valid=off_diagonal):
    return identity_pairs(labels[:, None], labels[None], valid=valid)


def strict(scores, genuine, far):
    """TAR at the loosest observed threshold whose FAR is within the target."""
    if not genuine.any() or genuine.all():
        return np.nan
    for threshold in np.unique(scores):
        if np.mean(scores[~genuine] >= threshold) <= far:
            return np.mean(scores[genuine] >= threshold)
    return 0.0


def resample(scores, weights, valid=off_diagonal):
    """TAR of the table in which the images of each identity are repeated, literally."""
    names = np.unique(labels)
    rows = [
        (row, name, copy)
        for name, weight in zip(names, weights, strict=True)
        for copy in range(weight)
        for row in np.flatnonzero(labels == name)
    ]
    kept, genuine = [], []
    for i, name, copy in rows:
        for j, other, its_copy in rows:
            if valid[i, j] and (name != other or copy == its_copy):
                kept.append(scores[i, j])
                genuine.append(name == other)
    return [strict(np.array(kept), np.array(genuine), far) for far in fars]


@pytest.mark.parametrize("path", ("product", "pair by pair"))
@pytest.mark.parametrize("decimals", (0, 8), ids=("ties", "none"))
def test_equals_literal_resampling(decimals, path, monkeypatch):
    monkeypatch.setattr(excess, "block", 8)
    if path == "pair by pair":
        monkeypatch.setattr(excess, "most_classes", 0)
    key, scores, pairs = jax.random.key(0), draw(0, decimals), pairs_of()
    scores[0, 5] = np.nan
    ours = tar_confidence(key, scores, pairs, fars, replicates=25)
    weights = np.asarray(bootstrap_weights(key, 5, 25))
    theirs = np.array([resample(np.nan_to_num(scores, nan=-99), w) for w in weights])
    np.testing.assert_array_equal(ours.replicates, theirs)
    kept = theirs[~np.isnan(theirs).any(axis=1)]
    assert ours.n_skipped == 25 - len(kept)
    np.testing.assert_allclose(ours.lower, np.quantile(kept, 0.025, axis=0))
    np.testing.assert_allclose(ours.upper, np.quantile(kept, 0.975, axis=0))


def test_looks_further_where_a_draw_needs_it(monkeypatch):
    """The best impostors are of one pair of identities, which few draws weigh much."""
    sizes, cut = [], excess.cut_classes
    spy = lambda ordered, *rest: sizes.append(len(ordered)) or cut(ordered, *rest)
    monkeypatch.setattr(excess, "block", 2)
    monkeypatch.setattr(excess, "cut_classes", spy)
    key, scores = jax.random.key(1), draw(1, 8)
    a, e = labels == "a", labels == "e"
    scores[np.ix_(a, e)] += 10
    scores[np.ix_(e, a)] += 10
    ours = tar_confidence(key, scores, pairs_of(), fars[1:], replicates=25)
    weights = np.asarray(bootstrap_weights(key, 5, 25))
    theirs = np.array([resample(scores, w) for w in weights])
    np.testing.assert_array_equal(ours.replicates, theirs[:, 1:])
    assert sizes == [64, 226]  # a power of two, then all


def test_the_estimate_is_tar_at_far():
    scores = draw(2)
    ours = tar_confidence(
        jax.random.key(0), scores, pairs_of(), [*fars, 1e-4], replicates=25
    )
    genuine = labels[:, None] == labels[None]
    theirs = tar_at_far(scores, genuine, [*fars, 1e-4], valid=off_diagonal)
    np.testing.assert_array_equal(ours.tar, theirs.tar)
    assert np.isnan([ours.tar[3], ours.lower[3], ours.upper[3]]).all()
    assert ours.n_identities == 5
    assert (ours.lower[:3] <= ours.tar[:3]).all() and (ours.tar[:3] <= ours.upper[:3]).all()


def test_a_stack_is_a_loop_and_sees_the_same_draws():
    key, scores, pairs = jax.random.key(3), draw(3, cells=(2, 2)), pairs_of()
    stack = tar_confidence(key, scores, pairs, fars, replicates=25)
    assert stack.replicates.shape == (25, 2, 2, 3)
    assert stack.tar.shape == stack.lower.shape == (2, 2, 3)
    for i in np.ndindex(2, 2):
        one = tar_confidence(key, scores[i], pairs, fars, replicates=25)
        np.testing.assert_array_equal(stack.replicates[:, *i], one.replicates)
        np.testing.assert_array_equal(stack.upper[i], one.upper)
    flat = tar_confidence(key, np.exp(scores[0, 0]), pairs, fars, replicates=25)
    np.testing.assert_array_equal(flat.replicates, stack.replicates[:, 0, 0])


def test_a_list_of_pairs_and_a_scalar_target():
    rng, scores = np.random.default_rng(4), draw(4)
    i, j = np.nonzero(off_diagonal)
    some = rng.permutation(i.size)[:150]
    i, j = i[some], j[some]
    key, valid = jax.random.key(4), np.zeros(scores.shape, bool)
    valid[i, j] = True
    listed = identity_pairs(labels[i], labels[j])
    ours = tar_confidence(key, scores[i, j], listed, 0.1, replicates=25)
    table = tar_confidence(key, scores, pairs_of(valid), 0.1, replicates=25)
    np.testing.assert_array_equal(ours.replicates, table.replicates)
    assert ours.tar.shape == () and ours.replicates.shape == (25,)


def test_draws_without_impostors_are_skipped():
    two = np.array([0, 0, 1, 1])
    pairs = identity_pairs(two[:, None], two[None], valid=~np.eye(4, dtype=bool))
    scores = np.float32(np.random.default_rng(0).random((4, 4)))
    ours = tar_confidence(jax.random.key(0), scores, pairs, 0.5, replicates=25)
    assert 4 < ours.n_skipped < 21  # both draws fall on one identity half the time
    assert np.isnan(ours.replicates).sum() == ours.n_skipped
    assert np.isfinite([ours.lower, ours.upper]).all()


def test_weights_are_multinomial():
    weights = np.asarray(bootstrap_weights(jax.random.key(0), 19, 4000))
    assert (weights.sum(axis=1) == 19).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.08)
    np.testing.assert_allclose(weights.var(axis=0), 1 - 1 / 19, atol=0.12)


@pytest.mark.parametrize("platform", ("tpu", "cuda"))
def test_lowers(platform):
    pairs = pairs_of()
    classes = excess.cut_classes(pairs.impostor_class, pairs.classes, np.array([9]))
    weights, limits = np.ones((300, 5), np.int32), np.ones((300, 3), np.int32)
    f = jax.jit(jax.vmap(excess.place_of_excess, (None, 0, 0)))
    lowered = f.trace(classes, weights, limits).lower(lowering_platforms=(platform,))
    assert platform != "tpu" or "f64" not in lowered.as_text()


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input():
    with pytest.raises(ValueError, match=r"end in the shape of the pairs, \(17, 17\)"):
        tar_confidence(jax.random.key(0), draw(0)[:-1], pairs_of(), 0.1)
    with pytest.raises(ValueError, match="rates from 0 to 1"):
        tar_confidence(jax.random.key(0), draw(0), pairs_of(), 2.0)
    with pytest.raises(ValueError, match="valid is"):
        identity_pairs(labels, labels, valid=off_diagonal)
    with pytest.raises(ValueError, match="17 are genuine"):
        identity_pairs(labels, labels)
    with pytest.raises(ValueError, match="not draws of a table"):
        simultaneous_band(np.zeros(3), np.zeros((10, 2)))


def test_bands_cover_the_whole_table():
    rng = np.random.default_rng(0)
    spread = np.array([1.0, 0.1, 0.0])
    replicates = 0.5 + spread * rng.normal(size=(20_000, 3))
    band = simultaneous_band(np.full(3, 0.5), replicates, level=0.9)
    inside = (band.lower <= replicates) & (replicates <= band.upper)
    assert inside.all(axis=1).mean() == pytest.approx(0.9, abs=1e-3)
    # Two independent cells: each has to hold with probability sqrt(.9).
    assert band.width == pytest.approx(1.949, abs=0.03)
    assert band.lower[2] == band.upper[2] == 0.5


def test_bands_leave_out_unknown_cells_and_skipped_draws():
    replicates = np.random.default_rng(0).normal(size=(100, 2, 2))
    band = simultaneous_band(np.zeros((2, 2)), replicates)
    holes = np.concatenate([replicates, np.full((5, 2, 2), np.nan)])
    holes[:, 1, 1] = np.nan
    holed = simultaneous_band(np.array([[0, 0], [0, np.nan]]), holes)
    assert np.isnan(holed.lower[1, 1]) and np.isfinite(holed.lower.ravel()[:3]).all()
    assert holed.width <= band.width


def test_bands_leave_out_a_cell_without_draws():
    replicates = np.random.default_rng(0).normal(size=(100, 3))
    holed = replicates.copy()
    holed[:, 1] = np.nan
    band = simultaneous_band(np.zeros(3), holed)
    assert np.isnan(band.lower[1]) and np.isfinite(band.lower[[0, 2]]).all()
    pair = simultaneous_band(np.zeros(2), replicates[:, [0, 2]])
    np.testing.assert_array_equal(band.upper[[0, 2]], pair.upper)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    "key, options, words",
    (
        (0, {}, "key is a JAX key"),
        (jax.random.key(0), {"level": 95}, "coverage between 0 and 1"),
        (jax.random.key(0), {"replicates": 0}, "at least one draw"),
    ),
)
def test_draws_that_make_no_interval(key, options, words):
    with pytest.raises(ValueError, match=words):
        tar_confidence(key, draw(0), pairs_of(), 0.1, **options)


def test_targets_share_programs():
    pairs, scores = pairs_of(), draw(5)
    traces = []

    def listen(event, duration, **facts):
        if event.endswith("backend_compile_duration"):
            traces.append(facts)

    tar_confidence(jax.random.key(0), scores, pairs, 0.01, replicates=25)
    jax.monitoring.register_event_duration_secs_listener(listen)
    tar_confidence(jax.random.key(0), scores, pairs, 0.02, replicates=25)
    jax.monitoring.unregister_event_duration_listener(listen)
    assert not traces
