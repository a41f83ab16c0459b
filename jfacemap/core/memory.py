"""How much may be held at once: by what the device has, not by what the user guesses."""

import os
from typing import Any

import jax


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


def items_at_once(bytes_each: int, most: int) -> int:
    """How many items of so many bytes each a device should work on at once, 1 to `most`."""
    return max(1, min(most, int(share * free_bytes()) // max(1, bytes_each)))


def _host_bytes() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not every system tells
        return fallback
