"""Attacks on users' keys, one user at a time, against a loop by hand."""

import jax
import numpy as np
import pytest

import jfacemap as jfm
from experiments import defences
from experiments.reidentification import Collection


key = jax.random.key(0)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def world():
    """14 people, ten images each but of the last two five; four are strangers."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(14), [10] * 12 + [5] * 2)
    faces = rng.normal(size=(14, 8))[label] + 0.7 * rng.normal(size=(label.size, 8))
    spaces = [np.float32(unit(faces @ rng.normal(size=(8, d)))) for d in (12, 16)]
    place = np.concatenate([np.arange(n) for n in [10] * 12 + [5] * 2])
    half = place < np.where(label < 12, 5, 3)
    strange = label < 4
    collection = Collection(spaces, ("a", "b"), label, label * 0, label < 0, {}, {})
    probes, gallery = np.flatnonzero(half | strange), np.flatnonzero(~half & ~strange)
    return collection, jfm.AttackPlan(label, np.zeros(0, int), gallery, probes)


def by_hand(collection, plan, k: int, linked: bool):
    """Rank-1 of the user, of strangers under the user's key, and user above stranger."""
    (x, y), label = collection.spaces, collection.label
    users = range(4, 12)  # the last two have three probes, and two in the gallery
    known = {p: [r for r in plan.gallery if label[r] == p][:3] for p in users}
    rows = [r for r in plan.gallery if not any(r in own for own in known.values())]
    people = sorted({label[r] for r in rows})
    of = lambda p: np.mean([y[r] for r in rows if label[r] == p], axis=0)
    templates = unit(np.stack([of(p) for p in people]))
    strangers = [r for r in plan.probes if label[r] < 4][:60]
    values = []
    for number, p in enumerate(users):
        probes = [r for r in plan.probes if label[r] == p]
        keyed = lambda rows, number=number: np.asarray(
            jfm.defences.UserKeys(key)(x[rows], np.full(len(rows), number))
        )
        a, b = keyed(probes[:k]), y[probes[:k]]
        if linked:
            a, b = a.mean(axis=0)[None], y[known[p][:k]].mean(axis=0)[None]
        m = jfm.fit_few_rows([a, b], "rotation")[0, 1]
        mine, theirs = (
            unit(np.asarray(m(keyed(r)))) @ templates.T for r in (probes[3:], strangers)
        )
        at = people.index(p)
        found = np.mean(mine.argmax(axis=1) == at), np.mean(theirs.argmax(axis=1) == at)
        above = np.mean([s > t for s in mine[:, at] for t in theirs[:, at]])
        values.append([*found, above])
    return np.mean(values, axis=0)


def test_users_one_by_one_are_as_by_hand(world):
    assert defences.users_of(world[1]).tolist() == list(range(4, 12))
    found = defences.attack_one_user(*world, 0, 1, key, (1, 3))
    assert set(found) == {(what, k) for what in ("pairs", "links") for k in (1, 3)}
    for (what, k), values in found.items():
        truth = by_hand(*world, k, what == "links")
        np.testing.assert_allclose(values, truth, atol=1e-6)
        assert 0 < values[0] <= 1


def test_victims_of_few_images_are_no_users(world):
    collection, plan = world
    few = np.isin(collection.label[plan.probes], (12, 13))
    plan = jfm.AttackPlan(plan.label, plan.leaked, plan.gallery, plan.probes[few])
    with pytest.raises(ValueError, match="No victim has more than 3 probes"):
        defences.attack_one_user(collection, plan, 0, 1, key, (1,))
