"""True accept rate at a false accept rate, exact on ties (paper 000, section 3.3)."""

import functools as ft
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Bool, Float

from ..core.mesh import each_shard, laid_out, placed, shard_max
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from .accepts import TarAtFar
from .floats import at_least_float32
from .pairs import as_pairs, at_precision_of, read_pairs
from .rules import check_rule, rules
from .selection import above_all, accepted, by_lanes, unsortable
from .tar_by_counts import tar_by_counts
from .target import count_limit, far_words


many_pairs = 2**20
"""With more concrete scores than this they are counted in bins instead of compared."""


def tar_at_far(
    scores: Float[Numeric, "*n"],
    genuine: Bool[Numeric, "*n"],
    fars: float | Sequence[float] | Float[Numeric, "*q"],
    *,
    rule: str = "strict",
    valid: Bool[Numeric, "*n"] | None = None,
) -> TarAtFar:
    """True accept rate where the false accept rate is at a target.

    **Arguments:**

    - `scores`: similarity of each pair, of any shape; higher means more alike. Float64
      NumPy scores are compared as float64 without any flag.
    - `genuine`: whether both sides are one person.
    - `fars`: targets from 0 to 1. Plain numbers compare as float64: k of n false accepts
      meet a target if `k / n <= far` after that rounding. JAX arrays, as inside `jit`,
      compare after k / n is rounded to their dtype.
    - `rule`: the operating point taken.
        - `"strict"`: the loosest whose FAR is at most the target.
        - `"nearest"`: that of least |FAR - target|, the looser of two.
        - `"insightface"`: the same among the points scikit-learn's `roc_curve` keeps by
          default; what published numbers used. Sorts under `jit`, hence slower there.
        - `"interpolate"`: `tar` is linear in FAR between the strict point and the next.
    - `valid`: pairs that count, as padding and an image with itself do not; all by
      default. Tables of different sizes, padded, compile once.

    Tied scores are accepted together. A target below 1 / n_impostor has `tar` NaN by any
    rule; `tar_at_zero` tells what is known there. Jits, vmaps, and compiles once for all
    targets of one shape. Raises `ValueError` on shapes that do not match, an unknown
    rule, or targets that are no rates.
    """
    scores, genuine, valid = as_pairs(scores, genuine, valid)
    check_rule(rule)
    words = far_words(fars)
    given = (scores, genuine, valid, fars)
    narrow = jnp.finfo(scores.dtype).bits <= 32
    concrete = not any(isinstance(x, Tracer) for x in given)
    (scores, genuine, valid), shards = laid_out((scores, genuine, valid))
    shards = None if rule == "insightface" else shards  # it sorts
    # A JAX target compares in its own precision, which the counts do not know.
    on_host = concrete and shards is None and not isinstance(fars, jax.Array)
    if scores.size > many_pairs and narrow and on_host:
        return tar_by_counts(scores, genuine, valid, fars, rule=rule)
    given = scores, genuine, valid, words
    return at_precision_of(_tar_at_far, *given, rule=rule, shards=shards)


@ft.partial(jax.jit, static_argnames=("rule", "shards"))
def _tar_at_far(scores, genuine, valid, words, *, rule, shards=None) -> TarAtFar:
    find = lambda rows, words: _find(*rows, words=words, rule=rule)
    with placed(shards):
        return each_shard(find, (scores, genuine, valid), words)


def _find(scores, genuine, valid, *, words, rule) -> TarAtFar:
    dtype, shape = at_least_float32(scores).dtype, words.shape[:-1]
    pairs = read_pairs(scores, genuine, valid)
    keys, targets = (pairs.genuine, pairs.impostor), words.reshape(-1, 4)
    limits = count_limit(pairs.n_impostor, targets)
    floors = rules[rule](keys, limits)
    over_impostors = shard_max(jnp.max(pairs.impostor)) + 1
    every = jnp.append(floors, over_impostors)
    *accepts, least = by_lanes(accepted)(keys, every, above_all(dtype))
    genuine_at_zero = accepts[0][-1]
    within, beyond = (
        [x[:-1].reshape(floors.shape)[side] for x in (*accepts, least)] for side in (0, -1)
    )
    if rule in ("nearest", "insightface"):
        looser = _is_nearer(beyond[1], within[1], pairs.n_impostor, targets[:, :3])
        within = [jnp.where(looser, b, w) for b, w in zip(beyond, within, strict=True)]
    genuine_accepts, impostor_accepts, key = (x.reshape(shape) for x in within)
    return TarAtFar(
        genuine_accepts=genuine_accepts,
        impostor_accepts=impostor_accepts,
        threshold=unsortable(key, dtype),
        supported=(limits > 0).reshape(shape),
        genuine_at_zero=genuine_at_zero,
        n_genuine=pairs.n_genuine,
        n_impostor=pairs.n_impostor,
        n_nan=pairs.n_nan,
        target_words=words,
        beyond=[x.reshape(shape) for x in beyond[:2]] if rule == "interpolate" else None,
        rule=rule,
    )


def _nearer(dtype, one, other, n, words):
    """Whether `one` of n is as near to the target as `other`, as float64 has it."""
    target = jnp.sum(widen(words, dtype), axis=-1)

    def distance(k):
        # XLA divides by one number for all as a product with its rounded inverse; the
        # select hides that n is one number.
        divisor = jnp.where(k < 0, 1, n)
        return jnp.abs(k.astype(dtype) / divisor.astype(dtype) - target)

    return distance(one) <= distance(other)


_is_nearer = in_float64(_nearer)
