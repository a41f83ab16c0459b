"""Attention in one operator, and the rotation of its queries and keys by position."""

import math

import jax.numpy as jnp
import numpy as np

from ..registry import operator
from ..tensors import to_dtype
from .values import canonicalize_dtype, highest, like, match, same_dtype, to_jax


def _heads(x, count: int | None):
    """(n, length, heads * d) as (n, heads, length, d)."""
    if x.ndim == 4:
        return x
    if not count:
        raise ValueError("rank 3 inputs need q_num_heads and kv_num_heads")
    return x.reshape(*x.shape[:2], count, -1).swapaxes(1, 2)


@operator("Attention")
def attention(
    q,
    k,
    v,
    mask=None,
    past_key=None,
    past_value=None,
    lengths=None,
    *,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    left_window_size: int = -1,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int | None = None,
):
    """softmax(scale q k' + mask) v by heads, with keys and values of the past in front.

    A query that may see no key gives zeros. `lengths` counts each sample's keys.
    """
    flat = q.ndim == 3
    q, k, v, past_key, past_value = same_dtype(q, k, v, past_key, past_value)
    q, k, v = _heads(q, q_num_heads), _heads(k, kv_num_heads), _heads(v, kv_num_heads)
    if past_key is not None:
        k, v = (jnp.concatenate(x, axis=2) for x in ((past_key, k), (past_value, v)))
    present = [k, v]
    repeat = q.shape[1] // k.shape[1]
    k, v = (jnp.repeat(x, repeat, axis=1) for x in (k, v))
    root = math.sqrt(q.shape[-1] ** -0.5 if scale is None else scale)
    q, k = q * like(q, root), k * like(k, root)
    raw = jnp.matmul(q, jnp.swapaxes(k, 2, 3), precision=highest)
    capped = like(raw, softcap) * jnp.tanh(raw / like(raw, softcap)) if softcap else raw
    before = past_key.shape[2] if past_key is not None else 0
    windows = left_window_size, 0 if is_causal else right_window_size
    allowed = _allowed(raw, before, lengths, *windows)
    masked = _mask(capped, mask, allowed)
    kind = to_dtype(softmax_precision) if softmax_precision else jnp.float32
    weights = _softmax(masked.astype(canonicalize_dtype(kind))).astype(v.dtype)
    out = jnp.matmul(weights, _without_unseen(v, weights), precision=highest)
    if flat:
        out = out.swapaxes(1, 2).reshape(out.shape[0], out.shape[2], -1)
    return [out, *present, (raw, capped, masked, weights)[qk_matmul_output_mode]]


def _allowed(scores, before: int, lengths, left: int, right: int):
    """Which keys each query may see, by position alone: (n or 1, 1, queries, keys)."""
    queries, keys = (np.arange(n, dtype=np.int32) for n in scores.shape[-2:])
    place = (queries[:, None] + np.int32(before))[None, None]
    allowed = np.ones((1, 1, len(queries), len(keys)), bool)
    if lengths is not None:
        lengths = to_jax(lengths).astype(jnp.int32).reshape(-1, 1, 1, 1)
        place = lengths - np.int32(len(queries)) + queries[:, None]
        shape = lengths.shape[0], *allowed.shape[1:]
        allowed = jnp.broadcast_to(keys < lengths, shape)
    if left >= 0:
        allowed = allowed & (keys >= place - np.int32(left))
    if right >= 0:
        allowed = allowed & (keys <= place + np.int32(right))
    return allowed


def _mask(scores, mask, allowed):
    """Scores plus the mask; minus infinity where a key may not be seen."""
    lowest = like(scores, -jnp.inf)
    if mask is not None:
        mask = to_jax(mask)
        # A mask may end before the keys do: what follows is not seen.
        short = scores.shape[-1] - mask.shape[-1] if mask.shape[-1] > 1 else 0
        fill = False if mask.dtype == bool else -jnp.inf
        widths = [(0, 0)] * (mask.ndim - 1) + [(0, short)]
        mask = jnp.pad(mask, widths, constant_values=fill)
        if mask.dtype == bool:
            mask = mask.reshape((1,) * (scores.ndim - mask.ndim) + mask.shape)
            allowed = jnp.logical_and(allowed, mask)
        else:
            scores = jnp.add(*match(scores, mask))
    return jnp.where(jnp.broadcast_to(allowed, scores.shape), scores, lowest)


def _softmax(scores):
    top = jnp.max(scores, axis=-1, keepdims=True)
    seen = top > -jnp.inf
    terms = jnp.exp(scores - jnp.where(seen | jnp.isnan(top), top, like(top, 0)))
    total = jnp.sum(terms, axis=-1, keepdims=True)
    return terms / jnp.where(seen | jnp.isnan(top), total, like(total, 1))


def _without_unseen(v, weights):
    """Values of keys that no query of a head sees count for nothing, even if not finite."""
    unseen = jnp.all(weights == like(weights, 0), axis=-2)[..., None]
    return jnp.where(unseen, like(v, 0), v)


@operator("RotaryEmbedding")
def rotary_embedding(
    x,
    cosines,
    sines,
    positions=None,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
):
    """Pairs of coordinates of each head turned by an angle that grows with position."""
    x, cosines, sines = same_dtype(x, cosines, sines)
    flat = x.ndim == 3
    rows = x.reshape(*x.shape[:2], num_heads, -1) if flat else x.swapaxes(1, 2)
    size = rotary_embedding_dim or rows.shape[-1]
    turned, rest = rows[..., :size], rows[..., size:]
    if positions is not None:
        cosines, sines = (t[to_jax(positions)] for t in (cosines, sines))
    cosines, sines = (t[:, :, None, : size // 2] for t in (cosines, sines))
    if interleaved:
        a, b = turned[..., ::2], turned[..., 1::2]
    else:
        a, b = jnp.split(turned, 2, axis=-1)
    both = a * cosines - b * sines, a * sines + b * cosines
    if interleaved:
        turned = jnp.stack(both, axis=-1).reshape(turned.shape)
    else:
        turned = jnp.concatenate(both, axis=-1)
    out = jnp.concatenate([turned, rest], axis=-1)
    return out.reshape(x.shape) if flat else out.swapaxes(1, 2)
