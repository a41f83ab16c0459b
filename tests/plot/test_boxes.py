import numpy as np

from jfacemap.plot.boxes import plot_subset_boxes


def test_a_box_per_size_and_kind_with_whiskers_at_the_extremes():
    rng = np.random.default_rng(0)
    boxes = {kind: rng.random((3, 20, 2)) for kind in ("linear", "rotation")}
    figure = plot_subset_boxes(boxes, (8, 16, 32), (0.1, 0.01), native=(0.9, 0.8))
    panels = figure.axes
    assert [ax.get_title() for ax in panels] == ["FAR 0.1", "FAR 0.01"]
    for k, ax in enumerate(panels):
        assert len(ax.patches) == 6
        reach = [line.get_ydata() for line in ax.lines]
        for kind in boxes:
            for values in boxes[kind][:, :, k]:
                ends = values.min(), values.max()
                assert all(any(np.isclose(end, y).any() for y in reach) for end in ends)
    labels = [text.get_text() for text in panels[-1].get_legend().get_texts()]
    assert labels == ["linear", "rotation", "native, mean"]
