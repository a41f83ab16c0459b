"""Who is who in the attacks on the bundled faces."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
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


def test_a_share_of_the_pairs_shows_two_people():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(20), 10)
    for share in (0.0, 0.25, 1.0):
        order = reidentification.swap_some(share)(rng, label)
        assert sorted(order) == list(range(200))
        assert np.mean(label[order] != label) == np.mean(order != np.arange(200)) == share
    with pytest.raises(ValueError, match="has 9 of 12 images"):
        reidentification.swap_some(1.0)(rng, np.repeat([0, 1], [9, 3]))


@pytest.mark.parametrize("share", (0.1, 0.5))
def test_pairs_an_attack_is_fitted_on_are_wrong_as_often_as_it_says(monkeypatch, share):
    """Each row holds who and which it is; what is fitted on is looked at."""
    label = np.repeat(np.arange(25), 8)
    rows = jnp.stack([jnp.asarray(label), jnp.arange(200)], axis=1).astype(jnp.float32)
    collection = reidentification.Collection(
        [rows] * 3, ("a", "b", "c"), label, label * 0, label < 0, {}, {}
    )
    plan = jfm.AttackPlan(
        label, np.arange(160), np.arange(160, 200, 2), np.arange(161, 200, 2)
    )
    used, seen = np.arange(160) < 100, []

    def fit(kind, rows, used, names, ridge):
        seen.append([np.asarray(x) for x in rows])
        which = jfm.LinearMap(jnp.full((1, 1), len(seen) - 1, jnp.float32))
        return jfm.PairMaps(((which,) * 3,) * 3, names)

    monkeypatch.setattr(reidentification, "fit", fit)
    monkeypatch.setattr(reidentification, "search", lambda maps, *_: maps)
    pairing = reidentification.swap_some(share)
    maps = reidentification.attack(
        collection, plan, used, "rotation", reidentification.Config(), centred=False,
        pairing=pairing,
    )  # fmt: skip
    for i, j in np.ndindex(3, 3):
        if i == j:
            continue  # the attacker owns the target
        target, attacker = (seen[int(maps[i, j].weight[0, 0])][k] for k in (i, j))
        wrong = target[:, 0] != attacker[:, 0]
        assert np.mean(wrong[used]) == share and not wrong[~used].any()
        np.testing.assert_array_equal(attacker, rows[plan.leaked])


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


def test_ridges_of_linkage_are_chosen_on_known_people_alone():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(30), 4)
    people = rng.normal(size=(30, 6))[label] + 0.5 * rng.normal(size=(120, 6))
    spaces = [np.float32(people @ rng.normal(size=(6, d))) for d in (5, 5)]
    collection = reidentification.Collection(
        [jfm.unit(jnp.asarray(x)) for x in spaces],
        ("a", "b"),
        label,
        label,
        label < 0,
        {},
        {},
    )
    known = linkage.deal(rng, label, np.arange(20), 2)
    config = linkage.Config(ridges=(1e-3, 1e3))
    assert linkage.pick_ridges(collection, known, config) == (1e-3, 1e-3)
    blind = [x.at[label >= 20].set(jnp.nan) for x in collection.spaces]
    unseen = dataclasses.replace(collection, spaces=blind)
    assert linkage.pick_ridges(unseen, known, config) == (1e-3, 1e-3)
