import numpy as np

from jfacemap.plot.swap import plot_shared_parts, plot_swaps
from jfacemap.study.published_swap import table51, table52


def test_cells_carry_accuracy_and_change():
    names = [n.name for n in table51]
    small = np.array([[50.0, 45.0], [60.0, 80.0]])
    figure = plot_swaps({"ours": small, "published": table52}, [["a", "b"], names])
    ours, published, _ = figure.axes
    texts = [t.get_text() for t in ours.texts]
    assert texts[:4] == ["50.00", "+0.00 %", "45.00", "-10.00 %"]
    assert len(published.texts) == 200
    assert "-11.60 %" in [t.get_text() for t in published.texts]


def test_a_dot_for_each_pair_and_part():
    r2 = np.linspace(0, 1, 12).reshape(2, 3, 2)
    figure = plot_shared_parts(r2, 0 * r2, ["a → b", "b → a"])
    for j, ax in enumerate(figure.axes):
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        ours = sorted(float(d.get_ydata()[0]) for d in dots)
        np.testing.assert_allclose(ours, np.sort(r2[:, :, j].ravel()))
