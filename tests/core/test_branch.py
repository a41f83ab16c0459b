import jax
import jax.numpy as jnp
import numpy as np

from jfacemap.core.branch import either


root = either(lambda x: x < 0, lambda x: -2.0 * x, lambda x: 3.0 * x)


def test_takes_the_side_of_the_test():
    xs = jnp.array([-1.0, 2.0])
    np.testing.assert_allclose([root(x) for x in xs], [2, 6])
    np.testing.assert_allclose(jax.vmap(root)(xs), [2, 6])
    np.testing.assert_allclose(jax.vmap(jax.vmap(jax.jit(root)))(xs[None]), [[2, 6]])
    np.testing.assert_allclose(jax.vmap(jax.grad(root))(xs), [-2, 3])


def test_a_batch_that_needs_it_not_does_not_pay():
    paid = []

    def slow(x):
        jax.debug.callback(lambda: paid.append(1))
        return x

    branch = jax.vmap(either(lambda x: x < 0, slow, lambda x: x))
    branch(jnp.ones(3)).block_until_ready()
    jax.effects_barrier()
    assert not paid
    branch(jnp.array([1.0, -1.0, 1.0])).block_until_ready()
    jax.effects_barrier()
    assert paid
