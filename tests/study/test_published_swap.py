"""The thesis's tables agree with its text, but for the errata that are known."""

import numpy as np

from jfacemap.study import published_swap as published


def test_the_diagonal_is_that_of_table_51():
    own = np.diagonal(published.table52)
    local = [network.local for network in published.table51]
    np.testing.assert_allclose(np.round(own, 1), local, atol=0.051)
    assert [n.dim for n in published.table51][::9] == [1024, 4320]


def test_statements_of_the_text():
    s = published.summarise_changes(published.table52)
    assert round(s["worst"], 1) == -11.6
    assert (s["mapped pairs"], s["beat target"], s["beat source"]) == (90, 38, 0)
    assert round(s["median, mapped pairs"], 2) == -2.17
    assert round(s["median, all cells"], 2) == -1.89  # the text says -1.90
    changes = published.percent_changes(published.table52)
    assert round(changes[6, 4], 2) == -1.02  # -1.01 % in the caption, of rounded numbers


def test_four_cells_are_printed_otherwise():
    wrong = published.misprints(published.table52, published.printed_changes)
    names = [network.name for network in published.table51]
    assert [(names[i], names[j]) for i, j in wrong] == [
        ("Inception-v1", "MobileNet-v2-1.4-224"),
        ("Inception-v1", "ResNet-v1-152"),
        ("Inception-v1", "ResNet-v2-152"),
        ("NASNet-Large", "MobileNet-v2-1.4-224"),
    ]
    own = published.printed_changes.copy()
    own[0, 1] += 1
    assert len(published.misprints(published.table52, own)) == 5
