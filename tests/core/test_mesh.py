"""Rows over eight devices: the results of one device, and no row that travels."""

import jax
import numpy as np
import pytest

from jfacemap.core.mesh import shards_of

from ..processes import finish, start


parts = (
    "statistics odd_numbers default_axes fits where_arrays_do_not_know pooling judgement "
    "comparisons probes fields without_float64"
).split()


@pytest.mark.parametrize("part", parts)
def test_eight_devices(part):
    code = "import tests.core.eight_devices as checks; getattr(checks, sys.argv[1])()"
    print(finish(start(code, part, devices=8)))


@pytest.mark.parametrize("part", ("weightless", "used", "platforms"))
def test_rows_on_eight_devices(part):
    code = "import tests.core.rows_on_devices as checks; getattr(checks, sys.argv[1])()"
    finish(start(code, part, devices=8))


def test_what_lies_on_one_device_has_no_shards():
    x = np.zeros((4, 2))
    mesh = jax.make_mesh((1,), ("rows",))
    over = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows"))
    assert shards_of(x, jax.numpy.asarray(x), jax.device_put(x, over)) is None
    assert jax.jit(lambda x: shards_of(x) is None)(x)
