import itertools
import warnings

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm

from ..helpers import tree_allclose


names = "a", "b", "c", "d"
dims = 5, 5, 8, 3
solves = {
    "linear": jfm.solve_linear,
    "affine": jfm.solve_affine,
    "rotation": jfm.solve_rotation,
}


def models(getkey, n=60):
    base = jr.normal(getkey(), (n, 4))
    mix = lambda d: base @ jr.normal(getkey(), (4, d)) + jr.normal(getkey(), (n, d)) + 1
    return [mix(d) for d in dims]


@pytest.mark.parametrize("kind", solves)
@pytest.mark.parametrize("ridge", (0.0, 2.0))
def test_equals_a_loop_over_pairs(getkey, kind, ridge):
    if kind == "rotation" and ridge:
        pytest.skip("a rotation takes no ridge")
    options = {"ridge": ridge} if ridge else {}
    joint = jfm.joint_moments(models(getkey), names=names)
    maps = jfm.fit_all_pairs(joint, kind, **options)
    for i, j in itertools.product(range(4), repeat=2):
        one = solves[kind](joint.pair(i, j), **options)
        assert tree_allclose(maps[i, j], one, rtol=1e-5, atol=1e-6)
        assert maps[names[i], names[j]] is maps[i, j]


def test_identity_pads_and_truncates(getkey):
    maps = jfm.fit_all_pairs(jfm.joint_moments(models(getkey)), "identity")
    x = jr.normal(getkey(), (2, 5))
    np.testing.assert_array_equal(maps[0, 2](x), jnp.pad(x, ((0, 0), (0, 3))))
    np.testing.assert_array_equal(maps[0, 3](x), x[:, :3])


def test_a_rotation_and_its_way_back_are_exact_transposes(getkey):
    maps = jfm.fit_all_pairs(jfm.joint_moments(models(getkey)), "rotation")
    for i, j in itertools.combinations(range(4), 2):
        np.testing.assert_array_equal(maps[i, j].rotation, maps[j, i].rotation.T)
    np.testing.assert_array_equal(maps[1, 1].rotation, jnp.eye(5))


def test_self_maps_are_the_identity(getkey):
    joint = jfm.joint_moments(models(getkey))
    for kind in ("linear", "affine"):
        maps = jfm.fit_all_pairs(joint, kind)
        for i, d in enumerate(dims):
            np.testing.assert_allclose(maps[i, i].weight, jnp.eye(d), atol=1e-5)


def test_vmaps_over_weights(getkey):
    x = models(getkey)
    halves = jr.bernoulli(getkey(), 0.6, (3, 60)).astype(jnp.float32)
    fit = lambda w: jfm.fit_all_pairs(jfm.joint_moments(x, w), "linear")
    batch = jax.vmap(fit)(halves)
    for i in range(3):
        one = jax.tree.map(lambda a, i=i: a[i], batch)
        assert tree_allclose(one, fit(halves[i]), rtol=1e-4, atol=1e-5)


def test_bad_input(getkey):
    joint = jfm.joint_moments(models(getkey), names=names)
    with pytest.raises(ValueError, match="identity, linear, affine, rotation"):
        jfm.fit_all_pairs(joint, "quadratic")
    with pytest.raises(ValueError, match="takes no ridge"):
        jfm.fit_all_pairs(joint, "rotation", ridge=1.0)
    maps = jfm.fit_all_pairs(joint, "linear")
    with pytest.raises(KeyError, match="there are a, b, c, d"):
        maps["a", "z"]


@pytest.mark.parametrize("kind, bias", [("linear", 0), ("affine", 1)])
def test_models_of_fewer_rows_than_dimensions_are_named(getkey, kind, bias):
    joint = jfm.joint_moments(models(getkey, n=8 - 1 + bias), names=names)
    with pytest.warns(UserWarning, match=rf"{7 + bias} rows do not.* from c \(8\): of"):
        jfm.fit_all_pairs(joint, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jfm.fit_all_pairs(joint, kind, ridge=1.0)
        jfm.fit_all_pairs(joint, "rotation")
    with pytest.raises(ValueError, match="A ridge is a penalty"):
        jfm.fit_all_pairs(joint, kind, ridge=-1.0)
