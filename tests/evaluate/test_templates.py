import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfacemap.evaluate.scoring import score_all
from jfacemap.evaluate.templates import group_templates, pool_templates, Templates


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
