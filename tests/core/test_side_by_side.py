import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfacemap.core.side_by_side import map_side_by_side


@pytest.mark.parametrize("n", (1, 3))
@pytest.mark.parametrize("threads", ("1", "2", None))
def test_equals_a_map(n, threads, monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if threads is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
    xs = jnp.asarray(np.random.default_rng(n).normal(size=(n, 5, 5)), jnp.float32)
    f = lambda x: jnp.linalg.inv(x)[:, :2]
    ours = jax.jit(lambda xs: map_side_by_side(f, xs))
    np.testing.assert_allclose(ours(xs), jax.lax.map(f, xs), rtol=1e-4, atol=1e-5)
    loops = "while" in jax.jit(lambda xs: map_side_by_side(jnp.cos, xs)).lower(xs).as_text()
    assert loops is (n > 1 and threads != "1")
