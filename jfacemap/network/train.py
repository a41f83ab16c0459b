"""Training of several LeNets at once: `vmap` over seeds, `scan` over steps."""

import functools as ft
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from ..core.types import Numeric
from .lenet import init_lenet
from .objective import AbstractObjective, Digits
from .solver import CaffeSolver


recent = 9
"""Weights after minibatch t count as t to this power in `TrainState.mean`."""


class TrainState(eqx.Module):
    r"""Where the training of some seeds is; leaves have a leading axis of seeds.

    - `weights`, `velocity`: after the last minibatch, where training goes on
    - `mean`: mean of the weights over minibatches, mostly over the last tenth of them:
      $\bar w_t = \bar w_{t-1} + \frac{10}{t + 9} (w_t - \bar w_{t-1})$. The networks to
      use: at a rate that never falls to 0 a last minibatch moves `weights` at random
      (polynomial-decay averaging: Shamir and Zhang, ICML 2013)
    - `step`: minibatches so far
    - `loss (seeds, chunks)`: of `weights`, means over chunks of minibatches
    - `validation (seeds, chunks)`: of `mean`, on validation images after each chunk
    """

    weights: nnx.State
    velocity: optax.OptState
    mean: nnx.State
    step: int = eqx.field(static=True)
    loss: Float[np.ndarray, "seeds chunks"]
    validation: Float[np.ndarray, "seeds chunks"]


def start_training(keys: Key[Array, " seeds"], solver: CaffeSolver) -> TrainState:
    """Fresh weights, one network a key."""
    weights, velocity = _start(keys, solver)
    none = np.zeros((keys.shape[0], 0), np.float32)
    return TrainState(weights, velocity, jax.tree.map(jnp.copy, weights), 0, none, none)


def train(
    keys: Key[Array, " seeds"],
    objective: AbstractObjective,
    digits: Digits,
    rows: Int[Numeric, "seeds m"],
    validation: Int[Numeric, "seeds v"],
    *,
    iterations: int = 10_000,
    most: int | None = None,
    chunk: int = 500,
    batch: int = 64,
    patience: int = 3,
    solver: CaffeSolver | None = None,
    state: TrainState | None = None,
    save: Callable[[TrainState], None] = lambda state: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> TrainState:
    """Train a network for each key, `iterations` minibatches and then until it is flat.

    **Arguments:**

    - `objective`: one for all; its arrays have a leading axis of seeds.
    - `digits`: the images, at all angles, that `rows` and `validation` are positions of:
      an image and one of its angles are drawn, all of them once before any comes again.
    - `most`: after `iterations` train on, until the mean validation loss has not fallen by
      1 % of its best for `patience` chunks, or to so many. By default stop there.
    - `state`: go on from here; the same numbers come out as without a stop. It is used up.
    - `save`: called after each chunk, with a state that the next chunk uses up.
    - `progress`: called with minibatches done, and how many there will be at most.

    On validation images, each at one angle in turn, the loss is the objective's, of the
    mean of the weights, which is what to use of the result.
    """
    solver = CaffeSolver() if solver is None else solver
    most = iterations if most is None else most
    rows, validation = (jnp.asarray(x, jnp.int32) for x in (rows, validation))
    if state is None:
        state = start_training(keys, solver)
    while state.step < most and not (
        state.step >= iterations and is_flat(state.validation.mean(axis=0), patience)
    ):
        length = min(chunk, most - state.step)
        (weights, velocity, mean), losses, checked = _chunk(
            (state.weights, state.velocity, state.mean), jnp.int32(state.step), keys,
            objective, digits, rows, validation, solver, length=length, batch=batch,
        )  # fmt: skip
        add = lambda old, new: np.append(old, np.asarray(new)[:, None], axis=1)
        state = TrainState(
            weights,
            velocity,
            mean,
            state.step + length,
            add(state.loss, losses),
            add(state.validation, checked),
        )
        save(state)
        progress(state.step, most)
    return state


def is_flat(validation: np.ndarray, patience: int, share: float = 0.01) -> bool:
    """Whether none of the last `patience` losses is lower by `share` than all before."""
    if len(validation) <= patience:
        return False
    before, last = validation[:-patience], validation[-patience:]
    return bool(last.min() > (1 - share) * before.min())


@eqx.filter_jit
def _start(keys, solver):
    def one(key):
        weights = init_lenet(jr.fold_in(key, 0))
        return weights, solver.optimizer().init(weights)

    return jax.vmap(one)(keys)


@ft.partial(jax.jit, static_argnames=("length", "batch"), donate_argnums=0)
def _chunk(
    state, step, keys, objective, digits, rows, validation, solver, *, length, batch
):
    optimizer = solver.optimizer()
    run = ft.partial(_chunk_of_one, optimizer, digits, step, length, batch)
    return jax.vmap(run)(state, keys, objective, rows, validation)


def _chunk_of_one(
    optimizer, digits, first, length, batch, state, key, objective, rows, validation
):
    for_order, for_steps, for_check = jr.split(jr.fold_in(key, 1), 3)
    drawn = _order(for_order, first, length, batch * objective.share, rows, digits)

    def step(carry, at):
        weights, velocity, mean = carry
        i, angle, image = at
        loss, slope = jax.value_and_grad(
            lambda w: objective(jr.fold_in(for_steps, i), w, digits, angle, image)
        )(weights)
        move, velocity = optimizer.update(slope, velocity, weights)
        weights = optax.apply_updates(weights, move)
        share = (recent + 1) / (i + 1 + recent).astype(jnp.float32)
        mean = jax.tree.map(lambda m, w: m + share * (w - m), mean, weights)
        return (weights, velocity, mean), loss

    steps = first + jnp.arange(length, dtype=jnp.int32)
    state, losses = jax.lax.scan(step, state, (steps, *drawn))
    checked = _validate(for_check, objective, state[2], digits, validation)
    return state, jnp.mean(losses), checked


def _order(key, first, length, batch, rows, digits):
    """Angles and images `(length, batch)` from minibatch `first` on.

    Every image at every angle comes once before any comes again; which minibatch gets
    which depends on the key and its number alone, so training can stop anywhere.
    """
    total = digits.images.shape[0] * rows.shape[0]
    epochs = 2 + (length * batch) // total
    epoch, within = jnp.divmod(first * batch, total)
    shuffle = lambda i: jr.permutation(jr.fold_in(key, epoch + i), total)
    order = jnp.concatenate([shuffle(i) for i in range(epochs)]).astype(jnp.int32)
    mine = jax.lax.dynamic_slice_in_dim(order, within, length * batch)
    angle, image = jnp.divmod(mine.reshape(length, batch), rows.shape[0])
    return angle, rows[image]


def _validate(key, objective, weights, digits, rows):
    """Mean loss over validation images, each at one angle in turn; a few at a time.

    So few that those of all seeds stay in cache.
    """
    size = 50 * objective.share
    number = rows.shape[0] // size * size if rows.shape[0] >= size else rows.shape[0]
    size = min(size, number)
    image = rows[:number].reshape(-1, size)
    angle = jnp.arange(number, dtype=jnp.int32).reshape(-1, size) % digits.images.shape[0]
    losses = jax.lax.map(lambda at: objective(key, weights, digits, *at), (angle, image))
    return jnp.mean(losses)
