"""Tests that need several devices or processes: started here, and ended in time."""

import os
import socket
import subprocess
import sys
import textwrap
import threading


prelude = """
    import os, sys
    import jax, jax.numpy as jnp, numpy as np
    from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
    import jfacemap as jfm

    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_numpy_rank_promotion", "raise")

    def make_mesh(shape=(8,), names=("rows",)):
        return jax.make_mesh(shape, names, axis_types=(AxisType.Auto,) * len(names))
"""


def start(code: str, *args, devices: int = 1, **variables) -> subprocess.Popen:
    """A process that runs `code` with `args` on so many CPU devices."""
    flags = (
        f"--xla_force_host_platform_device_count={devices} "
        "--xla_backend_optimization_level=0"
    )
    env = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1"}
    env |= {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    code = textwrap.dedent(prelude) + textwrap.dedent(code)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=pipe,
        stderr=pipe,
        text=True,
        env=os.environ | env | variables,
    )


def finish(process: subprocess.Popen, seconds: float = 600) -> str:
    """What it printed; fails with the end of its errors, and ends it if it hangs."""
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err[-3000:]
    return out


def finish_all(processes: list[subprocess.Popen], seconds: float = 600) -> list[str]:
    """What each printed; if one fails, the others are ended, too."""
    try:
        return [finish(process, seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def says(process: subprocess.Popen, line: str, seconds: float = 300) -> bool:
    """Whether it prints that line in time; else it is ended."""
    assert process.stdout is not None
    limit = threading.Timer(seconds, process.kill)
    limit.start()
    try:
        return line in process.stdout
    finally:
        limit.cancel()


def free_port() -> int:
    """A port that nobody listened on just now."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]
