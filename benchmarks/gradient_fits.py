"""A hundred gradient fits in one program, against a loop over them."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import jfacemap as jfm

from . import simulate
from .harness import race, Row, Side, Size
from .report import launch
from .truth import relative_error


fits, steps, batch = 100, 100, 64
optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, steps))


def run(size: Size) -> list[Row]:
    """Of narrow spaces, where a step is short: there a program of many fits pays.

    All are right if they are what each is alone: their error is the deviation from that.
    """
    widths = (32, 128) if size.rows > 1000 else (16,)
    return [row for d in widths for row in rows_at(size, d)]


def rows_at(size: Size, d: int) -> list[Row]:
    narrow = Size(rows=min(size.rows, 2000), width=d)
    x, y = map(jnp.asarray, simulate.embeddings(narrow, 10, models=2))
    keys, start = jr.split(jr.key(0), fits), jfm.identity_map(d).as_affine()

    def one(key):
        return jfm.fit_gradient(
            key, x, y, init=start, loss=jfm.losses.distance, optimizer=optimizer,
            steps=steps, batch_size=batch,
        ).map.as_affine().weight  # fmt: skip

    together = eqx.filter_jit(eqx.filter_vmap(one))
    alone = np.stack([np.asarray(one(key)) for key in keys[:3]])
    error = lambda found: relative_error([np.asarray(w) for w in found[:3]], alone)
    loop, vmapped = f"a loop over {fits}, compiled", "one program, vmap"
    sides = {
        loop: Side(lambda: [one(key) for key in keys], error),
        vmapped: Side(lambda: together(keys), error),
    }
    task = f"{fits} fits of {steps} steps of {batch} rows, {d} to {d}"
    times = race(sides, min(size.rounds, 5))
    return [Row(task, times, vmapped, baseline=loop)]


if __name__ == "__main__":
    launch(run)
