import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.study.attribute_groups import celeba_groups
from jfacemap.study.attribute_probe import apply_probes, deal_people, probe_attributes
from jfacemap.study.triplet import fit_triplet


rng = np.random.default_rng(0)
people = np.repeat(np.arange(24), 8)
n = len(people)
who = rng.normal(size=(24, 6))[people]
smile, hat = rng.choice([-1, 1], n), rng.choice([-1, 1], n)
x = np.concatenate([who, smile[:, None] * 1.5, rng.normal(size=(n, 3))], axis=1)
x = np.float32(x + rng.normal(size=x.shape) * 0.3)
labels = np.stack([np.where(who[:, 0] > 0, 1, -1), smile, hat], axis=1)
splits = deal_people(np.random.default_rng(1), people)
grid = np.float32([0.1, 10.0])


def test_people_are_kept_apart_and_every_row_is_tested_once():
    assert (np.sum([s.test for s in splits], axis=0) == 1).all()
    for split in splits:
        assert (np.sum(split, axis=0) == 1).all()
        groups = [set(people[mask]) for mask in split]
        assert sum(map(len, groups)) == len(set(people))
    with pytest.raises(ValueError, match="there are 2"):
        deal_people(np.random.default_rng(0), people[:16])


def test_what_is_there_is_read_and_what_is_not_is_not():
    found = probe_attributes(x, labels, splits, grid, people)
    errors = found.errors.false_negative.rate
    assert errors[0] < 0.2 and errors[1] < 0.05 and 0.3 < errors[2] < 0.7
    assert (found.predicted != 0).all() and found.penalty.shape == (4, 3)
    one_by_one = probe_attributes([x] * 4, labels, splits, grid, people)
    assert np.mean(found.predicted == one_by_one.predicted) > 0.99
    again = apply_probes(found.svms, [x] * 4, splits)
    np.testing.assert_array_equal(again, found.predicted)


def test_an_attribute_that_training_rows_all_have():
    constant = labels.copy()
    constant[splits[0].train, 2] = 1
    found = probe_attributes(x, constant, splits[:1], grid, people)
    assert not found.predicted[:, 2].any() and np.isnan(found.errors.false_positive.rate[2])


def test_triplets_keep_who_and_lose_what():
    m = fit_triplet(jr.key(0), x, people, 6, steps=400)
    assert m.weight.shape == (10, 6)
    z = np.asarray(jfm.unit(m(x)))
    genuine, valid = jfm.label_pairs(people)
    tar = lambda rows: float(
        jfm.tar_at_far(jfm.score_all(rows, rows), genuine, [1e-2], valid=valid).tar[0]
    )
    assert tar(z) > tar(np.asarray(jfm.unit(x))) + 0.05
    size = np.linalg.norm(m.weight, axis=1)
    assert size[6:].max() < 0.6 * size[:6].max()  # smile and noise
    with pytest.raises(ValueError, match="two people"):
        fit_triplet(jr.key(0), x[:8], people[:8], 2)


def test_groups_of_all_forty():
    assert len(celeba_groups) == 40
    stated = {name for name, (_, stated) in celeba_groups.items() if stated}
    assert {"Male", "Pointy_Nose", "Bald", "Smiling", "Gray_Hair"} <= stated
    assert len(stated) == 13
