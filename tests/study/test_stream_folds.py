import functools as ft

import jax
import numpy as np
import pytest

import jfacemap as jfm


r = np.random.default_rng(0)
x, y = (np.float16(r.normal(size=(103, d)) + 1) for d in (5, 4))
w = np.float32(r.uniform(size=103))
fold = jfm.assign_folds(r.integers(0, 20, 103), 3)
models = {"a": x, "b": y}


def leaves(moments):
    wide = jax.tree.leaves(moments, is_leaf=lambda leaf: hasattr(leaf, "high"))
    return [np.asarray(leaf) for leaf in wide]


def same(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(p, q) for p, q in pairs)


@pytest.mark.parametrize("weights", (None, w))
@pytest.mark.parametrize("batch_rows", (7, 50, 103))
def test_moments_are_those_of_each_folds_rows(weights, batch_rows):
    ours = jfm.stream_fold_moments(models, fold, weights, batch_rows=batch_rows)
    assert len(ours) == 3 and ours[0].names == ("a", "b")
    for k, found in enumerate(ours):
        here = fold == k
        some = None if weights is None else weights[here]
        true = jfm.joint_moments({"a": x[here], "b": y[here]}, some)
        for p, q in zip(leaves(found), leaves(true), strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-11, atol=1e-11)
    whole = ft.reduce(jfm.merge, ours)
    for p, q in zip(leaves(whole), leaves(jfm.joint_moments(models, weights)), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-11, atol=1e-11)


def test_goes_on_where_it_was_stopped(tmp_path):
    file, told = tmp_path / "m.safetensors", []

    class StopError(Exception):
        pass

    def stop(done, n):
        told.append(done)
        if done == 70:
            raise StopError

    how = {"batch_rows": 10, "every": 30}
    with pytest.raises(StopError):
        jfm.stream_fold_moments(models, fold, **how, checkpoint=file, progress=stop)
    told.clear()
    tell = lambda done, n: told.append(done)
    ours = jfm.stream_fold_moments(models, fold, **how, checkpoint=file, progress=tell)
    assert told == [70, 80, 90, 100, 103]
    assert same(ours, jfm.stream_fold_moments(models, fold, **how))
    assert same(jfm.data.load_moments(file), ours)
    for other in (fold[::-1].copy(), np.minimum(fold, 1)):
        with pytest.raises(jfm.data.InputError, match="gathered in another way"):
            jfm.stream_fold_moments(models, other, **how, checkpoint=file)
    with pytest.raises(jfm.data.InputError, match="gathered in another way"):
        jfm.stream_joint_moments(models, **how, checkpoint=file)


def test_folds_must_fit_the_rows(unchecked_types):
    with pytest.raises(ValueError, match="a number for 50 rows, and there are 103"):
        jfm.stream_fold_moments(models, fold[:50])
    with pytest.raises(ValueError, match="numbers the group of each"):
        jfm.stream_fold_moments(models, fold - 1)
