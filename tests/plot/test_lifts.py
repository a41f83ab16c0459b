import numpy as np

from jfacemap.plot.lifts import plot_lifts


def test_a_dot_a_split_and_a_bar_at_their_mean():
    rng = np.random.default_rng(0)
    ways = {"both": rng.random(5), "one": rng.random(5)}
    lifts = {"linear": ways, "native": {"both": rng.random(5)}}
    lengths, gain = np.array([0.9, 0.3, 0.5]), np.array([0.2, 0.0, 0.1])
    figure = plot_lifts(lifts, lengths, {"linear": gain}, ("a", "b", "c"), title="some")
    splits, models = figure.axes
    dots = [line for line in splits.lines if line.get_marker() in "os"]
    bars = [line for line in splits.lines if line.get_marker() == "|"]
    drawn = [values for by_way in lifts.values() for values in by_way.values()]
    for values, dot, bar in zip(drawn, dots, bars, strict=True):
        np.testing.assert_array_equal(dot.get_xdata(), values)
        np.testing.assert_allclose(bar.get_xdata(), values.mean())
    assert dots[0].get_marker() == dots[2].get_marker() != dots[1].get_marker()
    assert [t.get_text() for t in splits.get_legend().get_texts()] == ["both", "one"]
    assert [t.get_text() for t in splits.get_yticklabels()] == ["linear", "native"]
    np.testing.assert_array_equal(models.lines[0].get_xdata(), [0.3, 0.5, 0.9])
    np.testing.assert_array_equal(models.lines[0].get_ydata(), [0.0, 0.1, 0.2])
    assert [t.get_text() for t in models.texts] == ["a", "b", "c"]
