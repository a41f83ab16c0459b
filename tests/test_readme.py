"""The README's Python runs as it stands, in one go and in an empty folder."""

import pathlib
import re
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import PIL.Image
import pytest

import jfacemap as jfm

from .onnx2jax.build import draws, model, node


readme = pathlib.Path(__file__).parents[1] / "README.md"


def test_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few rows for faceres, as the text says
        exec(compile("\n".join(blocks), str(readme), "exec"), {})
    assert (tmp_path / "map.safetensors").stat().st_size > 0
    assert len(capsys.readouterr().out.splitlines()) >= 4


@pytest.fixture
def network(tmp_path, monkeypatch):
    """A small one for the `arcface.onnx` that everybody has to have of their own."""
    monkeypatch.chdir(tmp_path)
    nodes = [
        node("AveragePool", ["x"], ["p"], kernel_shape=[56, 56], strides=[56, 56]),
        node("Conv", ["p", "w"], ["h"]),
        node("GlobalAveragePool", ["h"], ["y"]),
    ]
    shapes = {"x": (1, 3, 112, 112)}, {"y": (1, 4, 1, 1)}
    onnx.save(model(nodes, *shapes, {"w": draws(0, 4, 3, 1, 1)}), "arcface.onnx")


def block_with(word: str) -> str:
    blocks = re.findall(r"```py\n(.*?)```", readme.read_text(), re.DOTALL)
    (block,) = (block for block in blocks if word in block)
    return block


def test_the_example_from_images_runs(network, tmp_path, capsys):
    for who in ("ann", "bob"):
        path = tmp_path / "photographs" / who / "1.png"
        path.parent.mkdir(parents=True)
        PIL.Image.fromarray(np.full((20, 30, 3), len(path.parts), np.uint8)).save(path)
    names = {"jfm": jfm}
    exec(compile(block_with("jfm.embed"), str(readme), "exec"), names)
    assert names["x"].shape == (2, 4) and names["who"].tolist() == ["ann", "bob"]
    assert capsys.readouterr().out == "{}\n"


def test_the_example_of_onnx2jax_runs(network):
    f = jfm.onnx2jax.load("arcface.onnx")
    names = {"f": f, "np": np, "jax": jax, "jnp": jnp, "eqx": eqx}
    exec(compile(block_with("f.batched"), str(readme), "exec"), names)
    np.testing.assert_array_equal(names["rows"][:1].ravel(), names["one"].ravel())
    np.testing.assert_allclose(names["same"], names["rows"], rtol=1e-5)
    assert names["slope"].weights["w"].shape == (4, 3, 1, 1)
    assert np.any(names["slope"].weights["w"] != 0)
    assert names["half"](names["x"][:1]).dtype == jnp.bfloat16


def test_all_presets_are_named():
    text = readme.read_text()
    assert all(f"`{name}`" in text for name in jfm.data.presets)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", readme.read_text()))
def test_links_lead_somewhere(link):
    assert (readme.parent / link).exists()
