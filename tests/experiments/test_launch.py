"""Local runs of several processes: they share a mesh, and none survives another."""

import os
import subprocess
import sys

from experiments.launch import main


module = """
import os, signal, sys
import jax, numpy as np
from jax.experimental import multihost_utils

every = multihost_utils.process_allgather(np.arange(2) + jax.process_index())
if jax.process_index() == 0:
    print(jax.process_count(), np.asarray(every).tolist(), sys.argv[1:], flush=True)
if "--die" in sys.argv:
    if jax.process_index() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    multihost_utils.sync_global_devices("one is missing")
"""


def launch(folder, *flags):
    (folder / "job_of_two.py").write_text(module)
    command = [sys.executable, "-m", "experiments.launch", "--processes", "2", "--"]
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    env = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": path}
    return subprocess.run(
        [*command, "job_of_two", *flags],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | env,
    )


def test_processes_share_a_mesh_and_the_first_one_speaks(tmp_path):
    ran = launch(tmp_path, "--flag", "x")
    assert ran.returncode == 0, ran.stderr[-3000:]
    lines = [line for line in ran.stdout.splitlines() if "Gloo" not in line]
    assert lines == ["2 [[0, 1], [1, 2]] ['--flag', 'x']"]


def test_one_that_is_killed_stops_the_others(tmp_path):
    ran = launch(tmp_path, "--die")
    assert ran.returncode == 1
    assert "Process 1 of 2 ended with SIGKILL; the others are stopped" in ran.stderr


def test_a_module_must_be_named(capsys):
    assert main(["--processes", "2"]) == 2
    assert "after --" in capsys.readouterr().out
