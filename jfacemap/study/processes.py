"""Rows for each of several processes, and one summary of what they found of them."""

import functools as ft
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..core.monoid import merge


Pairs = tuple[tuple[int, int], ...]
"""(sender, receiver) of each message; a process sends at most one, and gets at most one."""

Exchange = Callable[[Any, Pairs], Any]
"""Sends a summary to whom pairs say; what came, or anything, if nothing did."""


def process_rows(n: int) -> tuple[int, int]:
    """Start and stop of this process's part of n rows, or images.

    Parts follow each other in the order of the processes, and differ by one at most.
    """
    part, of = jax.process_index(), jax.process_count()
    return n * part // of, n * (part + 1) // of


def merge_processes(summary: Any) -> Any:
    """The `merge` of the summaries of all processes, the same in each; bit for bit.

    Of moments, factors or `count_matches`' counts, of the same models in every process
    (`jax.distributed`); of one process it is the summary itself. All processes must call
    it. They merge in pairs, neighbours first, whoever is ready first: of P processes each
    sends `log2(P)` times at most, and holds no summary beside its own but one peer's.
    """
    if jax.process_count() == 1:
        return summary
    return merge_in_pairs(summary, jax.process_index(), jax.process_count(), _exchange)


def merge_in_pairs(summary: Any, me: int, of: int, exchange: Exchange) -> Any:
    """What process `me` of so many does: up a tree to the first process, and back down."""
    strides = [2**i for i in range((of - 1).bit_length())]
    for stride in strides:
        lower = range(0, of - stride, 2 * stride)
        came = exchange(summary, tuple((p + stride, p) for p in lower))
        if me in lower:
            summary = merge(summary, came)
    for stride in reversed(strides):
        lower = range(0, of - stride, 2 * stride)
        came = exchange(summary, tuple((p, p + stride) for p in lower))
        if me - stride in lower:
            summary = came
    return summary


def _exchange(summary: Any, pairs: Pairs) -> Any:
    leaves, form = jax.tree.flatten(summary)
    host = [np.asarray(leaf, order="C") for leaf in leaves]
    # As bytes, since JAX would halve 64 bits.
    flat = np.concatenate([leaf.reshape(-1).view(np.uint8) for leaf in host])
    came = _pass_on(flat, pairs)
    cuts = np.cumsum([leaf.nbytes for leaf in host])[:-1]
    parts = zip(leaves, host, np.split(came, cuts), strict=True)
    return jax.tree.unflatten(form, [_like(*part) for part in parts])


def _like(leaf, host, flat):
    """Bytes in the form of a leaf: JAX's own where that is one, of all its bits."""
    found = flat.view(host.dtype).reshape(host.shape)
    if not isinstance(leaf, jax.Array):
        return found
    with jax.enable_x64(True):
        return jnp.asarray(found)


def _pass_on(flat: np.ndarray, pairs: Pairs) -> np.ndarray:
    mesh = _one_device_each()
    over = NamedSharding(mesh, PartitionSpec("processes"))
    mine = jax.device_put(flat[None], mesh.local_devices[0])
    shape = mesh.size, flat.size
    every = jax.make_array_from_single_device_arrays(shape, over, [mine])
    came = _permute(every, mesh, pairs)
    return np.asarray(came.addressable_shards[0].data)[0]


@ft.cache
def _one_device_each() -> Mesh:
    """The first device of every process, in order."""
    first = {d.process_index: d for d in reversed(jax.devices())}
    return Mesh(np.array([first[p] for p in sorted(first)]), ("processes",))


@ft.partial(jax.jit, static_argnums=(1, 2))
def _permute(x, mesh: Mesh, pairs: Pairs):
    axis = PartitionSpec("processes")
    send = lambda x: jax.lax.ppermute(x, "processes", pairs)
    return jax.shard_map(send, mesh=mesh, in_specs=axis, out_specs=axis)(x)
