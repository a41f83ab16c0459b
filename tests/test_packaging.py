"""The wheel: what ships, and nothing else."""

import pathlib
import subprocess
import sys
import zipfile

import pytest


checkout = pathlib.Path(__file__).parent.parent
suffixes = ".py", ".typed", ".npz", ".md", ".html", ".css", ".js"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> pathlib.Path:
    # In this environment, so that the test needs no network.
    pytest.importorskip("hatchling", reason="builds the wheel: pip install hatchling")
    pytest.importorskip("build", reason="builds the wheel: pip install build")
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out]
    done = subprocess.run(build, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return path


def test_holds_the_package_alone_with_its_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    meta = {name for name in names if ".dist-info/" in name}
    assert {name.split("/")[0] for name in names - meta} == {"jfacemap"}
    needed = "__init__.py", "py.typed", "data/faces.npz", "data/FACES.md"
    assert {f"jfacemap/{name}" for name in needed} <= names
    assert {pathlib.Path(name).suffix for name in names - meta} == {*suffixes}
    assert any(name.endswith("licenses/LICENSE") for name in meta)


def test_is_small(wheel):
    assert wheel.stat().st_size < 10e6
