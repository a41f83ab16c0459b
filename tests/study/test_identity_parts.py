import numpy as np
import pytest

import jfacemap as jfm


def spaces(n=60):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 9, n).astype(str)
    return [np.float32(rng.normal(size=(n, d)) + 1) for d in (5, 4)], label


def test_means_and_deviations():
    (x, _), label = spaces()
    parts = jfm.identity_parts([x], label)
    for i, who in enumerate(np.unique(label)):
        mine = x[label == who]
        np.testing.assert_allclose(parts.between[0][i], mine.mean(0), atol=1e-6)
        np.testing.assert_allclose(
            parts.within[0][label == who], mine - mine.mean(0), atol=1e-6
        )
        assert parts.count[i] == len(mine)


@pytest.mark.parametrize("kind", ("linear", "rotation"))
def test_their_products_sum_to_those_of_the_rows(kind):
    (x, y), label = spaces()
    parts = jfm.identity_parts([x, y], label)
    count = parts.count.astype(np.float32)
    both = jfm.merge(
        jfm.pair_moments(*parts.between, count), jfm.pair_moments(*parts.within)
    )
    solve = getattr(jfm, f"solve_{kind}")
    ours, theirs = (solve(m).as_affine().weight for m in (both, jfm.pair_moments(x, y)))
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_one_image_a_person_has_no_deviation():
    (x, _), _ = spaces()
    parts = jfm.identity_parts([x], np.arange(60))
    np.testing.assert_array_equal(parts.between[0], x)
    assert not parts.within[0].any()


def test_a_label_short(unchecked_types):
    (x, _), label = spaces()
    with pytest.raises(ValueError, match=r"Labels \(59,\) are not one a row of \(60, 5\)"):
        jfm.identity_parts([x], label[1:])
