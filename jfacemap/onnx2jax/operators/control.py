"""Branches and loops.

Where the condition or the number of rounds is known while tracing, Python takes the
branch or goes the rounds; where it depends on data, XLA does.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..registry import operator
from .values import is_known, like, to_jax


@operator("If")
def choose(condition, *, then_branch, else_branch):
    """The outputs of one of two graphs; both need the same shapes if data decides."""
    if is_known(condition):
        return then_branch() if bool(np.ravel(condition)[0]) else else_branch()
    arrays = lambda f: lambda: [to_jax(x) for x in f()]
    test = condition.reshape(())
    return list(jax.lax.cond(test, arrays(then_branch), arrays(else_branch)))


@operator("Loop")
def loop(trips, condition, *carried, body, n_outputs: int):
    """`body(round, condition, *carried)` while the condition holds, at most `trips` times.

    Returns what is carried, then what each round gives, stacked.
    """
    known = all(x is None or is_known(x) for x in (trips, condition))
    limit = int(np.ravel(trips)[0]) if trips is not None and is_known(trips) else None
    if not known:
        return _while(trips, condition, list(carried), body, n_outputs)
    go, i, state, given = condition is None or bool(np.ravel(condition)[0]), 0, carried, []
    while go and (limit is None or i < limit):
        flag = np.asarray(True) if condition is None else np.asarray(go)
        more, *out = body(np.asarray(i, np.int64), flag, *state)
        state, i = out[: len(carried)], i + 1
        given.append(out[len(carried) :])
        if condition is not None or not isinstance(more, Tracer):
            if not is_known(more):
                rest = None if limit is None else np.asarray(limit)
                if n_outputs == len(carried):
                    return _while(rest, more, list(state), body, n_outputs, start=i)
                raise ValueError("a loop that data ends can stack no outputs of its rounds")
            go = bool(np.ravel(more)[0])
    return [*state, *_stacked(given, n_outputs - len(carried))]


def _stacked(given, count: int):
    if not given and count:
        raise ValueError("a loop of no rounds gives outputs of no known shape")
    columns = zip(*given, strict=True)
    return [jnp.stack([to_jax(x) for x in column]) for column in columns]


def _while(trips, condition, carried, body, n_outputs: int, start: int = 0):
    if n_outputs > len(carried):
        raise ValueError("a loop that data ends can stack no outputs of its rounds")

    def keep_on(state):
        i, go, _ = state
        return go if trips is None else go & (i < to_jax(trips).reshape(()).astype(i.dtype))

    def step(state):
        i, go, values = state
        more, *out = body(i, go, *values)
        flag = to_jax(more).reshape(()).astype(bool)
        out = [to_jax(x).astype(v.dtype) for x, v in zip(out, values, strict=True)]
        return i + like(i, 1), flag, out

    go = to_jax(np.asarray(True) if condition is None else condition).reshape(())
    first = to_jax(np.asarray(start, np.int64)), go, [to_jax(x) for x in carried]
    return jax.lax.while_loop(keep_on, step, first)[2]


@operator("Scan", since=8)
def scan_batch(
    lengths, *values, body, num_scan_inputs: int, directions=None, n_outputs: int
):
    """`scan` of each sample along axis 1, to its length (n,); beyond it stacks are 0."""
    count = len(values) - num_scan_inputs
    values = [to_jax(x) for x in values]
    n, steps = values[-1].shape[:2]
    limits = jnp.full(n, steps, jnp.int32) if lengths is None else to_jax(lengths)
    if lengths is not None and any(directions or ()):
        raise ValueError("Scan of opset 8 goes back only through sequences of one length")

    def guarded(limit):
        def step(i, *parts):
            state, out = list(parts[:count]), [to_jax(x) for x in body(*parts)]
            pad = [*state, *map(jnp.zeros_like, out[count:])]
            kept = [jnp.where(i < limit, a, b) for a, b in zip(out, pad, strict=True)]
            return [i + 1, *kept]

        return step

    def one(limit, *parts):
        options: dict = {"scan_input_directions": directions, "n_outputs": n_outputs + 1}
        options |= {"num_scan_inputs": num_scan_inputs, "body": guarded(limit)}
        return scan(jnp.zeros_like(limit), *parts, **options)[1:]

    return jax.vmap(one)(limits, *values)


@operator("Scan", since=9)
def scan(
    *values,
    body,
    num_scan_inputs: int,
    scan_input_axes=None,
    scan_input_directions=None,
    scan_output_axes=None,
    scan_output_directions=None,
    n_outputs: int,
):
    """`body(*state, *slices)` along an axis of the last inputs; states, then stacks."""
    count = len(values) - num_scan_inputs
    state, rows = [to_jax(x) for x in values[:count]], values[count:]
    stacks = n_outputs - count
    ways = lambda x, n: x or (0,) * n
    axes, back = (ways(x, len(rows)) for x in (scan_input_axes, scan_input_directions))
    moved = [jnp.moveaxis(to_jax(r), a, 0) for r, a in zip(rows, axes, strict=True)]
    moved = [jnp.flip(y, 0) if b else y for y, b in zip(moved, back, strict=True)]

    def step(state, slices):
        out = [to_jax(x) for x in body(*state, *slices)]
        return out[:count], out[count:]

    state, given = jax.lax.scan(step, state, moved)
    axes, back = (ways(x, stacks) for x in (scan_output_axes, scan_output_directions))
    turned = [jnp.flip(y, 0) if b else y for y, b in zip(given, back, strict=True)]
    return [*state, *(jnp.moveaxis(y, 0, a) for y, a in zip(turned, axes, strict=True))]
