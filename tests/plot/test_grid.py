import numpy as np

from jfacemap.plot.grid import plot_tar_grid


def test_grid_shows_each_table_with_sources_as_rows():
    rates = np.array([[0.9, 0.5], [np.nan, 0.8]])
    tables = {
        kind: np.stack([rates, rates / 2], axis=-1) for kind in ("linear", "rotation")
    }
    figure = plot_tar_grid(tables, ("a", "b"), (1e-1, 1e-2), title="some faces")
    *grids, bar = figure.axes
    assert len(grids) == 4 and bar.get_ylabel() == "TAR"
    assert grids[0].get_title() == "linear, FAR 0.1"
    words = {t.get_position(): (t.get_text(), t.get_weight()) for t in grids[0].texts}
    assert words == {  # (target, source): the y axis holds sources
        (0, 0): (".90", "bold"),
        (1, 0): (".50", "normal"),
        (0, 1): ("-", "normal"),
        (1, 1): (".80", "bold"),
    }
    assert not grids[0].yaxis_inverted()  # the diagonal runs from bottom left
