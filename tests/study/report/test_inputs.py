"""What a report refuses before any work, and how it deals the people."""

import re

import numpy as np
import pytest

from jfacemap.study.report.facts import gather_facts
from jfacemap.study.report.inputs import read_input
from jfacemap.study.report.settings import ReportSettings

from .rows import make_rows


settings = ReportSettings(fars=(1e-1,))


def read(rows, who, datasets=None, seed=0, settings=settings):
    return read_input(rows, who, datasets, seed, settings)


def broken(rows, place=3):
    rows = {name: x.copy() for name, x in rows.items()}
    rows["b_2"][place, 0] = np.nan
    return rows


rows, who = make_rows()
faults = {
    "one model": (({"a": rows["a"]}, who), "two models or more"),
    "a list": ((list(rows.values()), who), "as {name: rows (n, d)}"),
    "one label": ((rows, np.zeros(48, int)), "labels name 1 people"),
    "all alone": ((rows, np.arange(48)), "0 of them with two images"),
    "few people": ((rows, who % 7), "needs 8 people with two images"),
    "labels too short": ((rows, who[:-1]), "each of 48 rows; got (47,)"),
    "labels that are rates": ((rows, who / 2), "integers or strings"),
    "rows too few": ((rows | {"c": rows["a"][:-1]}, who), "same image in every model"),
    "no rows": ((rows | {"c": rows["a"][:0]}, who), "a row an image"),
    "flat": ((rows | {"c": rows["a"][0]}, who), "a row an image"),
    "whole numbers": ((rows | {"c": np.ones((48, 2), int)}, who), "c is int64"),
    "NaN": ((broken(rows), who), "b_2: 1 of 48 rows hold NaN or infinity, the first is"),
    "zeros": ((rows | {"c": 0 * rows["a"]}, who), "c: all rows are zero"),
    "datasets": ((rows, who, who[:-1]), "datasets names the collection"),
    "a person in two": ((rows, who, np.arange(48) % 2), "more than one stratum"),
}  # fmt: skip


@pytest.mark.parametrize("given, message", faults.values(), ids=faults)
def test_a_fault_is_told(given, message, unchecked_types):
    with pytest.raises(ValueError, match=re.escape(message)):
        read(*given)


def test_rates_that_cannot_be_measured_are_told():
    with pytest.raises(ValueError, match="less than one of the 480 impostor pairs"):
        read(rows, who, settings=ReportSettings(fars=(1e-3,)))
    with pytest.raises(ValueError, match="Fewer than two of the people judged"):
        read(rows, who, settings=ReportSettings(fars=(1e-1,), most_judged=4))
    for wrong in ({"fars": ()}, {"fars": (0.0,)}, {"folds": 1}, {"replicates": 0}):
        with pytest.raises(ValueError):
            ReportSettings(**wrong)


def test_people_are_in_one_half():
    names = np.array([f"p{i:02}" for i in range(12)])[who]
    found = read(rows, names, settings=ReportSettings(fars=(1e-1,), most_judged=12))
    assert not set(found.label[found.fit]) & set(found.label[found.judged])
    assert found.people(found.fit) == 6 and found.judged.sum() == 12
    other = read(rows, names, seed=1)
    assert np.any(other.fit != found.fit)
    again = read(rows, who, seed=1)
    np.testing.assert_array_equal(again.fit, other.fit)


def test_each_collection_is_halved():
    found = read(rows, who, np.where(who < 4, "one", "two"))
    assert found.people(found.fit & (who < 4)) == 2
    assert found.people(found.judged & (who >= 4)) == 4


def test_centred_spaces_have_no_mean_on_fit_rows_before_scaling():
    found = read(rows, who)
    plain, centred = found.spaces(False), found.spaces(True)
    for a, b in zip(plain, centred, strict=True):
        about = a - a[found.fit].mean(axis=0)
        truth = about / np.linalg.norm(about, axis=1, keepdims=True)
        np.testing.assert_allclose(b, truth, atol=1e-5)


def test_facts_are_counted():
    given = {name: x.copy() for name, x in rows.items()}
    found = read(given, who)
    given["a"][np.flatnonzero(found.judged)[:2]] = given["a"][np.flatnonzero(found.fit)[0]]
    given["a"][np.flatnonzero(found.judged)[5]] = 0
    found = read(given, who, np.where(who < 4, "one", "two"))
    facts = gather_facts(found, found.spaces(False))
    assert facts.models["b_2"].repeated == 0 and facts.models["b_2"].zero_rows == 0
    assert facts.models["a"].zero_rows == 1
    assert facts.parts["all"] == (48, 12) and facts.parts["of one"] == (16, 4)
    same = found.label[found.judged][:, None] == found.label[found.judged]
    assert facts.genuine == same.sum() - len(same) and facts.impostor == np.sum(~same)
    variance = np.linalg.eigvalsh(np.cov(found.spaces(False)[1].T.astype(float)))
    expected = variance.sum() ** 2 / np.sum(variance**2)
    assert facts.models["b_2"].dimensions == pytest.approx(expected, rel=1e-6)
