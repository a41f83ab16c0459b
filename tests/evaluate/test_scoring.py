import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfacemap.evaluate import scoring
from jfacemap.evaluate.scoring import label_pairs, plan_pairs, score_all, score_pairs
from jfacemap.evaluate.templates import Templates


def sides(seed=0, n=37, m=23, d=8):
    rng = np.random.default_rng(seed)
    ids_a, ids_b = rng.permutation(1000)[:n], rng.permutation(1000)[:m] + 2**33
    draw = lambda k: jnp.asarray(rng.normal(size=(k, d)), jnp.float32)
    return Templates(ids_a, draw(n)), Templates(ids_b, draw(m)), rng


def one_by_one(a, b, pairs):
    row = lambda side, id: side.vectors[np.flatnonzero(np.asarray(side.ids) == id)[0]]
    return [float(np.dot(row(a, i), row(b, j))) for i, j in pairs]


@pytest.mark.parametrize("spread", ("even", "one row", "few rows", "one pair"))
def test_matches_inner_products_pair_by_pair(spread, monkeypatch):
    monkeypatch.setattr(scoring, "tile_rows", 5)
    a, b, rng = sides()
    rows = {"even": 37, "one row": 1, "few rows": 7, "one pair": 1}[spread]
    size = 1 if spread == "one pair" else 200
    skewed = (rows * rng.random(size) ** 3).astype(int)
    pairs = np.stack([np.asarray(a.ids)[skewed], rng.choice(np.asarray(b.ids), size)], 1)
    np.testing.assert_allclose(
        score_pairs(a, b, pairs), one_by_one(a, b, pairs), rtol=1e-5, atol=1e-6
    )


def test_steps_stay_few_whatever_the_skew(monkeypatch):
    monkeypatch.setattr(scoring, "tile_rows", 5)
    a, b, rng = sides()
    pairs = np.stack(
        [np.asarray(a.ids)[:1].repeat(2000), np.asarray(b.ids)[:1].repeat(2000)]
    )
    rest = np.stack([np.asarray(a.ids), rng.choice(np.asarray(b.ids), 37)])
    plan = plan_pairs(a, b, np.concatenate([pairs, rest], axis=1).T)
    assert plan.start.size <= 2 * 8 + 1


def test_names_as_ids():
    a, b = Templates(["x", "y"], jnp.eye(2)), Templates(["u", "long name"], jnp.eye(2))
    scores = score_pairs(a, b, [["y", "long name"], ["x", "long name"]])
    np.testing.assert_array_equal(scores, [1, 0])


def test_a_plan_serves_jit_and_vmap():
    a, b, rng = sides()
    pairs = np.stack([rng.choice(np.asarray(x.ids), 50) for x in (a, b)], axis=1)
    plan = plan_pairs(a, b, pairs)
    vectors = jnp.stack([a.vectors, 2 * a.vectors])
    score = lambda v: score_pairs(Templates(a.ids, v), b, plan)
    ours = jax.jit(jax.vmap(score))(vectors)
    one = score_pairs(a, b, pairs)
    np.testing.assert_allclose(ours, jnp.stack([one, 2 * one]), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("unchecked_types")
def test_unknown_ids_are_named():
    a, b, _ = sides()
    i, j = np.asarray(a.ids)[0], np.asarray(b.ids)[0]
    with pytest.raises(ValueError, match="Id 5000 is not a template of the first side"):
        score_pairs(a, b, np.array([[i, j], [5000, j]]))
    with pytest.raises(ValueError, match=r"Id -1 .*second side.*1 of 2"):
        score_pairs(a, b, np.array([[i, j], [i, -1]]))
    with pytest.raises(ValueError, match="convert one"):
        score_pairs(a, b, np.array([["x", "y"]]))
    with pytest.raises(ValueError, match=r"\(P, 2\)"):
        score_pairs(a, b, np.array([[i, j, j]]))
    with pytest.raises(ValueError, match="widths 4 and 3"):
        score_all(jnp.zeros((2, 4)), jnp.zeros((2, 3)))


def test_score_all_is_the_cosine():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6, 4))
    x[2] = 0
    norm = lambda z: np.linalg.norm(z, axis=1, keepdims=True)
    theirs = x @ (y / norm(y)).T / np.where(norm(x) > 0, norm(x), 1)
    ours = score_all(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("kind", (np.asarray, jnp.asarray))
def test_label_pairs(kind):
    labels = kind([1, 1, 2])
    genuine, valid = label_pairs(labels)
    np.testing.assert_array_equal(genuine & valid, [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert valid.sum() == 6
    genuine, valid = label_pairs(labels, kind([2, 1]))
    np.testing.assert_array_equal(genuine & valid, [[0, 1], [0, 1], [1, 0]])


@pytest.mark.parametrize("platform", ("tpu", "cuda"))
def test_lowers(platform):
    a, b, rng = sides()
    pairs = np.stack([rng.choice(np.asarray(x.ids), 50) for x in (a, b)], axis=1)
    f = jax.jit(lambda a, b, p: (score_pairs(a, b, p), score_all(a.vectors, b.vectors)))
    lowered = f.trace(a, b, plan_pairs(a, b, pairs)).lower(lowering_platforms=(platform,))
    assert platform != "tpu" or "f64" not in lowered.as_text()


def test_a_plan_of_other_templates_is_refused():
    x = np.eye(4, dtype=np.float32)
    a = Templates(np.arange(4), x)
    plan = plan_pairs(a, a, [[0, 1], [2, 3]])
    b = Templates(np.arange(3), x[:3])
    with pytest.raises(ValueError, match="plan anew"):
        score_pairs(a, b, plan)
