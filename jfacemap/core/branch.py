"""A branch taken by value that stays a branch under `vmap`.

`vmap` turns `lax.cond` into a select that pays for both sides. Here the expensive side
runs only if some member of the batch needs it.
"""

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap


def either(test, slow, fast):
    """A function of arrays: `slow(*args)` where `test(*args)`, else `fast(*args)`.

    `test` returns a boolean scalar; both sides return the same shapes. A batch in which
    no member needs `slow` costs `fast` alone. Differentiable in reverse.
    """

    @jax.custom_vjp
    def call(*args):
        return _either(test, slow, fast)(*args)

    def backward(args, cotangent):
        pull = lambda f: lambda ct, *args: jax.vjp(f, *args)[1](ct)
        branch = _either(lambda _, *args: test(*args), pull(slow), pull(fast))
        return branch(cotangent, *args)

    call.defvjp(lambda *args: (call(*args), args), backward)
    return call


def _either(test, slow, fast):
    def run(*args):
        need = test(*args)

        def mixed(*args):
            choose = lambda s, f: jnp.where(_extend(need, s.ndim), s, f)
            return jax.tree.map(choose, slow(*args), fast(*args))

        some = slow if need.ndim == 0 else mixed
        return jax.lax.cond(jnp.any(need), some, fast, *args)

    branch = custom_vmap(run)

    @branch.def_vmap
    def rule(size, batched, *args):
        axes = jax.tree.map(lambda b: 0 if b else None, tuple(batched))
        lift = lambda f: jax.vmap(f, in_axes=axes, axis_size=size)
        out = _either(lift(test), lift(slow), lift(fast))(*args)
        return out, jax.tree.map(lambda _: True, out)

    return branch


def _extend(mask, ndim):
    return mask.reshape(mask.shape + (1,) * (ndim - mask.ndim))
