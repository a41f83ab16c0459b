"""One function of many items, side by side on the devices of a mesh."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from .mesh import automatic, placed


def devices_of(mesh: Mesh | None) -> int:
    """How many devices a mesh has; without one, one."""
    return 1 if mesh is None else math.prod(mesh.shape.values())


def fan_out(
    f: Callable, items, *whole, mesh: Mesh | None = None, at_once: int | None = None
):
    """`f(item, *whole)` of each of the stacked `items`, stacked.

    One after the other, or so many `at_once`; over a `mesh` each device takes its share of
    the items, and has all of `whole`. Items are independent: nothing travels. The last
    devices repeat an item where the number does not divide.
    """

    def each(items, *whole):
        return jax.lax.map(lambda item: f(item, *whole), items, batch_size=at_once)

    if mesh is None:
        return each(items, *whole)
    n, mesh = jax.tree.leaves(items)[0].shape[0], automatic(mesh)
    fill = -n % devices_of(mesh)
    repeat = lambda x: jnp.concatenate([x, jnp.broadcast_to(x[:1], (fill, *x.shape[1:]))])
    items = jax.tree.map(repeat, items) if fill else items
    cut = PartitionSpec(tuple(mesh.axis_names))
    with placed(None):  # rows do not lie in shards there: each device has them all
        done = jax.shard_map(
            each,
            mesh=mesh,
            in_specs=(cut, *(PartitionSpec() for _ in whole)),
            out_specs=cut,
            check_vma=False,  # `custom_vmap` has no rule for it
        )(items, *whole)
    return jax.tree.map(lambda x: x[:n], done) if fill else done
