"""Shared by tests of the command line: a folder of embeddings, and lines that are run."""

import numpy as np
import pytest

from jfacemap.cli import main


def unit(x):
    """Rows of unit length, in float64 if `x` is."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two models' embeddings of 12 people, 5 images each; also with every fault."""
    r = np.random.default_rng(0)
    who = np.repeat(np.arange(12), 5)
    face = r.normal(size=(12, 6))[who] + 0.5 * r.normal(size=(60, 6))
    a, b = (face @ r.normal(size=(6, d)) + 0.3 * r.normal(size=(60, d)) for d in (8, 7))
    a, b = np.float32(a), np.float16(b)
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", a)
    np.save("b.npy", b)
    np.save("who.npy", who)
    np.savez("faces.npz", a=a, b=b, who=who.astype(str))
    np.save("nan.npy", np.where(np.arange(60)[:, None] == 3, np.nan, a))
    np.save("zero.npy", np.where(np.arange(60)[:, None] == 3, 0, a))
    np.save("short.npy", b[:5])
    np.save("weights.npy", r.uniform(size=60) * (np.arange(60) != 3))
    return tmp_path


def run(capsys, line: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line; it must never be a traceback."""
    try:
        code = main(line.split())
    except SystemExit as error:  # the parser's, of --help
        code = error.code
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def ok(capsys, line: str) -> str:
    """What a command line that works prints."""
    code, out, err = run(capsys, line)
    assert code == 0, err
    return out


def refused(capsys, line: str) -> str:
    """The one line that a command line is refused with."""
    code, out, err = run(capsys, line)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and len(err) < 400
    return err.removeprefix("error: ").rstrip()
