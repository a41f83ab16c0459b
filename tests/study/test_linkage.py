import functools as ft

import numpy as np
import pytest

import jfacemap as jfm
from tests.study.test_attack import collection


def sources():
    """Three sources with images of their own; people 0-39 known, the rest not."""
    spaces, label = collection(images=9)
    spaces = [np.asarray(jfm.unit(x)) for x in spaces]
    image = np.tile(np.arange(9), 60)
    parts = [np.flatnonzero(image % 3 == i) for i in range(3)]
    pick = lambda known: [
        r[(label[r] < 40) == known][: (60 if known else 40)] for r in parts
    ]
    return spaces, label, pick(True), pick(False)


fars = 1e-1, 1e-2


@ft.cache
def linked(fit):
    spaces, label, known, hidden = sources()
    rows = [x[r] for x, r in zip(spaces, known, strict=True)]
    maps = fit(rows, [label[r] for r in known])
    rows = [x[r] for x, r in zip(spaces, hidden, strict=True)]
    return jfm.link_sources(maps, rows, [label[r] for r in hidden], fars), maps, rows


def test_people_no_label_names_are_linked():
    found, *_ = linked(jfm.fit_by_identity)
    rng = np.random.default_rng(0)
    shuffle = lambda rows, labels: jfm.fit_by_identity(
        rows, [rng.permutation(39)[each % 39] for each in labels]
    )
    control, *_ = linked(shuffle)
    assert found.across[0] > 0.7 > 0.35 > control.across[0]
    assert found.d_sys_across > 0.5 > 0.4 > control.d_sys_across


def test_each_cell_is_its_own_table_of_scores():
    found, maps, rows = linked(jfm.fit_by_identity)
    _, label, _, hidden = sources()
    scores = jfm.score_all(maps[0, 2](rows[0]), rows[2])
    genuine, _ = jfm.label_pairs(label[hidden[0]], label[hidden[2]])
    np.testing.assert_array_equal(
        found.tar[0, 2], jfm.tar_at_far(scores, genuine, fars).tar
    )
    assert found.d_sys[0, 2] == jfm.linkability(scores, genuine).d_sys
    assert found.n_genuine[0, 2] == genuine.sum()
    scores = jfm.score_all(rows[1], rows[1])
    genuine, valid = jfm.label_pairs(label[hidden[1]])
    native = jfm.tar_at_far(scores, genuine, fars, valid=valid).tar
    np.testing.assert_array_equal(found.tar[1, 1], native)
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(found.across, found.tar[off].mean(axis=0))


def test_numbers_of_sources_must_agree():
    _, maps, rows = linked(jfm.fit_by_identity)
    with pytest.raises(ValueError, match="Maps of 3 sources, but 2 embeddings"):
        jfm.link_sources(maps, rows[:2], [np.arange(40)] * 2, fars)
    labels = [np.arange(40), np.arange(39), np.arange(40)]
    with pytest.raises(ValueError, match=r"of 1 are \(40, 12\), its labels 39"):
        jfm.link_sources(maps, rows, labels, fars)
