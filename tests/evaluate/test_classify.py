import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.evaluate import classify


r = np.random.default_rng(0)
draw = lambda *shape: np.float32(r.normal(size=shape))
source, target = (jfm.Head(draw(d, 7), draw(7)) for d in (5, 6))
m = jfm.AffineMap(jnp.asarray(draw(5, 6)), jnp.asarray(draw(6)))
x, labels = draw(50, 5), r.integers(0, 7, 50).astype(np.int32)
key = jax.random.key(0)


def truth(x, labels, top):
    logits = [np.float64(x) @ source.weight + source.bias]
    mapped = np.float64(x) @ np.asarray(m.weight) + np.asarray(m.bias)
    logits.insert(0, mapped @ target.weight + target.bias)
    order = [np.argsort(-l, axis=1, kind="stable") for l in logits]
    right = [o[:, 0] == labels for o in order]
    near = [(o[:, :top] == labels[:, None]).any(axis=1) for o in order]
    return [right[0], near[0], right[1], near[1], order[0][:, 0] == order[1][:, 0]]


@pytest.mark.parametrize("n", (50, 43))
def test_answers_are_those_of_numpy(monkeypatch, n):
    if n == 43:  # in tiles of 8, the last of which overlaps the one before
        monkeypatch.setattr(classify, "tile_rows", 8)
    some, named = x[:n], labels[:n]
    found = jfm.swap_accuracy(m, some, named, source, target, top=3)
    for ours, true in zip(jax.tree.leaves(found), truth(some, named, 3), strict=True):
        np.testing.assert_array_equal(ours, true)
    right, near, own, _, agree = truth(some, named, 3)
    assert found.accuracy == pytest.approx(right.mean())
    assert found.change == pytest.approx(100 * (right.mean() / own.mean() - 1))
    assert found.agreement == pytest.approx(agree.mean())
    assert found.top_accuracy == pytest.approx(near.mean())
    assert 0 < found.accuracy < found.top_accuracy < 1


def test_equal_logits_rank_by_class():
    flat = jfm.Head(np.zeros((5, 7), np.float32), np.zeros(7, np.float32))
    still = jfm.identity_map(5)
    found = jfm.swap_accuracy(still, x[:7], np.arange(7), flat, flat, top=3)
    np.testing.assert_array_equal(found.correct, np.arange(7) < 1)
    np.testing.assert_array_equal(found.in_top, np.arange(7) < 3)


def test_half_precision_and_nan():
    rows = np.float16(x)
    rows[2, 1] = np.nan
    found = jfm.swap_accuracy(m, rows, labels, source, target)
    assert not (found.correct[2] or found.in_top[2] or found.agree[2])
    true = truth(np.float64(rows), labels, 5)[0]
    np.testing.assert_array_equal(np.delete(found.correct, 2), np.delete(true, 2))


def test_an_own_classifier_changes_nothing():
    found = jfm.swap_accuracy(jfm.identity_map(5), x, labels, source, source)
    assert found.change == 0 and found.agreement == 1
    spread = jfm.swap_confidence(key, found, replicates=50)
    np.testing.assert_array_equal(spread.change, 0)


def test_intervals_cover_and_groups_widen_them():
    """A rate of 5,000 rows in 50 groups that share their fate is worth 50 rows."""
    fate = np.repeat(r.uniform(size=50) < 0.6, 100)
    yes = np.ones(5000, bool)
    swap = jfm.SwapAccuracy(fate, fate, yes, yes, fate, top=5)
    alone = jfm.swap_confidence(key, swap)
    grouped = jfm.swap_confidence(key, swap, np.repeat(np.arange(50), 100))
    width = lambda i: float(np.diff(i.accuracy)[0])
    deviation = np.sqrt(swap.accuracy * (1 - swap.accuracy))
    assert width(alone) == pytest.approx(3.92 * deviation / np.sqrt(5000), rel=0.1)
    assert width(grouped) == pytest.approx(3.92 * deviation / np.sqrt(50), rel=0.1)
    np.testing.assert_allclose(grouped.change, 100 * (grouped.accuracy - 1))
    assert grouped.accuracy[0] < swap.accuracy < grouped.accuracy[1]


def test_says_what_does_not_fit(unchecked_types):
    judge = lambda *a, **k: jfm.swap_accuracy(*a, **k)
    for call, match in (
        (lambda: judge(m, x, labels, target, source), "heads take 6 and 5: give"),
        (lambda: judge(m, x, labels[:9], source, target), r"\(50, 5\) and \(9,\)"),
        (lambda: judge(m, x, labels + 7, source, target), "from 0 to 6; got 7 to"),
        (lambda: judge(m, x, labels, source, target, top=8), "1 to the 7 classes"),
        (
            lambda: judge(m, x, labels, source, jfm.Head(draw(6, 4), draw(4))),
            "tell apart 7 and 4 classes",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            call()
    found = judge(m, x, labels, source, target)
    with pytest.raises(ValueError, match="do not go with 50 rows"):
        jfm.swap_confidence(key, found, labels[:9])
