import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.study.rank import rank_path


def spaces(dims=(7, 5), n=80):
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(n, 6))
    mix = lambda d: latent @ rng.normal(size=(6, d)) + 0.5 * rng.normal(size=(n, d))
    return [np.float32(mix(d)) for d in dims]


@pytest.mark.parametrize("rank", (1, 3))
@pytest.mark.parametrize("pair", ((0, 1), (1, 0)))
def test_no_map_of_that_rank_is_nearer(rank, pair):
    rows = spaces()
    x, y = (np.float64(rows[i]) for i in pair)
    ours = rank_path(jfm.joint_moments(rows)).at(rank)[pair]
    mapped = x @ np.linalg.lstsq(x, y, rcond=None)[0]  # Eckart & Young on what x can say
    u, s, v = np.linalg.svd(mapped, full_matrices=False)
    best = (u[:, :rank] * s[:rank]) @ v[:rank]
    np.testing.assert_allclose(ours(x.astype(np.float32)), best, atol=2e-5)
    assert np.linalg.matrix_rank(np.asarray(ours.as_affine().weight), tol=1e-4) == rank


def test_the_last_rank_is_the_least_squares_map():
    rows = spaces()
    joint = jfm.joint_moments(rows)
    whole, cut = jfm.fit_all_pairs(joint, "linear"), rank_path(joint).at(7)
    for i, j in np.ndindex(2, 2):
        np.testing.assert_allclose(
            cut[i, j].as_affine().weight, whole[i, j].as_affine().weight, atol=1e-5
        )


def test_all_ranks_are_one_program():
    path = rank_path(jfm.joint_moments(spaces()))
    weights = jax.vmap(lambda r: path.at(r)[0, 1].as_affine().weight)(np.arange(1, 4))
    np.testing.assert_allclose(weights[2], path.at(3)[0, 1].as_affine().weight, atol=1e-6)
