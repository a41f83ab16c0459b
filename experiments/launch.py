"""Run an experiment in several processes, whose devices make one mesh.

On this machine:  python -m experiments.launch --processes 2 -- experiments.sensitivity
On a TPU pod, on every worker:  python -m experiments.launch -- experiments.sensitivity
Under Slurm:  srun python -m experiments.launch -- experiments.sensitivity

The last two find address, number and rank themselves (`jax.distributed.initialize`). The
first process prints and writes the results. If one dies the others are stopped.
"""

import dataclasses
import pathlib
import runpy
import signal
import socket
import subprocess
import sys
import time

import tyro


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags before the `--`; after it the module and its flags."""

    processes: int | None = None
    """Start so many processes here; without, join those that the cluster has started."""
    process_id: int | None = None
    """Be this one of them, from 0: for clusters that are not detected."""
    address: str | None = None
    """host:port of process 0."""
    heartbeat: int = 30
    """Seconds without a sign of life after which a process counts as dead."""


def main(arguments: list[str]) -> int:
    """Start the processes, or be one of them."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    prog, flags, job = "python -m experiments.launch", arguments[:at], arguments[at + 1 :]
    config = tyro.cli(Config, args=flags, prog=prog, description=__doc__)
    if not job:
        print("Name the module to run after --, as in -- experiments.sensitivity")
        return 2
    if config.processes is None or config.process_id is not None:
        join(config)
        sys.argv = job
        runpy.run_module(job[0], run_name="__main__", alter_sys=True)
        return 0
    return start_all(config, config.processes, job)


def join(config: Config) -> None:
    """Become one of the processes."""
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        config.address,
        config.processes,
        config.process_id,
        heartbeat_timeout_seconds=config.heartbeat,
    )


def start_all(config: Config, number: int, job: list[str]) -> int:
    """Start `number` processes here and wait for them; the first failure stops all."""
    address = config.address or f"localhost:{_free_port()}"
    common = [sys.executable, "-m", "experiments.launch", "--processes", str(number)]
    common += ["--address", address, "--heartbeat", str(config.heartbeat)]
    command = lambda i: [*common, "--process-id", str(i), "--", *job]
    quiet = lambda i: subprocess.DEVNULL if i else None
    children = [subprocess.Popen(command(i), stdout=quiet(i)) for i in range(number)]
    try:
        return _wait(children)
    finally:
        _stop(children)


def _wait(children: list[subprocess.Popen]) -> int:
    while True:
        codes = [child.poll() for child in children]
        failed = [(code, i) for i, code in enumerate(codes) if code]
        # One that was killed is the cause: the others fail because of it.
        failed.sort(key=lambda failure: failure[0] != -signal.SIGKILL)
        if failed:
            code, i = failed[0]
            how = f"exit code {code}" if code > 0 else signal.Signals(-code).name
            print(
                f"Process {i} of {len(children)} ended with {how}; the others are "
                "stopped. What was committed is kept: run the same again to go on.",
                file=sys.stderr,
            )
            return 1
        if not any(code is None for code in codes):
            return 0
        time.sleep(0.2)


def _stop(children: list[subprocess.Popen]) -> None:
    """End those that still run: by asking, and after 10 s without."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    end = time.monotonic() + 10
    for child in children:
        try:
            child.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path.cwd()))
    sys.exit(main(sys.argv[1:]))
