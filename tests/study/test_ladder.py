import jax.random as jr
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.plot.ladder import plot_ladder
from jfacemap.study.ladder import families, Ladder

from ..helpers import least_squares, relative_error


key, stiff = jr.key(0), families[:-1]


def pairs(kind, seed=0, people=12):
    """Rows of people, five each, whose two models are related in one way only."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), 5)
    x = rng.normal(size=(people, 5))[who] + 0.5 * rng.normal(size=(5 * people, 5))
    q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    q[:, 0] *= np.sign(np.linalg.det(q))
    across = {"rotation": q, "low rank": q[:, :1] @ rng.normal(size=(1, 5)),
              "affine": rng.normal(size=(5, 5)), "bent": q}[kind]  # fmt: skip
    y = x @ across + (2.0 if kind == "affine" else 0)
    y = np.abs(y) if kind == "bent" else y
    return np.float32(x), np.float32(y + 0.1 * rng.normal(size=y.shape)), who


@pytest.mark.parametrize("kind", ("rotation", "low rank", "affine"))
def test_the_family_that_made_the_data_is_the_one_supported(kind):
    x, y, who = pairs(kind)
    ladder = jfm.map_ladder(key, x, y, folds=4, groups=who, families=stiff)
    assert ladder.supported == kind
    assert ladder.error.shape == (6, 4) and len(ladder.maps) == 6
    if kind == "low rank":
        assert ladder.choices["low rank"] == 1
    table = ladder.rows()
    assert [row["family"] for row in table if row["supported"]] == [kind]
    np.testing.assert_allclose([r["error"] for r in table], ladder.error.mean(axis=1))


def test_errors_are_those_of_maps_that_never_saw_the_fold():
    x, y, who = pairs("affine")
    ladder = jfm.map_ladder(key, x, y, folds=4, groups=who, families=stiff)
    fold = jfm.assign_folds(who, 4)
    spread = np.mean(np.sum((np.float64(y) - y.mean(axis=0)) ** 2, axis=1))
    at = ladder.families.index("affine")
    for k in range(4):
        weight, bias = least_squares(x[fold != k], y[fold != k], centred=True)
        left = np.float64(x[fold == k]) @ weight + bias - y[fold == k]
        error = np.mean(np.sum(left**2, axis=1)) / spread
        np.testing.assert_allclose(ladder.error[at, k], error, rtol=1e-4)
    weight, _ = least_squares(x, y, centred=True)
    assert relative_error(ladder.maps[at].as_affine().weight, weight) < 1e-5


def test_a_network_wins_where_the_data_bend():
    x, y, who = pairs("bent", people=40)
    seen = []
    ladder = jfm.map_ladder(
        key, x, y, folds=3, groups=who, families=("affine", "ridge", "mlp"),
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert ladder.families == ("affine", "ridge", "mlp")
    assert ladder.best == ladder.supported == "mlp"
    assert ladder.error[2].mean() < 0.5 * ladder.error[1].mean()
    assert seen[-1] == (12, 12) and len(seen) == 12
    figure = plot_ladder({"bent": ladder.error}, ladder.families, ylabel="error")
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_xticklabels()] == list(ladder.families)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), ladder.error.mean(axis=1))


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input():
    x, y, who = pairs("affine")
    with pytest.raises(ValueError, match="Families are identity, rotation"):
        jfm.map_ladder(key, x, y, families=("spline",))
    with pytest.raises(ValueError, match="three folds or more; got 2"):
        jfm.map_ladder(key, x, y, folds=2, groups=who)
    w = np.float32(np.arange(60) >= 20)  # nothing is left of the first of three folds
    with pytest.raises(ValueError, match=r"rows of weight; none in \[0\]"):
        jfm.map_ladder(key, x, y, folds=3, weights=w)
    with pytest.raises(ValueError, match="All rows of y are equal"):
        jfm.map_ladder(key, x, np.ones_like(y), folds=3)
    options = {"folds": 3, "families": ("low rank",)}
    given = [jfm.map_ladder(key, x, y, ranks=r, **options) for r in ([1, 2], np.r_[1, 2])]
    np.testing.assert_array_equal(given[0].error, given[1].error)


def test_a_row_of_no_weight_may_be_nan():
    x, y, who = pairs("affine")
    w = np.float32(np.arange(60) != 7)
    bad = x.copy()
    bad[7] = np.nan
    chosen = {"folds": 3, "groups": who, "weights": w, "families": ("affine", "mlp")}
    ours, theirs = (jfm.map_ladder(key, a, y, steps=15, **chosen) for a in (bad, x))
    assert np.isfinite(ours.error).all()
    np.testing.assert_allclose(ours.error, theirs.error, rtol=1e-5)


def test_a_family_that_failed_is_neither_best_nor_supported():
    error = np.array([[np.nan, 0.1, 0.1], [0.5, 0.6, 0.7], [0.2, 0.3, 0.4]])
    ladder = Ladder(error, error, (), {}, ("identity", "rotation", "affine"))
    assert ladder.best == ladder.supported == "affine"
    broken = Ladder(error * np.nan, error, (), {}, ladder.families)
    with pytest.raises(ValueError, match="error of every family is NaN"):
        _ = broken.best
