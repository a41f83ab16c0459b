import numpy as np
import pytest

import jfacemap as jfm


def models(dims=(4, 7), m=9, n=12, seed=0):
    rng = np.random.default_rng(seed)
    rows = lambda n, d: np.float32(rng.normal(size=(n, d)))
    side = lambda n: [jfm.Templates(np.arange(n), rows(n, d)) for d in dims]
    return side(m), side(n)


def test_the_score_is_the_mean_of_z_normalised_scores():
    galleries, probes = models()
    fused = jfm.fuse_models(galleries, probes)
    ours = fused.probes.vectors @ fused.gallery.vectors.T
    truth = []
    for g, p in zip(galleries, probes, strict=True):
        s = np.float64(p.vectors) @ np.float64(g.vectors).T
        truth.append((s - s.mean(axis=1, keepdims=True)) / s.std(axis=1, keepdims=True))
    np.testing.assert_allclose(ours, np.mean(truth, axis=0), atol=1e-5)


def test_one_model_fused_ranks_as_it_did():
    (gallery, _), (probes, _) = models()
    fused = jfm.fuse_models([gallery], [probes])
    who = np.arange(9), np.arange(12)
    alone, again = (
        jfm.identify(g, p, *who)
        for g, p in ((gallery, probes), (fused.gallery, fused.probes))
    )
    np.testing.assert_array_equal(alone.rank, again.rank)


def test_a_probe_that_tells_nothing_scores_zero():
    galleries, probes = models()
    blind = jfm.Templates(np.arange(12), np.zeros_like(probes[0].vectors))
    both, one = jfm.fuse_models(galleries, [blind, probes[1]]), galleries[1]
    ours = both.probes.vectors @ both.gallery.vectors.T
    s = np.float64(probes[1].vectors) @ np.float64(one.vectors).T
    z = (s - s.mean(axis=1, keepdims=True)) / s.std(axis=1, keepdims=True)
    np.testing.assert_allclose(ours, z / 2, atol=1e-5)


def test_bad_input_is_refused():
    galleries, probes = models()
    with pytest.raises(ValueError, match="2 galleries but 1 sets of probes"):
        jfm.fuse_models(galleries, probes[:1])
    other = jfm.Templates(np.arange(9) + 1, galleries[1].vectors)
    with pytest.raises(ValueError, match="the same templates in one order"):
        jfm.fuse_models([galleries[0], other], probes)
