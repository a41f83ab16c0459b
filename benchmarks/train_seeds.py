"""LeNets of several seeds trained together by `vmap`, against one after the other."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from jfacemap import network

from .harness import race, Row, Side, Size
from .report import launch


seeds = 3
digits = 2000


def run(size: Size) -> list[Row]:
    """Minibatches of 64 of random images; loss is not judged, both sides do the same."""
    steps = 50 if size.rows > 1000 else 4
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.integers(0, 256, (1, digits, 28, 28)), jnp.uint8)
    data = network.Digits(images, jnp.asarray(np.arange(digits) % 10, jnp.int32))
    keys = jr.split(jr.key(0), seeds)
    rows = np.tile(np.arange(digits - 64), (seeds, 1))
    held = np.tile(np.arange(digits - 64, digits), (seeds, 1))

    def train(of: slice):
        state = network.train(
            keys[of], network.Softmax(), data, rows[of], held[of], iterations=steps,
            chunk=steps,
        )  # fmt: skip
        return jax.block_until_ready(jax.tree.leaves(state.weights))

    alone, together = "one seed after the other", "vmap over seeds"
    sides = {
        alone: Side(lambda: [train(slice(s, s + 1)) for s in range(seeds)]),
        together: Side(lambda: train(slice(None))),
    }
    times = race(sides, min(size.rounds, 5))
    rate = seeds * steps * 64 / times[together].median
    task = f"{seeds} LeNets, {steps} x 64 images each: {rate:,.0f} images/s together"
    return [Row(task, times, together, baseline=alone)]


if __name__ == "__main__":
    launch(run)
