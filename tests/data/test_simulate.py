"""The simulation has the published counts, and rows that do not depend on batches."""

import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.data.simulate import simulate_ijb
from jfacemap.data.simulate_protocol import simulate_protocol


key = jax.random.key(0)


@pytest.fixture(scope="module")
def world():
    return simulate_ijb(key, scale=0.02, models=3, width=(16, 24, 16))


def test_full_size_has_the_counts_of_ijbc():
    protocol, person, noise = simulate_protocol(np.random.default_rng(0), 1.0)
    assert protocol.counts == {
        "images": 469_375,
        "templates": 23_124,
        "pairs": 15_658_489,
        "genuine pairs": 19_557,
        "impostor pairs": 15_638_932,
        "images of galleries": 11_856,
        "images of probes": 457_519,
        "templates of G1": 1_772,
        "templates of G2": 1_759,
        "templates of probes": 19_593,
    }
    assert person.shape == noise.shape == (469_375,)


def test_pairs_are_gallery_by_probe_and_labels_follow_subjects(world):
    p = world.protocol
    gallery = np.concatenate([r.template for r in p.galleries.values()])
    assert np.isin(p.pairs[:, 0], gallery).all()
    assert np.isin(p.pairs[:, 1], p.probes.template).all()
    left, right = p.subject_of(p.pairs[:, 0]), p.subject_of(p.pairs[:, 1])
    np.testing.assert_array_equal(left == right, p.genuine)
    assert len(np.unique(p.pairs, axis=0)) == p.n_pairs


def test_rows_are_the_same_however_they_are_cut(world):
    for model in range(3):
        whole = world.embeddings(model)
        assert whole.shape == (world.protocol.n_images, world.dims[model])
        for start, stop in ((0, 1), (4000, 4200), (4096, 8192), (100, 9000)):
            np.testing.assert_array_equal(world.rows(model, start, stop), whole[start:stop])


def test_one_key_one_world(world):
    again = simulate_ijb(key, scale=0.02, models=3, width=(16, 24, 16))
    other = simulate_ijb(jax.random.key(1), scale=0.02, models=3, width=(16, 24, 16))
    np.testing.assert_array_equal(again.embeddings(1), world.embeddings(1))
    np.testing.assert_array_equal(again.protocol.pairs, world.protocol.pairs)
    assert not np.array_equal(other.rows(1, 0, 5), world.rows(1, 0, 5))


def test_a_better_model_verifies_better_and_a_map_carries_over(world):
    """Native TAR falls from the first model to the last; a map beats none."""
    plan, fars = jfm.plan_verification(world.protocol), [1e-2]
    spaces = [world.embeddings(i) for i in range(3)]
    identity = [jfm.identity_map(d) for d in world.dims]
    native = [
        jfm.verify_map(identity[i], spaces[i], spaces[i], plan, fars=fars).tar.tar[0]
        for i in (0, 2)
    ]
    assert native[0] > native[1] > 0.1
    a, b = (jfm.unit(spaces[i][plan.rows[0]]) for i in (0, 2))
    mapped = jfm.verify_map(jfm.fit_linear(a, b), spaces[0], spaces[2], plan, fars=fars)
    none = jfm.verify_map(identity[0], spaces[0], spaces[2], plan, fars=fars)
    assert mapped.tar.tar[0] > 3 * none.tar.tar[0]


def test_bad_widths_are_refused():
    with pytest.raises(ValueError, match="3 models need one positive width, or one each"):
        simulate_ijb(key, scale=0.01, models=3, width=(8, 8))
