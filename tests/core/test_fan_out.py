"""Maps over devices, and how many at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfacemap.core import memory
from jfacemap.core.fan_out import fan_out

from ..processes import finish, start


@pytest.mark.parametrize("part", ("bootstrap", "sweep", "draws", "folds", "batches"))
def test_eight_devices(part):
    code = "import tests.core.maps_on_devices as checks; getattr(checks, sys.argv[1])()"
    finish(start(code, part, devices=8))


def test_one_device_is_a_loop():
    mesh = jax.make_mesh((1,), ("maps",))
    xs, shift = jnp.arange(6.0).reshape(3, 2), jnp.ones(2)
    one = lambda x, shift: {"sum": jnp.sum(x + shift), "twice": 2 * x}
    for where in (None, mesh):
        found = jax.jit(lambda *a, m=where: fan_out(one, *a, mesh=m))(xs, shift)
        np.testing.assert_array_equal(found["sum"], [3, 7, 11])
        np.testing.assert_array_equal(found["twice"], 2 * xs)


class Device:
    process_index = 0

    def __init__(self, stats):
        self.memory_stats = lambda: stats


def test_memory_is_that_of_the_device(monkeypatch):
    told = Device({"bytes_limit": 1000, "bytes_in_use": 200})
    assert memory.free_bytes(told) == 800
    assert memory.free_bytes(Device({"bytes_limit": 1000})) == 1000
    monkeypatch.setattr(memory, "_host_bytes", lambda: 6000)
    monkeypatch.setattr(jax, "devices", lambda: [Device(None)] * 3)
    assert memory.free_bytes(Device(None)) == 2000
    monkeypatch.setattr(memory, "free_bytes", lambda device: 800)
    assert memory.items_at_once(10, 1000) == 20
    assert memory.items_at_once(10, 7) == 7
    assert memory.items_at_once(10**9, 7) == 1
    assert memory.items_at_once(0, 7) == 7
