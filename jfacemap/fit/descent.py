"""Steps of an optimiser on a map: what a gradient fit repeats."""

import contextlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..core.maps import AbstractMap
from .retraction import coordinates, lean, move


class Data(eqx.Module):
    """Paired rows, with their weights and labels where there are any.

    The first `count` of them are rows, the others padding; None: there is no padding.
    """

    x: Float[Array, "n d"]
    y: Float[Array, "n k"]
    weights: Float[Array, " n"] | None
    labels: Int[Array, " n"] | None
    count: Int[Array, ""] | None = None


class State(eqx.Module):
    """A map, its coordinates, and what the optimiser remembers."""

    map: AbstractMap
    at: AbstractMap
    optimizer: Any


def begin(m: AbstractMap, optimizer) -> State:
    """Before the first step."""
    at = coordinates(m)
    with _at_ease():
        return State(m, at, optimizer.init(at))


@contextlib.contextmanager
def _at_ease():
    """For optimisers, which mix integers and floats, whatever the caller allows."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def miss(m: AbstractMap, data: Data, loss: Callable) -> Float[Array, ""]:
    """Mean loss, by weight."""
    labels = () if data.labels is None else (data.labels,)
    each = loss(m(data.x), data.y, *labels)
    if data.weights is None:
        return jnp.mean(each)
    used = data.weights != 0
    return jnp.sum(jnp.where(used, data.weights * each, 0)) / jnp.sum(data.weights)


def draw(key: Key[Array, ""], data: Data, batch_size: int | None) -> Data:
    """Rows drawn with replacement, by weight; all of them if there is no batch size."""
    if batch_size is None:
        return data
    n = data.x.shape[0] if data.count is None else data.count
    if data.weights is None:
        rows = jax.random.randint(key, (batch_size,), 0, n, jnp.int32)
    else:
        reached = jnp.cumsum(data.weights)
        place = jax.random.uniform(key, (batch_size,), data.x.dtype) * reached[-1]
        # The least row whose sum exceeds the place has weight of its own.
        rows = jnp.minimum(jnp.searchsorted(reached, place, side="right"), n - 1)
    labels = None if data.labels is None else data.labels[rows]
    return Data(data.x[rows], data.y[rows], None, labels)


def descend(
    keys: Key[Array, " steps"],
    state: State,
    data: Data,
    loss: Callable,
    optimizer,
    batch_size: int | None,
    count: Int[Array, ""] | None = None,
) -> tuple[State, Float[Array, " steps"]]:
    """A step for each key; and the loss of each batch before its step.

    With a `count`, for as many of the keys, and the losses of the others are NaN: one
    program serves every count.
    """
    import optax

    update = optax.with_extra_args_support(optimizer).update

    def step(state: State, key):
        batch, at = draw(key, data, batch_size), state.at
        value_at = lambda by: lambda new: miss(by(state.map, at, new), batch, loss)
        value, slope = jax.value_and_grad(value_at(lean))(at)
        facts = {"value": value, "grad": slope, "value_fn": value_at(move)}
        params: Any = at  # a tree, of which optax's types know nothing
        with _at_ease():
            by, memory = update(slope, state.optimizer, params, **facts)
        new = jax.tree.map(jnp.add, at, by)
        return State(move(state.map, at, new), new, memory), value

    if count is None:
        return jax.lax.scan(step, state, keys)
    rest = lambda state, _: (state, jnp.full((), jnp.nan, data.x.dtype))
    some = lambda state, given: jax.lax.cond(given[0], step, rest, state, given[1])
    used = jnp.arange(len(keys), dtype=jnp.int32) < count
    return jax.lax.scan(some, state, (used, keys))
