import numpy as np

from jfacemap.plot.ceilings import plot_ceilings


def test_shares_have_their_ends_and_each_pair_is_a_dot():
    within = {"no map": np.array([[0.5, 0.4, 0.7], [0.2, 0.1, 0.3]]),
              "ridge": np.array([[0.9, 0.8, 1.0], [0.6, 0.65, 0.7]])}  # fmt: skip
    between = {"ridge": np.array([0.3, 0.5, 0.1])}
    figure = plot_ceilings(within, ("flipped", "14 px"), between)
    left, right = figure.axes
    names = [t.get_text() for t in left.get_legend().get_texts()]
    assert names == ["no map", "ridge"]
    for box, values in zip(left.containers, within.values(), strict=True):
        points, _, (bars,) = box
        np.testing.assert_array_equal(points.get_ydata(), values[:, 0])
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        # An estimate outside its interval has no bar on that side.
        truth = [np.minimum(values[:, 1], values[:, 0]), values[:, 2]]
        np.testing.assert_allclose(ends, np.transpose(truth))
    dots, bar = right.lines[:2]
    np.testing.assert_array_equal(dots.get_ydata(), between["ridge"])
    np.testing.assert_allclose(bar.get_ydata(), 0.3)
    marks = [box[0].get_marker() for box in left.containers]
    assert dots.get_marker() == marks[1] != marks[0]
