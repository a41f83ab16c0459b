"""Every number of a report is that of the functions it is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jfacemap as jfm
from jfacemap.fit.folds import assign_folds
from jfacemap.page.words import split_calls
from jfacemap.study.report.inputs import read_input
from jfacemap.study.report.likeness import compare_models
from jfacemap.study.report.map_kinds import ridges
from jfacemap.study.report.map_tables import paired
from jfacemap.study.report.parts import name_parts
from jfacemap.study.report.reidentify import deal_attack
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


def test_few_pairs_foretell_nothing(report):
    assert np.isnan([*report.likeness.correlation.values()]).all()
    assert np.isnan([report.fusion.correlation, report.fusion.lift_correlation]).all()


def test_likeness_foretells_as_scipy_has_it(rows):
    r = np.random.default_rng(2)
    four = [*rows.spaces(False), rows.spaces(True)[0]]
    tar = r.uniform(size=(4, 4))
    found = compare_models(r, four, tar, 5)
    upper = np.triu_indices(4, 1)
    worth = ((tar + tar.T) / 2)[upper]
    for name, table in found.index.items():
        truth = scipy.stats.spearmanr(((table + table.T) / 2)[upper], worth)[0]
        np.testing.assert_allclose(found.correlation[name], truth)


def test_less_native_is_of_the_native_tar_of_the_same_spaces(report):
    for name, mean in report.summary.items():
        kind, centring = name.split(", ")
        if kind != "native":
            native = report.summary[f"native, {centring}"]
            np.testing.assert_allclose(mean.less, mean.value - native.value)


def test_bands_are_of_rates(report):
    for table in report.maps.values():
        tar, band = table.tar.tar, table.band
        assert np.all(0 <= band.lower) and np.all(band.upper <= 1)
        assert np.all(band.lower <= tar) and np.all(tar <= band.upper)
    wide = [t.band.upper == 1 for t in report.maps.values()]
    assert np.any(wide)  # some were cut off


def test_a_paired_difference_is_of_the_same_draws(report):
    one, other = (report.maps[f"rotation, {c}"] for c in centrings)
    draws = [t.spread.replicates[:, off, 0].mean(axis=1) for t in (one, other)]
    truth = np.quantile(draws[0] - draws[1], [0.025, 0.975])
    np.testing.assert_allclose(paired(one, other)[:, 0], truth)
    np.testing.assert_array_equal(paired(one, one), 0)
    control = report.controls["rotation, centred"]
    assert np.isnan(paired(one, control)).all()


def test_the_calls_on_the_page_deal_the_parts_again(report, rows):
    names = np.array([f"p{i:02}" for i in range(16)])[who]
    found = {"jfm": jfm, "jax": jax, "labels": names}
    exec(split_calls(report, False), found)
    parts, plan = report.parts, found["plan"]
    np.testing.assert_array_equal(parts.rows["fitted on"], np.flatnonzero(found["fitted"]))
    np.testing.assert_array_equal(parts.rows["judged"], np.flatnonzero(found["judged"]))
    for part in ("leaked", "gallery", "probes"):
        np.testing.assert_array_equal(parts.rows[part], getattr(plan, part))


def test_people_of_the_parts_are_told_by_the_labels_given(report, rows):
    names = np.array([f"p{i:02}" for i in range(16)])[who]
    plan = deal_attack(jax.random.key(0), rows.label)
    people = name_parts(read_input(given, names, None, 5, settings), plan).people
    assert set(people["judged"]) == set(names[rows.judged])
    assert set(people["victims"]) == set(names[plan.gallery]) & set(names[plan.probes])
    assert set(people["distractors"]) == set(names[plan.gallery]) - set(names[plan.probes])
    assert set(people["strangers"]) == set(names[plan.probes]) - set(names[plan.gallery])
    assert len(people["victims"]) == 4 and len(people["strangers"]) == 2


def test_the_attacks_people_are_counted(report):
    c, parts = report.attack.counts, report.parts
    assert [c[name] for name in ("victims", "distractors", "strangers")] == [4, 2, 2]
    labels = who[parts.rows["probes"]]
    mated = np.isin(labels, parts.people["victims"])
    assert c["victim probes"] == mated.sum() and c["stranger probes"] == np.sum(~mated)
    hits = report.attack.rank1 * c["victim probes"]
    np.testing.assert_allclose(hits, np.rint(hits), atol=1e-9)


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
