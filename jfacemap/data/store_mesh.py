"""From a store onto the devices of a mesh: each process reads the rows of its own."""

import math
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array

from ..core.mesh_rows import MeshRows


Axis = str | tuple[str, ...]
"""An axis of a mesh, or several as one."""


def read_onto_mesh(store: Any, mesh: Any, axis: Axis, span: slice):
    """Rows of an `EmbeddingStore` sharded over `axis`, as `MeshRows`."""
    axes = (axis,) if isinstance(axis, str) else tuple(axis)
    if not axes or not set(axes) <= set(mesh.shape):
        raise ValueError(f"The mesh has no axis {axis!r}; it has {dict(mesh.shape)}.")
    shards = math.prod(mesh.shape[a] for a in axes)
    n, d = span.stop - span.start, store.shape[1]
    m = -(-n // shards) * shards
    if not n:
        raise ValueError(f"{store} has no rows from {span.start} to put on a mesh.")

    def rows(a: int, b: int) -> np.ndarray:
        there = store.rows(slice(span.start + min(a, n), span.start + min(b, n)))
        short = b - a - len(there)
        return np.pad(there, ((0, short), (0, 0))) if short else there

    weights = lambda a, b: (np.arange(a, b) < n).astype(np.float32)
    sharding = NamedSharding(mesh, PartitionSpec(axis))
    spread = lambda shape, read: _spread(shape, sharding, read)
    return MeshRows(spread((m, d), rows), spread((m,), weights), n)


def _spread(shape: tuple[int, ...], sharding: NamedSharding, read) -> Array:
    """An array of `shape` whose rows a to b, wherever they lie, are `read(a, b)`.

    `jax.make_array_from_callback` would hold the shards of all devices on the host, and
    read a shard anew for every device that has a copy of it.
    """
    devices: dict[tuple[int, int], list] = {}
    for device, index in sharding.addressable_devices_indices_map(shape).items():
        start, stop, _ = (slice(None) if index is None else index[0]).indices(shape[0])
        devices.setdefault((start, stop), []).append(device)
    parts = []
    for (start, stop), copies in sorted(devices.items(), key=lambda item: item[0]):
        shard = read(start, stop)
        parts += [jax.device_put(shard, device) for device in copies]
    return jax.make_array_from_single_device_arrays(shape, sharding, parts)
