import numpy as np
import pytest

from jfacemap.study.rotated_digits import angle_moments, judge_digits, summarise_digits


rng = np.random.default_rng(0)
degrees = np.float32((-30, 0, 30))
classes, d = 3, 6
centres = np.abs(rng.normal(size=(classes, d))) + 2 * np.eye(classes, d)
turns = rng.normal(size=(classes, d)) / 60


def draw(n):
    label, angle = rng.integers(0, classes, n), rng.integers(0, 3, n)
    x = centres[label] + degrees[angle, None] * turns[label] + rng.normal(size=(n, d)) / 20
    return np.float32(x), label, angle


x, label, angle = draw(300)
by_class = [(x[label == c], angle[label == c]) for c in range(classes)]
statistics = summarise_digits(by_class, degrees, most=150)
rows, truth, at = draw(400)
verdict = judge_digits(statistics, rows, truth, at, softmax=np.where(truth == 0, 1, truth))


def test_statistics_by_numpy():
    for c, a in np.ndindex(classes, 3):
        mine = (label == c) & (angle == a)
        np.testing.assert_allclose(statistics.mavs[c, a], x[mine].mean(axis=0), rtol=1e-5)
        assert statistics.count[c, a] == mine.sum()
    for c in range(classes):
        mine = label == c
        np.testing.assert_allclose(
            statistics.class_mavs[c], x[mine].mean(axis=0), rtol=1e-5
        )
        bordered = np.column_stack([x[mine], np.ones(mine.sum())])
        solution = np.linalg.lstsq(np.float64(bordered), degrees[angle[mine]], rcond=None)[
            0
        ]
        ours = np.append(statistics.weight[c], statistics.bias[c])
        np.testing.assert_allclose(ours, solution, rtol=1e-3, atol=1e-2)


def test_targets_are_means_of_scaled_features():
    scaled = (x - x.min(axis=0)) / np.ptp(x, axis=0)
    truth = np.stack([scaled[label == c].mean(axis=0) for c in range(classes)])
    np.testing.assert_allclose(statistics.targets, truth, atol=1e-6)
    flat = [(np.zeros((4, 2), np.float32), np.arange(4) % 3)]
    np.testing.assert_array_equal(summarise_digits(flat, degrees).targets, np.zeros((1, 2)))


def test_verdicts_one_row_at_a_time():
    unit = lambda v: v / np.linalg.norm(v)
    wrong = {way: [] for way in verdict.errors}
    for row, c in zip(np.float64(rows), truth, strict=True):
        cosine = lambda v, row=row: unit(row) @ unit(np.float64(v))
        read = [row @ statistics.weight[k] + statistics.bias[k] for k in range(classes)]
        near = [int(np.argmin(np.abs(r - degrees))) for r in read]
        best = lambda scores: int(np.argmax(scores))
        means = [cosine(v) for v in statistics.class_mavs]
        every = [[cosine(v) for v in vs] for vs in statistics.mavs]
        wrong["MAV"].append(best(means) != c)
        wrong["label-and-angle MAV"].append(best(np.max(every, axis=1)) != c)
        leaked = [every[k][near[c]] for k in range(classes)]
        wrong["per-angle MAV"].append(best(leaked) != c)
        own = [every[k][near[k]] for k in range(classes)]
        wrong["per-angle MAV, leak-free"].append(best(own) != c)
        wrong["softmax"].append(c == 0)
    for way, each in wrong.items():
        np.testing.assert_allclose(verdict.error[way], np.mean(each), atol=1e-9)
        for c in range(classes):
            rate = np.mean(np.array(each)[truth == c])
            np.testing.assert_allclose(verdict.errors[way][c], rate, atol=1e-9)


def test_angles_are_averaged_over_classes_not_over_rows():
    read = np.float64([10, 20, 40, 0, 0])
    mean, deviation = angle_moments(
        read, np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1]), (2, 2)
    )
    np.testing.assert_allclose(mean, [(15 + 40) / 2, 0])
    np.testing.assert_allclose(deviation, [(5 + 0) / 2, 0])


def test_a_class_without_rows_and_none_at_all():
    lacking = [by_class[0], (x[:0], angle[:0]), by_class[2]]
    some = summarise_digits(lacking, degrees)
    assert np.isnan(some.mavs[1]).all() and np.isnan(some.weight[1]).all()
    found = judge_digits(some, rows, truth, at)
    assert found.errors["MAV"][1] == 1 and found.errors["MAV"][0] < 0.2
    with pytest.raises(ValueError, match="no training features"):
        summarise_digits([(x[:0], angle[:0])], degrees)
