import jax
import numpy as np
import pytest
import scipy.linalg

import jfacemap as jfm


r = np.random.default_rng(0)
draw = lambda *shape: np.float32(r.normal(size=shape))
head = lambda d, classes=6: jfm.Head(draw(d, classes), draw(classes))
x = draw(40, 9)
source = head(9)


@pytest.mark.parametrize("d", (6, 8, 20))
def test_logits_carry_over_exactly(d):
    """Full column rank: the target's head gives the source's logits (Table 5.3)."""
    target = head(d)
    logits = target(jfm.logit_map(source, target)(x))
    np.testing.assert_allclose(logits, source(x), atol=2e-4)


def test_is_the_pseudo_inverse_of_numpy():
    for target in (head(4), head(8)):
        back = np.linalg.pinv(np.float64(target.weight))
        m = jfm.logit_map(source, target)
        np.testing.assert_allclose(m.weight, source.weight @ back, atol=1e-5)
        np.testing.assert_allclose(m.bias, (source.bias - target.bias) @ back, atol=1e-5)


def test_fewer_dimensions_than_classes_lose_logits():
    target = head(4)
    logits = target(jfm.logit_map(source, target)(x))
    assert np.abs(np.asarray(logits - source(x))).max() > 0.1


def test_rows_of_the_table_are_constant():
    """Every classifier does as well with mapped features as the source's own."""
    labels = np.asarray(source(x)).argmax(axis=1).astype(np.int32)
    labels[::4] = (labels[::4] + 1) % 6  # three of four right
    for d in (6, 7, 12):
        target = head(d)
        found = jfm.swap_accuracy(jfm.logit_map(source, target), x, labels, source, target)
        assert found.accuracy == found.source_accuracy == 0.75
        assert found.agreement == 1 and found.change == 0
    lossy = head(3)
    found = jfm.swap_accuracy(jfm.logit_map(source, lossy), x, labels, source, lossy)
    assert found.agreement < 1


def test_a_redundant_class_is_no_direction():
    """Column rank lacks by one; float16's rounding must not be inverted."""
    weight = draw(8, 6)
    weight[:, 5] = weight[:, 4]
    m = jfm.logit_map(source, jfm.Head(np.float16(weight), draw(6)))
    assert np.abs(np.asarray(m.weight)).max() < 100


@pytest.mark.parametrize("d", (4, 9))
def test_a_head_splits_its_space(d):
    h = head(d)
    split = jfm.head_split(h)
    seen, unseen = np.asarray(split.seen), np.asarray(split.unseen)
    assert seen.shape == (d, min(d, 6)) and unseen.shape == (d, d - min(d, 6))
    both = np.concatenate([seen, unseen], axis=1)
    np.testing.assert_allclose(both.T @ both, np.eye(d), atol=1e-5)
    np.testing.assert_allclose(unseen.T @ h.weight, 0, atol=1e-5)
    values = np.linalg.svd(h.weight, compute_uv=False)
    np.testing.assert_allclose(split.spectrum, values, rtol=1e-5)
    assert split.rank == min(d, 6)


def test_up_to_a_shift_one_direction_less_is_seen():
    h = head(9)
    split = jfm.head_split(h, up_to_shift=True)
    assert split.seen.shape == (9, 5) and split.unseen.shape == (9, 4)
    moved = h(x + draw(40, 4) @ np.asarray(split.unseen).T) - h(x)
    np.testing.assert_allclose(moved - moved.mean(axis=1, keepdims=True), 0, atol=1e-4)
    assert np.abs(np.asarray(moved)).max() > 0.1


def test_says_what_does_not_fit(unchecked_types):
    with pytest.raises(ValueError, match="tell apart 6 and 5 classes"):
        jfm.logit_map(source, head(9, 5))
    with pytest.raises(ValueError, match=r"keep \(classes, d\) need `.T`"):
        jfm.Head(draw(9, 6), draw(9))
    with pytest.raises(ValueError, match=r"takes width 9; got rows of \(40, 8\)"):
        source(x[:, :8])


def low_rank(d=9, rank=3):
    return np.float32(draw(d, rank).astype(np.float64) @ draw(rank, 6))


@pytest.mark.parametrize("up_to_shift", (False, True))
def test_directions_of_no_rank_are_unseen(up_to_shift):
    """Against SciPy's bases of range and null space, by their projectors."""
    weight = low_rank()
    split = jfm.head_split(jfm.Head(weight, draw(6)), up_to_shift=up_to_shift)
    true = np.float64(weight)
    true = true - true.mean(axis=1, keepdims=True) if up_to_shift else true
    onto = scipy.linalg.orth(true, rcond=1e-5)
    off = scipy.linalg.null_space(true.T, rcond=1e-5)
    for ours, basis in ((split.seen, onto), (split.unseen, off)):
        assert ours.shape == basis.shape
        ours = np.asarray(ours)
        np.testing.assert_allclose(ours @ ours.T, basis @ basis.T, atol=1e-5)
    assert split.rank == 3 and split.spectrum.shape == (6 - up_to_shift,)


def test_a_head_that_knows_nothing_sees_nothing():
    for weight, shift in ((np.zeros((5, 4)), False), (np.ones((5, 1)), True)):
        split = jfm.head_split(jfm.Head(np.float32(weight), draw(weight.shape[1])),
                               up_to_shift=shift)  # fmt: skip
        assert split.seen.shape == (5, 0) and split.unseen.shape == (5, 5)
        assert split.rank == 0


def test_within_jit_widths_do_not_depend_on_values():
    inside = jax.jit(jfm.head_split)(jfm.Head(low_rank(), draw(6)))
    assert inside.seen.shape == (9, 6) and inside.rank == 3
