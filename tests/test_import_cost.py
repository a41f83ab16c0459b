"""`import jfacemap` brings in little more than `import jax`: the rest comes when used."""

import subprocess
import sys

import pytest


heavy = {
    "flax",
    "jinja2",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "optax",
    "orbax",
    "pandas",
    "plotly",
    "PIL",
    "pyarrow",
    "rich",
    "safetensors",
    "scipy",
    "skimage",
    "sklearn",
    "tensorstore",
    "tyro",
}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ("jfacemap", "jfacemap.cli"))
def test_heavy_libraries_wait_until_they_are_used(module):
    loaded = run(f"import sys, {module}; print(*sys.modules)").split()
    assert module in loaded
    assert not heavy & set(loaded)


def test_every_public_name_is_there():
    """In a new process, where no other test has imported the module behind a name."""
    run("import jfacemap as jfm\nfor name in dir(jfm): getattr(jfm, name)")
