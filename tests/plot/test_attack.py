import numpy as np

import jfacemap as jfm
from jfacemap.plot.attack import plot_defences, plot_rank_curves
from jfacemap.plot.linkability import plot_linkability


def labels_of(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_curves_are_means_and_levels_are_lines():
    rng = np.random.default_rng(0)
    curves = {kind: rng.random((3, 4)) for kind in ("linear", "ridge")}
    figure = plot_rank_curves(curves, (8, 16, 32), {"owner": 0.9, "chance": 0.1})
    lines = figure.axes[0].lines
    np.testing.assert_allclose(lines[1].get_ydata(), curves["ridge"].mean(axis=1))
    assert list(lines[3].get_ydata()) == [0.1, 0.1]
    assert labels_of(figure) == ["linear", "ridge", "owner", "chance"]


def test_defences_run_from_tar_to_rank():
    curves = {"none": np.array([[0.9, 0.8]]), "noise": np.array([[0.9, 0.8], [0.5, 0.3]])}
    figure = plot_defences(curves, chance=0.02)
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_xydata(), curves["noise"])
    assert labels_of(figure) == ["none", "noise", "chance"]


def test_densities_and_linkability_share_their_bins():
    rng = np.random.default_rng(0)
    scores, genuine = rng.normal(size=500), np.arange(500) < 200
    linked = jfm.linkability(scores + genuine, genuine, bins=12)
    figure = plot_linkability(linked)
    density, local = figure.axes
    areas = [p.get_data() for p in density.patches]
    for values, edges, _ in areas:
        np.testing.assert_allclose(np.sum(values) * (edges[1] - edges[0]), 1)
    np.testing.assert_allclose(local.patches[0].get_data().values, linked.local)
    assert f"{linked.d_sys:.2f}" in figure.get_suptitle()
