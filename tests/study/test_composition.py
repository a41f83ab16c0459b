import numpy as np
import pytest
import scipy.stats

import jfacemap as jfm


r = np.random.default_rng(0)
dims = 5, 7, 4
seen = r.normal(size=(80, 4))
rows = [
    np.float32(seen @ r.normal(size=(4, d)) + 0.4 * r.normal(size=(80, d)) + 2)
    for d in dims
]
fitted, held = [x[:50] for x in rows], [x[50:] for x in rows]


@pytest.mark.parametrize("kind", ("linear", "affine", "rotation"))
def test_errors_are_those_of_the_rows(kind):
    maps = jfm.fit_all_pairs(jfm.joint_moments(fitted), kind)
    ours = jfm.composition_errors(maps, jfm.joint_moments(held))
    direct = jfm.pair_residuals(maps, jfm.joint_moments(held))
    np.testing.assert_allclose(direct, ours.direct, rtol=1e-6, atol=1e-12)
    act = lambda m, x: np.asarray(m(np.float32(x)), np.float64)
    energy = [((x - np.float64(x).mean(axis=0)) ** 2).sum() for x in held]
    for a in range(3):
        for c in range(3):
            straight = act(maps[a, c], held[a])
            error = ((straight - held[c]) ** 2).sum() / energy[c]
            np.testing.assert_allclose(ours.direct[a, c], error, rtol=1e-4, atol=1e-8)
            for b in range(3):
                way = act(maps[b, c], act(maps[a, b], held[a]))
                error = ((way - held[c]) ** 2).sum() / energy[c]
                np.testing.assert_allclose(
                    ours.through[a, b, c], error, rtol=1e-4, atol=1e-8
                )
                apart = ((way - straight) ** 2).sum() / energy[c]
                np.testing.assert_allclose(ours.apart[a, b, c], apart, rtol=1e-4, atol=1e-8)
    assert ours.cycle[0, 2] == ours.through[0, 2, 0]
    assert np.asarray(ours.apart).max() > 0.01


def test_maps_of_turned_copies_compose_and_return():
    x = np.float32(r.normal(size=(60, 5)))
    turns = [np.float32(scipy.stats.ortho_group.rvs(5, random_state=s)) for s in range(3)]
    joint = jfm.joint_moments([x @ t for t in turns])
    errors = jfm.composition_errors(jfm.fit_all_pairs(joint, "affine"), joint)
    for table in (errors.direct, errors.through, errors.apart, errors.cycle):
        np.testing.assert_allclose(table, 0, atol=1e-9)


def test_says_what_does_not_fit(unchecked_types):
    maps = jfm.fit_all_pairs(jfm.joint_moments(fitted), "rotation")
    with pytest.raises(ValueError, match=r"Maps join widths \(5, 7, 4\)"):
        jfm.composition_errors(maps, jfm.joint_moments(held[:2]))
