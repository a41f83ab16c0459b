import warnings

import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.study.sweep import subset_rows, sweep_subsets


key = jax.random.key(0)


def spaces(n=200, dims=(6, 6, 9), seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 5))
    mix = lambda d: latent @ rng.normal(size=(5, d)) + 0.3 * rng.normal(size=(n, d))
    return [np.float32(mix(d)) for d in dims]


def error_of(rows):
    """Relative residual of every pair on rows kept apart."""

    def evaluate(maps):
        left = lambda i, j: np.sum((maps[i, j](rows[i]) - rows[j]) ** 2)
        n = range(len(rows))
        return np.array([[left(i, j) / np.sum(rows[j] ** 2) for j in n] for i in n])

    return evaluate


@pytest.mark.parametrize("kind", ("linear", "affine", "rotation"))
def test_each_map_is_the_one_fitted_on_its_rows(kind):
    models, held_out = spaces(), [x[:20] for x in spaces(seed=1)]
    evaluate = error_of(held_out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # subsets of fewer rows than dimensions
        # 8 rows are enough for two of the models, and few for the third.
        swept = sweep_subsets(key, models, (4, 8, 32), 2, (kind,), evaluate=evaluate)
        for i, size in enumerate((4, 8, 32)):
            for j, rows in enumerate(subset_rows(key, 200, size, 2)):
                fit = getattr(jfm, f"fit_{kind}")
                few = size == 4 and kind == "rotation"  # not unique: that of fit_few_rows
                chosen = few and jfm.fit_few_rows([x[rows] for x in models], kind)
                for a, b in ((0, 1), (2, 0)):
                    m = chosen[a, b] if few else fit(models[a][rows], models[b][rows])
                    mapped = np.sum((m(held_out[a]) - held_out[b]) ** 2)
                    truth = mapped / np.sum(held_out[b] ** 2)
                    np.testing.assert_allclose(swept.values[kind][i, j, a, b], truth, 1e-3)


def test_more_rows_make_better_maps_and_boxes_hold_the_pairs():
    models = spaces()
    held_out = [x[150:] for x in models]
    fitted = [x[:150] for x in models]
    swept = sweep_subsets(key, fitted, (8, 128), 3, evaluate=error_of(held_out))
    for kind in ("linear", "rotation"):
        assert swept.values[kind].shape == (2, 3, 3, 3)
        boxes = swept.boxes(kind)
        assert boxes.shape == (2, 6)
        np.testing.assert_allclose(
            boxes[1, 0], swept.values[kind][1, :, 0, 1].mean(), rtol=1e-6
        )
    assert (swept.boxes("linear")[1] < swept.boxes("linear")[0]).all()


def test_a_size_has_its_subsets_whatever_else_is_swept():
    a = subset_rows(key, 50, 8, 3)
    assert a.shape == (3, 8) and len({tuple(sorted(rows)) for rows in a}) == 3
    assert all(len(set(rows)) == 8 for rows in a)
    np.testing.assert_array_equal(a, subset_rows(key, 50, 8, 3))
    alone, among = (
        sweep_subsets(key, spaces(), sizes, 2, evaluate=error_of(spaces(seed=1)))
        for sizes in ((16,), (32, 16))
    )
    np.testing.assert_array_equal(alone.values["linear"][0], among.values["linear"][1])


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input_is_refused():
    short = [spaces()[0], spaces()[1][:150]]
    with pytest.raises(ValueError, match=r"\(200, 6\) and b has shape \(150, 6\)"):
        sweep_subsets(key, short, (8,), 1, evaluate=len, names=("a", "b"))
    for sizes, repeats in (((), 1), ((8,), 0)):
        with pytest.raises(ValueError, match="has sizes and repeats; got"):
            sweep_subsets(key, spaces(), sizes, repeats, evaluate=len)
    with pytest.raises(
        ValueError, match=r"1 to 200 rows, as many as there are; got \[0, 201\]"
    ):
        sweep_subsets(key, spaces(), (0, 8, 201), 1, evaluate=len)
    with pytest.raises(ValueError, match="kind is one of linear, affine, rotation"):
        sweep_subsets(key, spaces(), (8,), 1, ("mlp",), evaluate=len)
