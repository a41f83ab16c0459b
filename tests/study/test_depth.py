import numpy as np
import pytest

from jfacemap.study.depth import read_layer, variance_shares


rng = np.random.default_rng(0)
degrees = np.float32((-30, 0, 30))


def draw(n, turn):
    label, angle = rng.integers(0, 4, n), degrees[rng.integers(0, 3, n)]
    x = 3 * np.eye(4, 8)[label] + turn * np.outer(angle, np.eye(8)[5])
    return np.float32(x + rng.normal(size=(n, 8)) / 10), label, angle


def test_a_layer_that_turns_and_one_that_does_not():
    for turn, r2 in ((0.1, 0.99), (0.0, 0.0)):
        x, label, angle = draw(400, turn)
        found = read_layer(x, label, angle, draw(400, turn), classes=4)
        assert found.angle_r2 == pytest.approx(r2, abs=0.06)
        assert found.digit_error == 0
        assert found.between + found.by_angle + found.within == pytest.approx(1)
        assert (found.by_angle > 0.1) == (turn > 0)


def test_shares_by_their_means():
    x, label, angle = draw(200, 0.1)
    x = np.float64(x) + 100
    digit = np.stack([x[label == c].mean(axis=0) for c in label])
    cell = np.stack(
        [
            x[(label == c) & (angle == a)].mean(axis=0)
            for c, a in zip(label, angle, strict=True)
        ]
    )
    total = np.sum((x - x.mean(axis=0)) ** 2)
    truth = [
        np.sum((a - b) ** 2) / total
        for a, b in ((digit, x.mean(axis=0)), (cell, digit), (x, cell))
    ]
    np.testing.assert_allclose(variance_shares(x, label, angle), truth, rtol=1e-6)
