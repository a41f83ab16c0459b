import numpy as np

from jfacemap.plot.categories import plot_categories


def test_a_box_a_category_and_a_dot_a_pair():
    rng = np.random.default_rng(0)
    tar = {kind: rng.random((4, 4, 2)) for kind in ("linear", "rotation")}
    tar["linear"][0, 1] = np.nan
    some = np.zeros((4, 4), bool)
    some[0, 1:3] = True
    groups = {"data": some, "none": ~np.eye(4, dtype=bool) & ~some}
    figure = plot_categories(tar, groups, (0.1, 0.01))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == [f"{kind}, FAR {far:g}" for kind in tar for far in (0.1, 0.01)]
    for ax in figure.axes:
        dots = [line for line in ax.lines if line.get_marker() == "."]
        assert [len(d.get_ydata()) for d in dots][1] == 10
    labels = [t.get_text() for t in figure.axes[-1].get_xticklabels()]
    assert labels == ["data (2)", "none (10)"]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    assert len(dots[0].get_ydata()) == 1  # the NaN is no dot
