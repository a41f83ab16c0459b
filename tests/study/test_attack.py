import dataclasses
import functools as ft

import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap import defences


key = jax.random.key(0)


def collection(seed=0, people=60, images=6, dims=(12, 12, 16), noise=0.4):
    """Rows of models that see the same latent faces, each in its own way."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(people), images)
    faces = rng.normal(size=(people, 10))[label]
    faces = faces + noise * rng.normal(size=faces.shape)

    def embed(d):
        turn = np.linalg.qr(rng.normal(size=(max(d, 10), max(d, 10))))[0][:10, :d]
        return np.float32(faces @ turn + 0.1 * rng.normal(size=(label.size, d)))

    return [embed(d) for d in dims], label


def planned(label, **changes):
    parts = {"victims": 12, "distractors": 8, "strangers": 10} | changes
    return jfm.plan_attack(key, label, **parts)


def test_nobody_has_two_parts():
    _, label = collection()
    plan = planned(label, images=4)
    leaked, gallery, probes = (
        set(label[r]) for r in (plan.leaked, plan.gallery, plan.probes)
    )
    assert len(gallery) == plan.gallery_size == 20 and len(probes) == 22
    assert len(gallery & probes) == 12 and not leaked & (gallery | probes)
    assert len(leaked) == 30 and plan.leaked.size == 180
    assert not set(plan.gallery) & set(plan.probes)
    _, count = np.unique(label[plan.probes], return_counts=True)
    assert sorted(count) == [2] * 12 + [4] * 10
    assert plan.chance(5) == 0.25 and plan.chance(50) == 1
    again = planned(label, images=4)
    np.testing.assert_array_equal(plan.probes, again.probes)


def test_people_with_one_image_are_no_victims():
    label = np.concatenate([np.arange(40), np.arange(12)])
    plan = planned(label)
    victims = set(label[plan.probes]) & set(label[plan.gallery])
    assert victims == set(range(12))


def test_it_is_a_fit_a_map_and_a_search():
    (x, y, _), label = collection()
    plan = planned(label)
    found = jfm.leaked_pairs_attack(x, y, plan, fit=jfm.fit_linear, centred=False)
    unit = lambda rows: rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    x, y = unit(np.float64(x)), unit(np.float64(y))
    weight = np.linalg.lstsq(x[plan.leaked], y[plan.leaked], rcond=None)[0]
    people = np.unique(label[plan.gallery])
    of = lambda p: y[plan.gallery][label[plan.gallery] == p].mean(axis=0)
    gallery = unit(np.stack([of(p) for p in people]))
    scores = unit(x[plan.probes] @ weight) @ gallery.T
    for row, who, rank in zip(scores, label[plan.probes], found.rank, strict=True):
        mate = row[people == who]
        assert rank == (np.sum(row >= mate[0]) if mate.size else 0)
    best = scores.max(axis=1)[~found.mated]
    np.testing.assert_allclose(found.best_score[~found.mated], best, atol=1e-5)


def test_pairs_betray_people_who_are_not_in_them_and_random_pairs_do_not():
    (x, y, z), label = collection()
    plan = planned(label)
    rate = lambda *args, **options: jfm.leaked_pairs_attack(*args, **options).hit_rate(1)
    owned, attacked = rate(x, x, plan), rate(x, y, plan)
    assert owned > 0.8 and attacked > owned - 0.1
    wrong = y.copy()
    wrong[plan.leaked] = y[np.random.default_rng(0).permutation(plan.leaked)]
    assert rate(x, wrong, plan) < 0.3
    ridge = ft.partial(jfm.fit_linear, ridge=1.0)
    assert rate(x, y, plan, fit=ridge) > owned - 0.1
    few = plan.leaking(plan.leaked[::30])
    with pytest.warns(UserWarning, match="do not determine"):
        assert plan.chance() < rate(x, y, few) < attacked
    assert rate(x, [y, z], plan) >= attacked - 0.02


def test_probes_and_leaked_rows_alone_are_used():
    (x, y, _), label = collection()
    plan = planned(label)
    found = jfm.leaked_pairs_attack(x, y, plan)
    x[plan.gallery], y[plan.probes] = np.nan, np.nan
    blind = jfm.leaked_pairs_attack(x, y, plan)
    np.testing.assert_array_equal(found.rank, blind.rank)
    np.testing.assert_array_equal(found.tpir_at_fpir, blind.tpir_at_fpir)


@pytest.mark.parametrize("fit", ("linear", "ridge", "rotation"))
def test_a_system_wide_rotation_changes_nothing_for_who_refits(fit):
    """Theorem: every fit here is equivariant under a rotation of its source."""
    (x, y, _), label = collection()
    plan = planned(label)
    fits = {
        "linear": jfm.fit_linear,
        "ridge": ft.partial(jfm.fit_linear, ridge=0.5),
        "rotation": ft.partial(jfm.fit_rotation, reflection=True),
    }
    turned = defences.Rotate(jax.random.key(7))(x, label)
    assert np.abs(np.asarray(turned) - x).max() > 0.5
    plain, refitted = (
        jfm.leaked_pairs_attack(rows, y, plan, fit=fits[fit]) for rows in (x, turned)
    )
    np.testing.assert_array_equal(plain.rank, refitted.rank)
    np.testing.assert_allclose(plain.best_score, refitted.best_score, atol=1e-4)
    scores = [jfm.score_all(r, r) for r in (x, turned)]
    np.testing.assert_allclose(*scores, atol=1e-5)  # and nothing for the system


def test_keys_of_users_fall_to_pairs_of_their_user_alone():
    (x, y, _), label = collection(noise=0.2)
    plan = planned(label)
    keyed = np.asarray(defences.UserKeys(jax.random.key(3))(x, label))
    assert jfm.leaked_pairs_attack(keyed, y, plan).hit_rate(1) < 0.2
    victim = np.intersect1d(label[plan.probes], label[plan.gallery])[0]
    rows = plan.probes[label[plan.probes] == victim]
    m = jfm.fit_few_rows([keyed[rows[:2]], y[rows[:2]]], "rotation")[0, 1]
    alone = dataclasses.replace(plan, probes=rows[2:])
    assert jfm.identify_mapped(m, keyed, y, alone).hit_rate(1) == 1


@pytest.mark.usefixtures("unchecked_types")
def test_every_model_has_the_rows_of_the_plan():
    (x, y, _), label = collection()
    plan, m = planned(label), jfm.identity_map(12)
    for rows in ((x[:300], y), (x, y[:300]), (x, [y, y[:300]])):
        with pytest.raises(ValueError, match=r"has 360 rows, but the .* are \(300, 12\)"):
            jfm.leaked_pairs_attack(*rows, plan)
    with pytest.raises(ValueError, match=r"the attacker's embeddings are \(300, 12\)"):
        jfm.identify_mapped(m, x, y[:300], plan)


def test_maps_and_models_must_match():
    (x, y, z), label = collection()
    plan, m = planned(label), jfm.identity_map(12)
    with pytest.raises(ValueError, match="1 maps into 2 models"):
        jfm.identify_mapped(m, x, [y, z], plan)
    with pytest.raises(ValueError, match="ends in width 12, the attacker's model has 16"):
        jfm.identify_mapped(m, x, z, plan)


@pytest.mark.usefixtures("unchecked_types")
def test_bad_plans_are_refused():
    label = np.repeat(np.arange(10), 2)
    rows = np.arange(20)
    with pytest.raises(ValueError, match="Person 2 is leaked, and searched"):
        jfm.AttackPlan(label, rows[:6], rows[5:10], rows[10:])
    with pytest.raises(ValueError, match="Row 9 is in the gallery and a probe"):
        jfm.AttackPlan(label, rows[:4], rows[5:10], rows[9:])
    with pytest.raises(ValueError, match="leave nobody to leak: there are 10 people"):
        jfm.plan_attack(key, label, victims=5, distractors=3, strangers=2)
    with pytest.raises(ValueError, match="0 of them with two images or more"):
        jfm.plan_attack(key, rows, victims=5, distractors=3, strangers=2)
    with pytest.raises(ValueError, match="at least one victim"):
        jfm.plan_attack(key, label, victims=0, distractors=3, strangers=2)
    few = {"victims": 2, "distractors": 2, "strangers": 2}
    with pytest.raises(ValueError, match="images is 2 or more; got 1"):
        jfm.plan_attack(key, label, **few, images=1)
    with pytest.raises(ValueError, match=r"key is a JAX key, .* got 0"):
        jfm.plan_attack(0, label, **few)
