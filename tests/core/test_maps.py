import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm


def make(kind, key, d=6, k=4):
    a, b, c = jr.split(key, 3)
    weight, bias = jr.normal(a, (d, k)), jr.normal(b, (k,))
    turn = jr.orthogonal(c, max(d, k))[:d, :k]
    return {
        "linear": lambda: jfm.LinearMap(weight),
        "affine": lambda: jfm.AffineMap(weight, bias),
        "rotation": lambda: jfm.RotationMap(turn),
        "similarity": lambda: jfm.SimilarityMap(turn, jnp.float32(2.5), bias),
        "low_rank": lambda: jfm.LowRankMap(weight[:, :2], jr.normal(b, (2, k)), bias),
        "standardize": lambda: jfm.Standardize(jr.normal(b, (d,)), jr.normal(a, (d, d))),
        "centre": lambda: jfm.Standardize(jr.normal(b, (d,))),
    }[kind]()


kinds = "linear", "affine", "rotation", "similarity", "low_rank", "standardize", "centre"
each_kind = pytest.mark.parametrize("kind", kinds)


@each_kind
def test_acts_as_its_affine_form_on_any_leading_axes(getkey, kind):
    m, x = make(kind, getkey()), jr.normal(getkey(), (2, 5, 6))
    affine = m.as_affine()
    truth = np.asarray(x) @ np.asarray(affine.weight) + np.asarray(affine.bias)
    np.testing.assert_allclose(m(x), truth, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(m(x[0, 0]), m(x)[0, 0], rtol=1e-4, atol=1e-5)
    assert (m.in_dim, m.out_dim) == (affine.in_dim, affine.out_dim) == affine.weight.shape
    assert m(x).shape == (2, 5, m.out_dim)


@each_kind
@pytest.mark.parametrize("d, k", ((5, 5), (4, 6), (6, 4)))
def test_inverse(getkey, kind, d, k):
    m = make(kind, getkey(), d, k)
    back, x = m.inverse, jr.normal(getkey(), (7, d))
    assert (back.in_dim, back.out_dim) == (m.out_dim, m.in_dim)
    if kind == "low_rank":
        y = m(x)
        np.testing.assert_allclose(m(back(y)), y, rtol=1e-3, atol=1e-4)
    elif m.out_dim >= m.in_dim:
        np.testing.assert_allclose(back(m(x)), x, rtol=1e-3, atol=1e-3)
    else:  # the pseudo-inverse: what it returns maps back to the same
        np.testing.assert_allclose(m(back(m(x))), m(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("second", kinds)
@pytest.mark.parametrize("first", kinds)
def test_compose(getkey, first, second):
    a, b = make(first, getkey(), 6, 6), make(second, getkey(), 6, 4)
    x = jr.normal(getkey(), (3, 6))
    both = jfm.compose(a, b)
    np.testing.assert_allclose(both(x), b(a(x)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "dims, kind",
    (
        ((4, 6, 8), jfm.RotationMap),
        ((8, 6, 4), jfm.RotationMap),
        ((6, 6, 4), jfm.RotationMap),
        ((8, 4, 6), jfm.LinearMap),
        ((4, 8, 6), jfm.LinearMap),
    ),
)
def test_composed_rotations_stay_rotations_only_while_orthogonal(getkey, dims, kind):
    d, m, k = dims
    both = jfm.compose(make("rotation", getkey(), d, m), make("rotation", getkey(), m, k))
    assert type(both) is kind
    w = both.as_affine().weight
    eye = w @ w.T if d <= k else w.T @ w
    isometric = np.allclose(eye, np.eye(min(d, k)), atol=1e-5)
    assert isometric is (kind is jfm.RotationMap)


def test_a_stack_is_refused_and_applied_with_vmap(getkey):
    x, y = jr.normal(getkey(), (2, 3, 20, 4))
    maps = eqx.filter_vmap(jfm.fit_affine)(x, y)
    with pytest.raises(ValueError, match="filter_vmap"):
        maps(x[0])
    out = eqx.filter_vmap(lambda m, x: m(x))(maps, x)
    np.testing.assert_allclose(out[1], jfm.fit_affine(x[1], y[1])(x[1]), atol=1e-5)
    stacked = eqx.filter_vmap(lambda m: m.inverse)(maps)
    assert stacked.weight.shape == (3, 4, 4)
    np.testing.assert_allclose(maps.inverse.weight, stacked.weight, rtol=1e-4, atol=1e-5)


@each_kind
def test_wrong_width_names_both(getkey, kind):
    m = make(kind, getkey())
    with pytest.raises(ValueError, match=r"width 6.*shape \(2, 5\)"):
        m(jnp.zeros((2, 5)))


def test_widths_that_do_not_compose(getkey):
    with pytest.raises(ValueError, match="do not compose"):
        jfm.compose(make("linear", getkey()), make("linear", getkey()))


def test_inverse_in_float64(getkey):
    weight = jnp.asarray(np.vander(np.linspace(0.5, 1, 6)), jnp.float32)
    truth = np.linalg.inv(np.float64(weight))
    error = np.abs(jfm.LinearMap(weight).inverse.weight - truth).max() / np.abs(truth).max()
    assert error < 1e-6
    assert not np.isfinite(jfm.LinearMap(jnp.zeros((3, 3))).inverse.weight).all()


def test_maps_are_pytrees(getkey):
    m = make("affine", getkey())
    assert len(jax.tree.leaves(m)) == 2
    assert jax.jit(lambda m, x: m(x))(m, jnp.ones(6)).shape == (4,)


@pytest.mark.parametrize(
    "first, second, kind",
    (
        ("similarity", "similarity", jfm.SimilarityMap),
        ("similarity", "rotation", jfm.SimilarityMap),
        ("rotation", "similarity", jfm.SimilarityMap),
        ("low_rank", "affine", jfm.LowRankMap),
        ("linear", "low_rank", jfm.LowRankMap),
        ("rotation", "linear", jfm.LinearMap),
        ("centre", "rotation", jfm.AffineMap),
    ),
)
def test_compose_stays_in_the_family(getkey, first, second, kind):
    a, b = make(first, getkey(), 6, 6), make(second, getkey(), 6, 5)
    both = jfm.compose(a, b)
    assert type(both) is kind
    x = jr.normal(getkey(), (7, 6))
    np.testing.assert_allclose(both(x), b(a(x)), rtol=1e-4, atol=1e-5)


def test_stacks_compose(getkey):
    x, y, z = jr.normal(getkey(), (3, 4, 20, 5))
    first, second = (eqx.filter_vmap(jfm.fit_similarity)(*xy) for xy in ((x, y), (y, z)))
    both = jfm.compose(first, second)
    for i in range(4):
        a, b = (jax.tree.map(lambda leaf, i=i: leaf[i], m) for m in (first, second))
        one = jax.tree.map(lambda leaf, i=i: leaf[i], both)
        np.testing.assert_allclose(one(x[i]), b(a(x[i])), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("unchecked_types")
def test_lists_are_rows(getkey):
    m = make("linear", getkey(), 2, 2)
    np.testing.assert_array_equal(m([1.0, 2.0]), m(np.array([1.0, 2.0])))
