from types import SimpleNamespace

import numpy as np
import pytest

import jfacemap as jfm

from ..helpers import least_squares


r = np.random.default_rng(0)
draw = lambda *shape: np.float32(r.normal(size=shape))
heads = [jfm.Head(draw(d, 4), draw(4)) for d in (7, 6)]
splits = [jfm.head_split(h) for h in heads]
code = draw(200, 5)
rows = [code @ draw(5, d) + np.float32(0.3) * draw(200, d) + 1 for d in (7, 6)]
fitted, held = ([x[:120] for x in rows], [x[120:] for x in rows])
moments = [jfm.joint_moments(x, names=("a", "b")) for x in (fitted, held)]


def truth(fit, test, bases, ridge):
    """R^2 of float64 least squares on the rows themselves, turned."""
    (x, y), (u, v) = fit, test
    parts = [np.asarray(s, np.float64) for s in (bases[0].seen, bases[0].unseen)]
    parts.append(np.concatenate(parts, axis=1))
    r2 = np.zeros((3, 2))
    for i, basis in enumerate(parts):
        for j, wanted in enumerate((bases[1].seen, bases[1].unseen)):
            wanted = np.asarray(wanted, np.float64)
            weight, bias = least_squares(x @ basis, y @ wanted, ridge=ridge, centred=True)
            left = v @ wanted - (u @ basis @ weight + bias)
            spread = v @ wanted - (v @ wanted).mean(axis=0)
            r2[i, j] = 1 - (left**2).sum() / (spread**2).sum()
    return r2


def test_r2_is_that_of_the_rows():
    ridges = np.float32([0.0, 20.0])
    ours = jfm.shared_parts(*moments, splits, "a", "b", ridge=ridges).r2
    for r2, ridge in zip(ours, ridges, strict=True):
        np.testing.assert_allclose(r2, truth(fitted, held, splits, ridge), atol=2e-5)


def test_redundant_classes_leave_more_unseen():
    """Bases of NumPy's: R^2 does not depend on which ones span the two parts."""
    weights = [np.concatenate([draw(d, 2)] * 2, axis=1) for d in (7, 6)]
    bases = []
    for w in weights:
        u = np.linalg.svd(np.float64(w))[0]
        bases.append(SimpleNamespace(seen=u[:, :2], unseen=u[:, 2:]))
    ours = jfm.shared_parts(
        *moments, [jfm.head_split(jfm.Head(w, draw(4))) for w in weights], 0, 1
    )
    np.testing.assert_allclose(ours.r2, truth(fitted, held, bases, 0.0), atol=2e-5)


def test_what_only_the_unseen_share_is_found():
    """Seen parts are independent of all; the target's unseen are among the source's."""
    hidden = draw(200, 3)
    code = [np.concatenate([draw(200, 4), hidden[:, : d - 4]], axis=1) for d in (7, 6)]
    flat = [jfm.head_split(jfm.Head(np.eye(d, 4, dtype=np.float32), draw(4)))
            for d in (7, 6)]  # fmt: skip
    joint = [jfm.joint_moments([x[rows] for x in code], names=("a", "b"))
             for rows in (slice(120), slice(120, None))]  # fmt: skip
    r2 = jfm.shared_parts(*joint, flat, 0, 1, ridge=np.float32([0, 1])).r2
    r2 = np.asarray(r2[0])
    np.testing.assert_allclose(r2[1:, 1], 1, atol=1e-5)
    assert r2[0].max() < 0.1 and r2[:, 0].max() < 0.1


def test_a_head_that_sees_all_leaves_nothing(unchecked_types):
    full = [jfm.head_split(jfm.Head(draw(d, 9), draw(9))) for d in (7, 6)]
    r2 = np.asarray(jfm.shared_parts(*moments, full, 0, 1).r2)
    assert np.isnan(r2[1]).all() and np.isnan(r2[:, 1]).all()
    np.testing.assert_allclose(r2[0, 0], r2[2, 0], atol=1e-5)
    with pytest.raises(ValueError, match=r"heads take widths \(6, 7\)"):
        jfm.shared_parts(*moments, splits[::-1], 0, 1)
