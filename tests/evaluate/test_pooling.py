import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.evaluate import pooling
from jfacemap.evaluate.pooling import pool_mapped, pool_templates
from jfacemap.evaluate.scoring import score_all
from jfacemap.evaluate.templates import group_templates, Templates


def images(n=60, d=5, seed=0):
    rng = np.random.default_rng(seed)
    template = rng.choice([7, 3, 2**40, 11], n)
    return np.float32(rng.normal(size=(n, d))), template, rng.integers(0, 4, n)


def slowly(x, template, media, weights=None, normalize=False):
    """insightface's `image2template_feature`, in float64."""
    x = np.float64(x)
    if normalize:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    if weights is not None:
        x = x * weights[:, None]
    pooled = []
    for t in np.unique(template):
        mine = template == t
        means = [x[mine & (media == m)].mean(0) for m in np.unique(media[mine])]
        total = np.sum(means, axis=0)
        pooled.append(total / np.linalg.norm(total))
    return np.stack(pooled)


@pytest.mark.parametrize("normalize", (False, True))
@pytest.mark.parametrize("weighted", (False, True))
def test_matches_the_reference_evaluator(weighted, normalize):
    x, template, media = images()
    weights = np.float32(np.random.default_rng(1).random(60)) if weighted else None
    ours = pool_templates(
        x, group_templates(template, media), weights=weights, normalize_images=normalize
    )
    theirs = slowly(x, template, media, weights, normalize)
    np.testing.assert_allclose(ours.vectors, theirs, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(ours.ids), np.unique(template))


def test_order_of_images_and_kind_of_ids_do_not_matter():
    x, template, media = images()
    ours = pool_templates(x, group_templates(template, media)).vectors
    order = np.argsort(template, kind="stable")
    sorted_rows = group_templates(template[order], media[order])
    assert sorted_rows.order is None
    np.testing.assert_allclose(pool_templates(x[order], sorted_rows).vectors, ours, 1e-5)
    names = np.array([f"{t:020d}" for t in template], object)
    named = pool_templates(x, group_templates(names, media.astype(str)))
    np.testing.assert_array_equal(named.vectors, ours)


def test_media_belong_to_their_template():
    x = np.float32([[1, 0], [0, 1], [0, 1]])
    ours = pool_templates(x, group_templates([0, 0, 1], [5, 6, 5])).vectors
    np.testing.assert_allclose(ours, [[0.5**0.5, 0.5**0.5], [0, 1]], rtol=1e-6)


def test_zero_templates_stay_zero_and_unused_rows_leave_no_trace():
    x = np.float32([[np.nan, 0], [3, 4], [1, 0], [-1, 0]])
    grouping = group_templates([0, 0, 1, 1], [0, 1, 0, 1])
    weights = np.float32([0, 1, 1, 1])
    ours = pool_templates(x, grouping, weights=weights).vectors
    np.testing.assert_allclose(ours, [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_nan_is_not_hidden():
    x = np.float32([[np.nan, 0], [3, 4]])
    ours = pool_templates(x, group_templates([0, 1], [0, 0])).vectors
    np.testing.assert_array_equal(np.isnan(ours).any(1), [True, False])
    np.testing.assert_array_equal(np.isnan(score_all(x, x)).sum(), 3)


def test_jit_and_vmap_over_embeddings():
    _, template, media = images()
    x = jnp.stack([images(seed=seed)[0] for seed in range(3)])
    grouping = group_templates(template, media)
    loop = [pool_templates(rows, grouping) for rows in x]
    pool = eqx.debug.assert_max_traces(pool_templates, max_traces=1)
    batched = jax.jit(jax.vmap(pool, (0, None)))
    ours = batched(x, grouping)
    batched(x, group_templates(template, media))  # equal ids: no new trace
    assert ours.ids == loop[0].ids
    theirs = jnp.stack([t.vectors for t in loop])
    np.testing.assert_allclose(ours.vectors, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("platform", ("tpu", "cuda"))
def test_lowers(platform):
    x, template, media = images()
    f = jax.jit(pool_templates)
    lowered = f.trace(x, group_templates(template, media))
    text = lowered.lower(lowering_platforms=(platform,)).as_text()
    assert platform != "tpu" or "f64" not in text


def test_half_precision_is_pooled_in_float32():
    x, template, media = images()
    ours = pool_templates(x.astype(np.float16), group_templates(template, media))
    assert ours.vectors.dtype == jnp.float32


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input():
    x, template, media = images()
    grouping = group_templates(template, media)
    with pytest.raises(ValueError, match="one a row"):
        group_templates(template, media[:-1])
    with pytest.raises(ValueError, match="at least one"):
        group_templates([], [])
    with pytest.raises(ValueError, match="59 embeddings"):
        pool_templates(x[:-1], grouping)
    with pytest.raises(ValueError, match="weights"):
        pool_templates(x, grouping, weights=x[:-1, 0])
    with pytest.raises(ValueError, match="2 ids for 3 vectors"):
        Templates([1, 2], x[:3])
    with pytest.raises(ValueError, match="more than one row"):
        Templates([1, 2, 1], x[:3])


def random_map(kind, d=5, k=5, seed=2):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    if kind == "rotation":
        q, _ = np.linalg.qr(rng.normal(size=(max(d, k), min(d, k))))
        return jfm.RotationMap(jnp.asarray(q if d > k else q.T, jnp.float32))
    weight = draw(d, k)
    return jfm.LinearMap(weight) if kind == "linear" else jfm.AffineMap(weight, draw(k))


@pytest.mark.parametrize("rows", (7, 16, 2048))
@pytest.mark.parametrize("weighted", (False, True))
@pytest.mark.parametrize("normalize", (False, True))
@pytest.mark.parametrize(
    "kind, k",
    [("linear", 3), ("affine", 9), ("rotation", 5), ("rotation", 9), ("rotation", 3)],
)
def test_mapped_images_are_scaled_and_pooled(
    kind, k, normalize, weighted, rows, monkeypatch
):
    monkeypatch.setattr(pooling, "chunk_rows", rows)
    jax.clear_caches()
    x, template, media = images()
    weights = np.float32(np.random.default_rng(1).random(60)) if weighted else None
    m = random_map(kind, k=k)
    ours = pool_mapped(
        m,
        x,
        group_templates(template, media),
        weights=weights,
        normalize_images=normalize,
    )
    affine = m.as_affine()
    mapped = np.float64(x) @ np.float64(affine.weight) + np.float64(affine.bias)
    theirs = slowly(mapped, template, media, weights, normalize)
    np.testing.assert_allclose(ours.vectors, theirs, atol=3e-6)


def test_many_maps_in_one_pass_are_each_alone():
    x, template, media = images()
    grouping = group_templates(template, media)
    maps = [random_map("linear", k=3), random_map("rotation", k=9), random_map("affine")]
    for m, ours in zip(maps, pool_mapped(maps, x, grouping), strict=True):
        alone = pool_mapped(m, x, grouping)
        np.testing.assert_allclose(ours.vectors, alone.vectors, atol=1e-6)


@pytest.mark.parametrize("kind", ("linear", "affine", "rotation"))
def test_pooling_first_is_exact_where_images_are_not_scaled(kind):
    x, template, media = images()
    weights = np.float32(np.random.default_rng(1).random(60))
    m, grouping = random_map(kind, k=3), group_templates(template, media)
    early, late = (
        pool_mapped(
            m, x, grouping, weights=weights, normalize_images=False, pool_first=first
        )
        for first in (True, False)
    )
    np.testing.assert_allclose(early.vectors, late.vectors, atol=3e-6)


def test_pooling_first_differs_where_a_linear_map_stretches_images():
    x, template, media = images()
    m, grouping = random_map("linear"), group_templates(template, media)
    early, late = (pool_mapped(m, x, grouping, pool_first=f) for f in (True, False))
    assert np.abs(early.vectors - late.vectors).max() > 1e-2


def test_a_map_of_another_width_is_refused():
    x, template, media = images()
    with pytest.raises(ValueError, match=r"width 4 does not take.*\(60, 5\)"):
        pool_mapped(random_map("linear", d=4), x, group_templates(template, media))
