"""Code on eight devices: each process sets their number once, so it has its own."""

import subprocess
import sys
import textwrap


def on_eight_devices(code: str, *args) -> None:
    """Run Python with `mesh`, of eight CPU devices along "batch"; its faults are ours."""
    prelude = """
        import sys
        import jax, numpy as np
        from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

        mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
        over = NamedSharding(mesh, P("batch"))
    """
    code = textwrap.dedent(prelude) + textwrap.dedent(code)
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    env = ["env", f"XLA_FLAGS={flags}", "JAX_PLATFORMS=cpu", "OPENBLAS_NUM_THREADS=1"]
    command = [*env, sys.executable, "-c", code, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
