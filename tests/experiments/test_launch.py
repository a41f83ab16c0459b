"""Local runs of several processes: they share a mesh, and none survives another."""

import os
import signal
import subprocess
import sys
import time

import pytest

from experiments.launch import main


module = """
import os, pathlib, signal, sys, time
import jax, numpy as np
from jax.experimental import multihost_utils

every = multihost_utils.process_allgather(np.arange(2) + jax.process_index())
print(jax.process_count(), np.asarray(every).tolist(), sys.argv[1:], flush=True)
if jax.process_index() == 1:
    if "--die" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    if "--raise" in sys.argv:
        raise KeyError("no such thing")
    if "--exit" in sys.argv:
        sys.exit(3)
if "--wait" in sys.argv:
    pathlib.Path(sys.argv[2], str(os.getpid())).touch()
    time.sleep(600)
if sys.argv[1] != "--flag":
    multihost_utils.sync_global_devices("one is missing")
"""


def start(folder, *flags):
    (folder / "job_of_two.py").write_text(module)
    command = [sys.executable, "-m", "experiments.launch", "--processes", "2", "--"]
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    return subprocess.Popen(
        [*command, "job_of_two", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": path},
        start_new_session=True,
    )


def finish(launcher, seconds=150):
    """Exit code and output; whatever hangs is ended, its processes too."""
    try:
        out, err = launcher.communicate(timeout=seconds)
    finally:
        try:
            os.killpg(launcher.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return launcher.returncode, out, err


def test_processes_share_a_mesh_and_the_first_one_speaks(tmp_path):
    code, out, err = finish(start(tmp_path, "--flag", "x"))
    assert code == 0, err[-3000:]
    lines = [line for line in out.splitlines() if "Gloo" not in line]
    assert lines == ["2 [[0, 1], [1, 2]] ['--flag', 'x']"]


@pytest.mark.parametrize(
    "fault, how, said",
    (
        ("--die", "SIGKILL", ""),
        ("--raise", "exit code 1", "KeyError: 'no such thing'"),
        ("--exit", "exit code 3", ""),
    ),
)
def test_one_that_fails_stops_the_others(tmp_path, fault, how, said):
    """The others wait for it, and it, without haste, for them: minutes."""
    code, _, err = finish(start(tmp_path, fault))
    assert code == 1
    assert "Of 2 processes" in err and f"process 1 ended with {how}" in err
    assert "the others are stopped" in err
    assert said in err


@pytest.mark.parametrize("asked", (signal.SIGTERM, signal.SIGINT))
def test_a_launcher_that_is_ended_ends_its_processes(tmp_path, asked):
    there = tmp_path / "there"
    there.mkdir()
    launcher = start(tmp_path, "--wait", str(there))
    try:
        end = time.monotonic() + 150
        while len(list(there.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        running = [int(p.name) for p in there.iterdir()]
        assert len(running) == 2
        launcher.send_signal(asked)
        assert launcher.wait(60) == 128 + asked
        for child in running:
            with pytest.raises(ProcessLookupError):
                os.kill(child, 0)
    finally:
        finish(launcher)


def test_a_module_must_be_named(capsys):
    assert main(["--processes", "2"]) == 2
    assert "after --" in capsys.readouterr().out


@pytest.mark.parametrize("number", ("0", "-1"))
def test_a_number_of_processes_is_at_least_one(capsys, number):
    assert main(["--processes", number, "--", "job_of_two"]) == 2
    assert "as 1 or more" in capsys.readouterr().out


def test_without_a_cluster_it_says_what_to_give():
    command = [sys.executable, "-m", "experiments.launch", "--", "job_of_two"]
    path = os.pathsep.join(filter(None, sys.path))
    env = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": path}
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=150, env=os.environ | env
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("No cluster was detected"), ran.stderr
    assert "Give --processes N" in ran.stderr
