"""How much may be held at once: by what the device has, not by what the user guesses."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .mesh import automatic


share = 0.25
"""Part of the free memory that a batch may fill: programs need room of their own."""

fallback = 2**30
"""Bytes where neither the device nor the system tells."""


def free_bytes(device: Any = None) -> int:
    """Memory that a device has left; of a CPU its part of the host's."""
    device = jax.local_devices()[0] if device is None else device
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    devices = sum(d.process_index == device.process_index for d in jax.devices())
    return _host_bytes() // max(1, devices)


def items_at_once(bytes_each: int, most: int, mesh: Mesh | None = None) -> int:
    """How many items of so many bytes each a device should work on at once, 1 to `most`.

    On a mesh as many as its device with the least memory left can, the same in all of its
    processes, each of which must ask.
    """
    devices = [None] if mesh is None else mesh.local_devices
    least = min(map(free_bytes, devices))
    number = max(1, min(most, int(share * least) // max(1, bytes_each)))
    return number if mesh is None else _least_of_all(number, mesh)


def _least_of_all(number: int, mesh: Mesh) -> int:
    """The least that a process of the mesh names."""
    if len({device.process_index for device in mesh.devices.flat}) == 1:
        return number
    mesh = automatic(mesh)
    over = NamedSharding(mesh, PartitionSpec(tuple(mesh.axis_names)))
    named = lambda _: np.full(1, number, np.int32)
    each = jax.make_array_from_callback((mesh.size,), over, named)
    return int(jax.jit(jnp.min, out_shardings=NamedSharding(mesh, PartitionSpec()))(each))


def _host_bytes() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not every system tells
        return fallback
