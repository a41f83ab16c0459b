import jax.numpy as jnp
import numpy as np

from jfacemap.evaluate.compare import Layout
from jfacemap.plot.canonical import plot_canonical
from jfacemap.study.composition import CompositionErrors


def test_models_axes_and_detours_are_drawn():
    r = np.random.default_rng(0)
    layout = Layout(jnp.asarray(np.float32(r.normal(size=(3, 2)))), jnp.float32([2, 1, 0]))
    direct, through = (np.float32(r.uniform(size=(3,) * k)) for k in (2, 3))
    errors = CompositionErrors(*map(jnp.asarray, (direct, through, through)))
    spectra = {"true": np.arange(4.0), "random": np.ones(4)}
    figure = plot_canonical(layout, ("a", "b", "c"), spectra, errors)
    models, axes, detours = figure.axes
    assert [t.get_text() for t in models.texts] == ["a", "b", "c"]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["true", "random"]
    dots = next(line for line in detours.lines if line.get_marker() == ".")
    assert len(dots.get_xdata()) == 6  # ordered triples of three different models
    np.testing.assert_allclose(dots.get_xdata()[0], direct[0, 2])
    np.testing.assert_allclose(dots.get_ydata()[0], through[0, 1, 2])
