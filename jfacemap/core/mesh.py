"""Rows over the devices of a mesh: each sums its own, and the sums are added.

Left to itself the compiler gathers all rows on every device before it cuts them into
chunks. Here a kernel is told while it is traced that its rows lie in shards; then
`each_shard` runs a part of it on each device's rows, and `shard_sum` adds up what they
found, so that what travels has the size of the statistic and not of the rows.
"""

import contextlib
import contextvars
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


class Shards(NamedTuple):
    """Where n rows lie: in equal parts along `axes` of a mesh, in order."""

    mesh: Mesh
    axes: tuple[str, ...]
    n: int

    @property
    def number(self) -> int:
        """Parts the rows are in."""
        return math.prod(self.mesh.shape[a] for a in self.axes)


_outside: contextvars.ContextVar[Shards | None] = contextvars.ContextVar(
    "outside", default=None
)
_inside: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar(
    "inside", default=()
)


def shards_of(*trees) -> Shards | None:
    """Where the rows of concrete arrays lie, if one is cut along n, its first axis.

    What is being traced does not know: there `mesh=` says it, or the kernel around.
    """
    for x in jax.tree.leaves(trees):
        if isinstance(x, Tracer) or not isinstance(x, jax.Array) or not x.ndim:
            continue
        sharding = x.sharding
        if not isinstance(sharding, NamedSharding) or not len(sharding.spec):
            continue
        first = sharding.spec[0]
        axes = (first,) if isinstance(first, str) else tuple(first or ())
        if axes and isinstance(sharding.mesh, Mesh):
            shards = Shards(sharding.mesh, axes, x.shape[0])
            if shards.number > 1:
                return shards
    return _outside.get()


def laid_out(tree):
    """Concrete arrays, and where their rows lie: on a mesh of automatic axes.

    Nothing is moved.
    """
    shards = shards_of(tree)
    if shards is not None:
        _check_devices(tree, shards.mesh)
    if shards is None or automatic(shards.mesh) == shards.mesh:
        return tree, shards
    tree = jax.tree.map(on_automatic_axes, tree)
    return tree, shards._replace(mesh=automatic(shards.mesh))


def _check_devices(tree, mesh: Mesh) -> None:
    """Raise `ValueError` for an array that was put on other devices than the rows."""
    devices = set(mesh.devices.flat)
    for x in jax.tree.leaves(tree):
        known = isinstance(x, jax.Array) and not isinstance(x, Tracer)
        if known and x.committed and x.sharding.device_set != devices:
            raise ValueError(
                f"Rows lie over {len(devices)} devices, and an array {x.shape} on "
                f"{len(x.sharding.device_set)} of its own: jax.device_put(it, "
                "x.sharding) puts it where the rows x are; NumPy's arrays go anywhere."
            )


def on_automatic_axes(x):
    """A concrete array as on a mesh of automatic axes, where it is.

    What `jax.make_mesh` makes by default has explicit ones, which are for programs that
    say of each product where it is to lie; ours do not. Raises `ValueError` for what is
    traced with rows along such axes: there it is too late.
    """
    if isinstance(x, Tracer):
        sharding = jax.typeof(x).sharding
        if sharding.mesh.are_all_axes_auto or not any(sharding.spec):
            return x
        raise ValueError(
            f"Within jit an array {x.shape} lies along explicit axes of a mesh "
            f"({sharding.spec}). Make the mesh with automatic ones: jax.make_mesh(shape, "
            "names, axis_types=(jax.sharding.AxisType.Auto,) * len(names))."
        )
    if not isinstance(x, jax.Array) or not isinstance(x.sharding, NamedSharding):
        return x
    mesh = automatic(x.sharding.mesh)
    if mesh == x.sharding.mesh:
        return x
    return jax.device_put(x, NamedSharding(mesh, x.sharding.spec))


def automatic(mesh) -> Mesh:
    """The mesh with axes along which the compiler may cut as it likes."""
    if not isinstance(mesh, Mesh):
        raise ValueError(
            "mesh is a jax.sharding.Mesh, as jax.make_mesh((jax.device_count(),), "
            f'("rows",)) makes; got {mesh!r}.'
        )
    names = mesh.axis_names
    return Mesh(mesh.devices, names, axis_types=(AxisType.Auto,) * len(names))


def over_all(mesh: Mesh, n: int) -> Shards:
    """n rows over all devices of a mesh."""
    return Shards(automatic(mesh), tuple(mesh.axis_names), n)


def spread(rows: tuple, weights, mesh: Mesh) -> tuple[tuple, Any]:
    """Rows and weights over all devices of a mesh; they and `weights` of rows (n, d).

    Where the devices do not divide n, rows of zeros and of zero weight fill up.
    """
    n = rows[0].shape[0]
    fill = -n % over_all(mesh, n).number
    if fill and weights is None:
        weights = np.ones(n, np.float32)
    sharding = NamedSharding(automatic(mesh), PartitionSpec(tuple(mesh.axis_names)))

    def over_shards(x):
        if fill:
            home = jnp if isinstance(x, jax.Array) else np
            x = home.pad(x, [(0, fill)] + [(0, 0)] * (x.ndim - 1))
        # What is traced is put there by `each_shard`; under `vmap` it has other axes.
        return x if isinstance(x, Tracer) else put(x, sharding)

    return jax.tree.map(over_shards, (tuple(rows), weights))


def everywhere(tree):
    """Concrete arrays whose rows lie in shards, whole on every device, and their shards.

    For work on all pairs of rows: each device then does the pairs of its own.
    """
    tree, shards = laid_out(tree)
    if shards is None:
        return tree, None
    return put(tree, NamedSharding(shards.mesh, PartitionSpec())), shards


def put(tree, sharding: NamedSharding):
    """`jax.device_put` of arrays, NumPy's in the dtype that JAX gives them.

    Left to it, NumPy's float64 has the buffers of float64 and says float32 where the x64
    flag was on before and is not now (JAX 0.10), and programs that read it crash.
    """

    def narrow(x):
        return x.astype(jax.dtypes.canonicalize_dtype(x.dtype), copy=False)

    host = lambda x: isinstance(x, np.ndarray)
    tree = jax.tree.map(lambda x: narrow(x) if host(x) else x, tree)
    return jax.device_put(tree, sharding)


def on_host(x) -> np.ndarray:
    """All of an array, rows of other processes' devices too; each of them must ask."""
    if not isinstance(x, jax.Array) or x.is_fully_addressable:
        return np.asarray(x)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(x, tiled=True))


@contextlib.contextmanager
def placed(shards: Shards | None):
    """While tracing: rows of number `shards.n` lie there."""
    token = _outside.set(shards)
    try:
        yield
    finally:
        _outside.reset(token)


def each_shard(f: Callable, rows, *whole, gives_rows: bool = False):
    """`f(rows, *whole)` on each device's part of a pytree of rows (n, ...), if in parts.

    `whole` are arrays that each device has all of. What `f` returns is the same on all
    devices (it went through `shard_sum`), or, with `gives_rows`, parts of rows. Where no
    rows lie in shards it is just `f(rows, *whole)`.
    """
    shards = _outside.get()
    leaves = jax.tree.leaves(rows)
    if shards is None or not shards.n or any(x.shape[:1] != (shards.n,) for x in leaves):
        return f(rows, *whole)

    def local(rows, *whole):
        with placed(None):
            token = _inside.set(shards.axes)
            try:
                return f(rows, *whole)
            finally:
                _inside.reset(token)

    cut = PartitionSpec(shards.axes)
    return jax.shard_map(
        local,
        mesh=shards.mesh,
        in_specs=(cut, *(PartitionSpec() for _ in whole)),
        out_specs=cut if gives_rows else PartitionSpec(),
        check_vma=False,  # `custom_vmap` and `custom_vjp` have no rule for it
    )(rows, *whole)


def shard_sum(tree):
    """The sum over shards of what each found, within `each_shard`; else as it is."""
    return _over_shards(jax.lax.psum, tree)


def shard_max(tree):
    """The largest that any shard found, likewise."""
    return _over_shards(jax.lax.pmax, tree)


def shard_min(tree):
    """The least that any shard found, likewise."""
    return _over_shards(jax.lax.pmin, tree)


def shard_stack(x):
    """What each shard found, stacked, within `each_shard`; else a stack of one."""
    axes = _inside.get()
    return jax.lax.all_gather(x, axes) if axes else x[None]


def _over_shards(combine, tree):
    axes = _inside.get()
    return combine(tree, axes) if axes else tree
