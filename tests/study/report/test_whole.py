"""Every number of a report is that of the functions it is made of."""

import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.evaluate.rank import rank_correlation
from jfacemap.fit.folds import assign_folds
from jfacemap.study.report.inputs import read_input
from jfacemap.study.report.map_kinds import ridges
from jfacemap.study.report.settings import centrings, kinds

from .rows import make_rows


settings = jfm.ReportSettings(fars=(1e-1, 5e-2), replicates=20, refits=2, repeats=1)
given, who = make_rows(people=16)
given["c"] = np.float32(given["a"] @ np.random.default_rng(1).normal(size=(6, 6)))
off = ~np.eye(3, dtype=bool)


@pytest.fixture(scope="module")
def seen():
    return []


@pytest.fixture(scope="module")
def report(seen):
    tell = lambda *step: seen.append(step)
    return jfm.report(given, who, seed=5, settings=settings, progress=tell)


@pytest.fixture(scope="module")
def rows():
    return read_input(given, who, None, 5, settings)


def tar_of(maps, rows, centred=False):
    held = [x[rows.judged] for x in rows.spaces(centred)]
    genuine, valid = jfm.label_pairs(rows.label[rows.judged])
    scores = jfm.cross_scores(maps, held)
    return np.asarray(jfm.table_tar(scores, genuine, settings.fars, valid=valid).tar)


@pytest.mark.parametrize("centred", (False, True), ids=centrings)
def test_maps_are_those_of_the_fits(report, rows, centred):
    fitted = [x[rows.fit] for x in rows.spaces(centred)]
    joint = jfm.joint_moments(fitted, names=tuple(given))
    for kind in ("identity", "linear", "affine", "rotation"):
        table = report.maps[f"{kind}, {centrings[centred]}"]
        truth = tar_of(jfm.fit_all_pairs(joint, kind), rows, centred)
        np.testing.assert_allclose(table.tar.tar, truth, atol=1e-12)
        np.testing.assert_array_equal(table.spread.tar, table.tar.tar)
    held = jnp.asarray(rows.spaces(centred)[0][rows.judged])
    similar = jfm.fit_similarity(fitted[0], fitted[1])(held)
    scores = jfm.score_all(similar, rows.spaces(centred)[1][rows.judged])
    genuine, valid = jfm.label_pairs(rows.label[rows.judged])
    truth = jfm.tar_at_far(scores, genuine, settings.fars, valid=valid).tar
    found = report.maps[f"similarity, {centrings[centred]}"].tar.tar[0, 1]
    np.testing.assert_allclose(found, truth, atol=1e-12)


def test_ridges_are_chosen_among_people_fitted_on(report, rows):
    x, y = (rows.spaces(False)[i][rows.fit] for i in (0, 1))
    fold = assign_folds(rows.label[rows.fit], settings.folds)
    path = [np.mean([_left(x, y, fold == k, r) for k in range(3)]) for r in ridges]
    assert report.chosen["ridge, as they are"][0, 1] == ridges[int(np.argmin(path))]


def _left(x, y, held, ridge):
    m = jfm.fit_affine(x[~held], y[~held], ridge=ridge * np.sum(~held))
    missed = np.sum((np.asarray(m(x[held])) - y[held]) ** 2, dtype=float)
    return missed / np.sum((y[held] - y[held].mean(axis=0)) ** 2, dtype=float)


def test_controls_bound_the_maps(report):
    native = report.summary["native, as they are"].value[0]
    for name, table in report.controls.items():
        assert table.tar.tar[off][:, 0].mean() < report.summary[name].value[0] < native
    own = np.diagonal(report.self_map.tar[..., 0])
    np.testing.assert_allclose(own, np.diagonal(report.native.tar.tar[..., 0]), atol=0.02)
    assert report.attack.random[off].mean() < report.attack.rank1[-1][off].mean()
    assert report.attack.chance < report.attack.rank1[-1][off].mean()


def test_the_band_is_wider_than_a_cells_interval(report):
    for kind in kinds[1:]:
        table = report.maps[f"{kind}, centred"]
        band = table.band.upper - table.band.lower
        assert np.nanmedian(band) > np.nanmedian(table.spread.upper - table.spread.lower)


def test_likeness_foretells_as_scipy_has_it(report):
    tar = report.maps["rotation, centred"].tar.tar[..., 0]
    upper = np.triu_indices(3, 1)
    worth = ((tar + tar.T) / 2)[upper]
    for name, table in report.likeness.index.items():
        truth = rank_correlation(((table + table.T) / 2)[upper], worth)
        np.testing.assert_allclose(report.likeness.correlation[name], truth)


def test_fused_scores_are_those_of_standard_scores(report, rows):
    spaces = rows.spaces(False)
    genuine, valid = jfm.label_pairs(rows.label[rows.judged])
    total = 0
    for x in spaces[:2]:
        fit = x[rows.fit]
        scores = np.asarray(jfm.score_all(fit, fit), float)
        others = scores[rows.label[rows.fit][:, None] != rows.label[rows.fit][None]]
        held = np.asarray(jfm.score_all(x[rows.judged], x[rows.judged]))
        total = total + np.float32((held - others.mean()) / others.std())
    truth = np.asarray(jfm.tar_at_far(total, genuine, settings.fars, valid=valid).tar)
    np.testing.assert_allclose(report.fusion.tar.tar[0], truth, atol=1e-12)
    own = [report.native.tar.tar[i, i] for i in (0, 1)]
    np.testing.assert_allclose(report.fusion.gain[0], truth - np.maximum(*own), atol=1e-12)


def test_all_rows_are_the_last_of_the_sweep(report):
    swept = report.sweep["centred"]
    assert swept.sizes[-1] == report.data.parts["fitted on"][0]
    truth = report.maps["rotation, centred"].tar.tar[..., 0]
    np.testing.assert_allclose(swept.values["rotation"][-1, 0], truth, atol=0.02)


def test_progress_ends_each_stage(seen, report):
    last = {stage: (done, total) for stage, done, total in seen}
    assert len(last) >= 6
    assert all(done == total for done, total in last.values())


def test_another_seed_is_another_half_and_one_seed_one(report):
    assert report.seed == 5 and len(report.refits["rotation, centred"]) == 2
    again = read_input(given, who, None, 5, settings)
    assert report.data.parts["judged"][0] == again.judged.sum()
