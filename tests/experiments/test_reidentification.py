"""Who is who in the attacks on the bundled faces."""

import numpy as np
import pytest

from experiments import linkage, reidentification


@pytest.fixture(scope="module")
def faces():
    return reidentification.load_faces()


def test_parts_are_disjoint_and_lfw_only_fills_the_gallery(faces):
    for seed in range(3):
        plan = reidentification.make_plan(faces, seed)
        fillers = np.flatnonzero(faces.only_distractors)
        assert np.isin(fillers, plan.gallery).all()
        assert not np.isin(fillers, np.concatenate([plan.leaked, plan.probes])).any()
        mated = np.isin(plan.label[plan.probes], plan.label[plan.gallery])
        assert plan.gallery_size == 42 and (mated.sum(), (~mated).sum()) == (120, 120)
        assert np.unique(plan.label[plan.leaked]).size == 34


def test_a_share_of_the_pairs_is_swapped():
    rng = np.random.default_rng(0)
    for share in (0.0, 0.25, 1.0):
        order = reidentification.swap_some(share)(rng, 200)
        assert sorted(order) == list(range(200))
        assert np.mean(order != np.arange(200)) == share


def test_no_image_is_in_two_sources_and_no_person_on_both_sides(faces):
    rng = np.random.default_rng(0)
    label, strata = faces.label, np.asarray(faces.only_distractors)
    people = linkage.split_people(rng, label, strata)
    assert len(people) == 39 + 5
    parts = linkage.deal(rng, label, people, 6)
    assert len({len(part) for part in parts}) == 1
    rows = np.concatenate(parts)
    assert len(np.unique(rows)) == rows.size and np.isin(label[rows], people).all()
    known = [np.unique(label[part]).size for part in parts]
    assert min(known) == len(people)
