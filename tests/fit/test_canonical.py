import numpy as np
import pytest
import scipy.linalg

import jfacemap as jfm


r = np.random.default_rng(0)
dims = 6, 8, 5
seen = r.normal(size=(300, 5)) * np.geomspace(2, 0.5, 5)
turns = [scipy.stats.ortho_group.rvs(d, random_state=d)[:5] for d in dims]
clean = [np.float32(3 * seen @ t + r.normal(size=t.shape[1])) for t in turns]
noisy = [np.float32(x + 0.3 * r.normal(size=x.shape)) for x in clean]
names = "a", "b", "c"


def fit(rows, kind="rotation", **options):
    return jfm.fit_canonical(jfm.joint_moments(rows, names=names), kind, **options)


def scaled(rows):
    """Float64, centred, of variance 1 in all."""
    rows = [np.float64(x) - np.float64(x).mean(axis=0) for x in rows]
    return [x / np.sqrt((x**2).sum() / len(x)) for x in rows]


def generalised_procrustes(rows, dim, sweeps=300):
    """On rows padded to one width, in turn, from random starts: the best sum found."""
    rows = scaled(rows)
    best = -np.inf
    for seed in range(5):
        start = [
            scipy.stats.ortho_group.rvs(max(dim, x.shape[1]), random_state=seed + i)
            for i, x in enumerate(rows)
        ]
        turned = [x @ s[: x.shape[1], :dim] for x, s in zip(rows, start, strict=True)]
        for _ in range(sweeps):
            for i, x in enumerate(rows):
                u, _, vt = np.linalg.svd(x.T @ (sum(turned) - turned[i]), False)
                turned[i] = x @ (u @ vt)
        total = sum(np.sum(a * b) for i, a in enumerate(turned) for b in turned[:i])
        best = max(best, total / len(rows[0]))
    return best


@pytest.mark.parametrize("dim", (8, 3))
def test_rotations_reach_what_a_loop_over_rows_does(dim):
    space = fit(noisy, dim=dim)
    table = np.asarray(space.agreement, np.float64)
    ours = (table.sum() - np.trace(table)) / 2
    true = generalised_procrustes(noisy, dim)
    assert space.converged and space.steps < 200
    assert ours == pytest.approx(true, rel=1e-5)
    if dim == 3:  # where the first guess is not yet the end
        assert fit(noisy, dim=dim, max_steps=0).agreement.sum() < table.sum() - 1e-4


def test_the_fields_are_those_of_the_rows():
    space = fit(noisy)
    z = [np.asarray(m(x), np.float64) for m, x in zip(space.encoders, noisy, strict=True)]
    agreement = np.array([[np.mean(np.sum(a * b, axis=1)) for b in z] for a in z])
    np.testing.assert_allclose(space.agreement, agreement, atol=1e-5)
    gaps = [[np.sqrt(np.mean(np.sum((a - b) ** 2, axis=1))) for b in z] for a in z]
    np.testing.assert_allclose(space.distances, gaps, atol=1e-3)
    consensus = np.mean(z, axis=0)
    left = [np.sum((a - consensus) ** 2) / np.sum(a**2) for a in z]
    np.testing.assert_allclose(space.residual, left, atol=1e-5)
    second = consensus.T @ consensus / 300
    np.testing.assert_allclose(second, np.diag(space.spectrum), atol=1e-5)
    joint = jfm.joint_moments(noisy)
    np.testing.assert_allclose(jfm.canonical_agreement(space, joint), agreement, atol=1e-5)
    half = jfm.joint_moments([x[::2] for x in noisy])
    true = [[np.mean(np.sum((a * b)[::2], axis=1)) for b in z] for a in z]
    np.testing.assert_allclose(jfm.canonical_agreement(space, half), true, atol=1e-5)


def test_turned_copies_of_one_space_become_one():
    """The theorem of a canonical space: nothing is left, and all routes are exact."""
    space = fit(clean)
    np.testing.assert_allclose(space.residual, 0, atol=1e-5)
    np.testing.assert_allclose(space.spectrum[5:], 0, atol=1e-5)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            np.testing.assert_allclose(space.route(a, b)(clean[i]), clean[j], atol=2e-4)


def test_correlation_finds_what_all_share():
    """Mixed by any maps, not rotations: N along three shared axes, 1 beyond."""
    rows = []
    for d in dims:
        own = np.concatenate([seen[:, :3], r.normal(size=(300, d - 3))], axis=1)
        rows.append(np.float32(own @ r.normal(size=(d, d)) + 1))
    space = fit(rows, "correlation")
    np.testing.assert_allclose(space.spectrum[:3], 3, atol=1e-4)
    assert np.all(space.spectrum[3:] < 1.5)


def test_correlation_solves_its_eigenproblem():
    """Against scipy's generalised one, S v = lambda (blockdiag(S) + ridge) v."""
    rows = [np.float64(x) - np.float64(x).mean(axis=0) for x in noisy]
    z = np.concatenate(rows, axis=1)
    for ridge in (0.0, 30.0):
        blocks = scipy.linalg.block_diag(*(x.T @ x for x in rows))
        true = scipy.linalg.eigh(z.T @ z, blocks + ridge * np.eye(19), eigvals_only=True)
        space = fit(noisy, "correlation", ridge=ridge)
        np.testing.assert_allclose(space.spectrum, true[::-1][:5], atol=1e-5)
        sum_ = sum(m(x) for m, x in zip(space.encoders, noisy, strict=True))
        second = np.asarray(sum_, np.float64).T @ np.asarray(sum_, np.float64) / 300
        off = second - np.diag(np.diag(second))
        assert np.abs(off).max() < (1e-4 if ridge == 0 else 10)
        if ridge == 0:  # the sum of encodings is lambda times unit variates
            np.testing.assert_allclose(np.diag(second), true[::-1][:5] ** 2, rtol=1e-5)


def test_routes_by_correlation_predict_as_least_squares_do():
    """From one model to another through the unit variates, near the best affine map."""
    joint = jfm.joint_moments(noisy, names=names)
    space = jfm.fit_canonical(joint, "correlation")
    pair = joint.pair("a", "b")
    direct = float(jfm.map_residual(jfm.solve_affine(pair), pair))
    through = float(jfm.map_residual(space.route("a", "b"), pair))
    assert direct <= through < 1.2 * direct < 0.5


def test_a_model_without_variance_makes_nan():
    dull = [*noisy[:2], np.ones((300, 5), np.float32)]
    assert np.isnan(np.asarray(fit(dull).agreement)).any()
    assert np.isnan(np.asarray(fit(dull, "correlation").spectrum)).any()


def test_says_what_is_wrong(unchecked_types):
    joint = jfm.joint_moments(noisy)
    for options, match in (
        ({"kind": "affine"}, "one of rotation, correlation; got 'affine'"),
        ({"dim": 9}, r"has from 1 to 8 dimensions; got dim=9"),
        ({"ridge": 1.0}, "Rotations take no ridge"),
        ({"kind": "correlation", "ridge": -1.0}, "from 0 on; got -1"),
    ):
        with pytest.raises(ValueError, match=match):
            jfm.fit_canonical(joint, **options)
    with pytest.raises(ValueError, match="two models or more"):
        jfm.fit_canonical(jfm.joint_moments(noisy[:1]))
    with pytest.raises(ValueError, match="joins widths"):
        jfm.canonical_agreement(fit(noisy), jfm.joint_moments(noisy[:2]))
    with pytest.raises(KeyError, match="No model 'z'"):
        fit(noisy).encoder("z")
