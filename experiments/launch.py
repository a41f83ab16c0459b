"""Run an experiment in several processes, whose devices make one mesh.

On this machine:  python -m experiments.launch --processes 2 -- experiments.sensitivity
On a TPU pod, on every worker:  python -m experiments.launch -- experiments.sensitivity
Under Slurm:  srun python -m experiments.launch -- experiments.sensitivity

The last two find address, number and rank themselves (`jax.distributed.initialize`). The
first process prints and writes the results. If one dies, or raises, it says so and ends at
once, and the launcher stops the others; where the cluster started them, they notice after
`--heartbeat` seconds, or the cluster ends them (`srun --kill-on-bad-exit`).
"""

import contextlib
import dataclasses
import os
import pathlib
import queue
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

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
    if config.processes is not None and config.processes < 1:
        print(f"Give --processes as 1 or more; got {config.processes}.")
        return 2
    if config.processes is None or config.process_id is not None:
        return be_one(config, job)
    return start_all(config, config.processes, job)


def be_one(config: Config, job: list[str]) -> int:
    """Run the job as one of the processes; a fault ends this one at once."""
    try:
        join(config)
    except ValueError as fault:  # what is not given and was not detected
        print(
            f"No cluster was detected ({fault}) Give --processes N to start N here, or "
            "--processes, --process-id and --address of each.",
            file=sys.stderr,
        )
        return 2
    sys.argv = job
    try:
        runpy.run_module(job[0], run_name="__main__", alter_sys=True)
    except BaseException as fault:
        if code := _exit_code(fault):
            # As Python ends it would wait for the others, which wait for it.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return 0


def _exit_code(fault: BaseException) -> int:
    """What Python would end with, having said what it would say."""
    if isinstance(fault, SystemExit) and isinstance(fault.code, int | None):
        return fault.code or 0
    if isinstance(fault, SystemExit):
        print(fault.code, file=sys.stderr)
        return 1
    traceback.print_exception(fault)
    return 128 + signal.SIGINT if isinstance(fault, KeyboardInterrupt) else 1


def join(config: Config) -> None:
    """Become one of the processes; all but the first fall silent."""
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would eat SIGTERM
    jax.distributed.initialize(
        config.address,
        config.processes,
        config.process_id,
        heartbeat_timeout_seconds=config.heartbeat,
    )
    if jax.process_index():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def start_all(config: Config, number: int, job: list[str]) -> int:
    """Start `number` processes here and wait for them; the first failure stops all."""
    address = config.address or f"localhost:{_free_port()}"
    common = [sys.executable, "-m", "experiments.launch", "--processes", str(number)]
    common += ["--address", address, "--heartbeat", str(config.heartbeat)]
    command = lambda i: [*common, "--process-id", str(i), "--", *job]
    quiet = lambda i: subprocess.DEVNULL if i else None
    children = []
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _quit)
    try:
        for i in range(number):
            children.append(subprocess.Popen(command(i), stdout=quiet(i)))
        return _wait(children)
    finally:
        _stop(children)


def _quit(number: int, _) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough
    sys.exit(128 + number)  # past the `finally` that stops the children


def _wait(children: list[subprocess.Popen]) -> int:
    """Until all have ended, or one has failed, and those that waited for it."""
    ended = queue.SimpleQueue()
    report = lambda i: ended.put((i, children[i].wait()))
    for i in range(len(children)):
        threading.Thread(target=report, args=(i,), daemon=True).start()
    for _ in children:
        failed = [ended.get()]
        if not failed[0][1]:
            continue
        with contextlib.suppress(queue.Empty):
            while True:  # which was the first is known to a moment
                failed.append(ended.get(timeout=0.5))
        how = lambda code: f"exit code {code}" if code > 0 else signal.Signals(-code).name
        told = [f"process {i} ended with {how(code)}" for i, code in sorted(failed) if code]
        print(
            f"Of {len(children)} processes {', '.join(told)}; the others are stopped. What "
            "was committed is kept: run the same again to go on.",
            file=sys.stderr,
        )
        return 1
    return 0


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
