"""Normalisations: means and variances taken out, scales and shifts put in.

16-bit floats are normalised in float32, and the result is 16-bit again.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ..registry import operator
from .image import image_operator, of_channels
from .values import axes_in, axis_in, like, match, same_dtype, to_jax, wide


def _per_channel(x, *values):
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return [v.reshape(shape) for v in same_dtype(x, *values)[1:]]


def _standardize(x, axes, epsilon):
    """x less its mean, over its deviation, along the axes; with both."""
    mean = jnp.mean(x, axis=axes, keepdims=True)
    variance = jnp.mean((x - mean) ** 2, axis=axes, keepdims=True)
    scale = jax.lax.rsqrt(variance + like(x, epsilon))
    return (x - mean) * scale, mean, scale


def _not_in_training(attributes) -> None:
    if attributes.get("training_mode") or attributes.get("n_outputs", 1) > 1:
        raise ValueError("training is not supported: export the model for inference")


@image_operator("BatchNormalization", check=_not_in_training)
def batch_normalization_of_old(
    x, scale, bias, mean, variance, *, epsilon=1e-5, momentum=0.9, spatial=1, n_outputs=1
):
    """As below; statistics by pixel, which `spatial=0` allows, are not supported."""
    if not spatial and scale.ndim > 1:
        raise ValueError(f"spatial=0 with a scale {scale.shape}: by channel alone, (c,)")
    return _normalize_channels(x, scale, bias, mean, variance, epsilon)


@image_operator("BatchNormalization", since=9, check=_not_in_training)
def batch_normalization_of_inference(
    x, scale, bias, mean, variance, *, epsilon=1e-5, momentum=0.9, n_outputs=1
):
    """scale (x - mean) / sqrt(variance + epsilon) + bias, by channel."""
    return _normalize_channels(x, scale, bias, mean, variance, epsilon)


def _normalize_channels(x, scale, bias, mean, variance, epsilon):
    """Of x (n, ..., c): one multiplication and one addition a pixel."""
    scale, bias, mean, variance = (wide(to_jax(v)) for v in (scale, bias, mean, variance))
    factor = scale * jax.lax.rsqrt(variance + like(variance, epsilon))
    pixels, factor, shift = same_dtype(wide(x), factor, bias - mean * factor)
    factor, shift = (of_channels(v, x.ndim) for v in (factor, shift))
    return (pixels * factor + shift).astype(x.dtype)


@image_operator("BatchNormalization", since=14, check=_not_in_training)
def batch_normalization(
    x, scale, bias, mean, variance, *, epsilon=1e-5, momentum=0.9, training_mode=0
):
    """scale (x - mean) / sqrt(variance + epsilon) + bias, by channel."""
    return _normalize_channels(x, scale, bias, mean, variance, epsilon)


@operator("InstanceNormalization")
def instance_normalization(x, scale, bias, *, epsilon: float = 1e-5):
    """Each channel of each sample standardised; scale and bias by channel."""
    scale, bias = _per_channel(x, scale, bias)
    return (
        _standardize(wide(x), tuple(range(2, x.ndim)), epsilon)[0].astype(x.dtype) * scale
        + bias
    )


def _standardize_groups(x, groups: int, epsilon: float):
    rows = wide(x).reshape(x.shape[0], groups, -1)
    return _standardize(rows, (2,), epsilon)[0].reshape(x.shape).astype(x.dtype)


@operator("GroupNormalization", since=18)
def group_normalization_by_group(x, scale, bias, *, num_groups: int, epsilon: float = 1e-5):
    """Groups of channels standardised; scale and bias by group."""
    repeat = x.shape[1] // num_groups
    scale, bias = (jnp.repeat(v, repeat) for v in (scale, bias))
    return group_normalization(x, scale, bias, num_groups=num_groups, epsilon=epsilon)


@operator("GroupNormalization", since=21)
def group_normalization(
    x, scale, bias, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
):
    """Groups of channels standardised; scale and bias by channel."""
    scale, bias = _per_channel(x, scale, bias)
    return _standardize_groups(x, num_groups, epsilon) * scale + bias


@operator("LayerNormalization")
def layer_normalization(
    x, scale, bias=None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
):
    """The axes from `axis` on standardised; with the mean and the inverse deviation."""
    axes = tuple(range(axis_in(axis, x.ndim), x.ndim))
    out, mean, inverse = _standardize(wide(to_jax(x)), axes, epsilon)
    out, scale, bias = match(out.astype(x.dtype), scale, bias)
    out = out * scale if bias is None else out * scale + bias
    return [out, mean, inverse]


@operator("RMSNormalization")
def rms_normalization(
    x, scale, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
):
    """x over the root mean square of the axes from `axis` on, times scale."""
    axes = tuple(range(axis_in(axis, x.ndim), x.ndim))
    rows = wide(to_jax(x))
    square = jnp.mean(rows * rows, axis=axes, keepdims=True)
    out = rows * jax.lax.rsqrt(square + like(rows, epsilon))
    out, scale = match(out.astype(x.dtype), scale)
    return out * scale


@operator("LpNormalization")
def lp_normalization(x, *, axis: int = -1, p: int = 2):
    """x over its p-norm along the axis; what is all zero stays zero."""
    x, axis = to_jax(x), axis_in(axis, x.ndim)
    power = jnp.abs(x) if p == 1 else x * x
    total = jnp.sum(power, axis=axis, keepdims=True)
    alive = total != 0
    safe = jnp.where(alive, total, like(x, 1))
    return jnp.where(alive, x / (safe if p == 1 else jnp.sqrt(safe)), like(x, 0))


@operator("MeanVarianceNormalization")
def mean_variance_normalization(x, *, axes=(0, 2, 3)):
    """x standardised along the axes."""
    rows, axes = wide(to_jax(x)), axes_in(axes, x.ndim)
    centred = rows - jnp.mean(rows, axis=axes, keepdims=True)
    deviation = jnp.sqrt(jnp.mean(centred**2, axis=axes, keepdims=True))
    return (centred / (deviation + like(rows, 1e-9))).astype(x.dtype)


@operator("Dropout")
def dropout_of_inference(x, *, ratio: float = 0.5):
    """x itself, and that nothing was dropped."""
    return [x, np.ones(x.shape, bool)]


@operator("Dropout", since=12, static=["ratio", "training_mode"])
def dropout(x, ratio=None, training_mode=None, *, seed: int = 0):
    """x itself, and that nothing was dropped; training needs a ratio of 0."""
    training = training_mode is not None and bool(training_mode)
    if training and (ratio is None or np.any(ratio != 0)):
        raise ValueError("dropout in training is not supported: export it for inference")
    return dropout_of_inference(x)
