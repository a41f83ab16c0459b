"""On what the benchmarks run: without it a ratio says little."""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import resource
import sys

import jax
import numpy as np

from .harness import gemm_peak


libraries = "scipy", "jax", "jaxlib", "equinox", "jfacemap"


def machine() -> dict[str, str]:
    """Facts by name. Ask first of all: it measures the load that others make."""
    load, cores = os.getloadavg()[0], _cores()
    busy = " (neighbours at work: mind the ranges)" if load > 0.2 * cores else ""
    device = jax.devices()[0]
    peaks = (f"{gemm_peak(p) / 1e9:.0f} GF/s {p}" for p in ("float32", "float64"))
    return {
        "date": datetime.date.today().isoformat(),
        "processor": f"{_processor()}, {cores} cores",
        "device": f"{device.platform} ({device.device_kind})",
        "matrix product peak": ", ".join(peaks),
        "load average before": f"{load:.2f}{busy}",
        "versions": ", ".join(_versions()),
    }


def peak_memory() -> str:
    """The most memory this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.1f} GB"


def _cores() -> int:
    ours = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(ours(0)) if ours else os.cpu_count() or 1


def _processor() -> str:
    try:
        info = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line for line in info.splitlines() if line.startswith("model name")]
    return names[0].split(":")[1].strip() if names else platform.machine()


def _versions() -> list[str]:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    rest = (f"{name} {importlib.metadata.version(name)}" for name in libraries)
    return [
        f"Python {platform.python_version()}",
        f"numpy {np.__version__} ({blas['name']} {blas['version']})",
        *rest,
    ]
