"""Convolution with max-pooling, the images on the last axis.

Inside `lax.scan` XLA's convolution runs on one core of a CPU, and slowly. There the
patches under the kernel, laid side by side, times the kernel as a matrix is several times
as fast. With the images last every copy moves whole vectors, and with the four pixels
that are pooled as four blocks, pooling and its derivative touch no scattered ones.
"""

import functools as ft

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.linalg import matmul


def convolve_and_pool(
    x: Float[Array, "c h w n"], kernel: Float[Array, "o c k k"]
) -> Float[Array, "o p q n"]:
    r"""Cross-correlation without padding, then the largest of every 2 x 2 pixels.

    $y_{opq} = \sum_{cij} K_{ocij} x_{c,p+i,q+j}$. Of equal pixels the first has the
    derivative, as in Caffe. By patches on CPU, by the platform's convolution elsewhere.
    """
    k = kernel.shape[2]
    sides = x.shape[1] - k + 1, x.shape[2] - k + 1
    even = all(side > 0 and side % 2 == 0 for side in sides)
    if x.shape[0] != kernel.shape[1] or not even or x.shape[1] % 2 or x.shape[2] % 2:
        raise ValueError(
            f"A kernel (out, in, k, k) {kernel.shape} takes images (in, h, w, n) of even "
            f"sides, and leaves even sides; got {x.shape}."
        )
    return jax.lax.platform_dependent(x, kernel, cpu=by_patches, default=by_platform)


def by_patches(x, kernel):
    """`convolve_and_pool` as one matrix product."""
    o, c, k, _ = kernel.shape
    p, q = (x.shape[1] - k + 1) // 2, (x.shape[2] - k + 1) // 2
    patches = jnp.reshape(_lay_out(x, k), (c * k * k, -1))
    flat = matmul(kernel.reshape(o, c * k * k), patches)
    return _largest(flat.reshape(o, 4, -1)).reshape(o, p, q, x.shape[3])


@ft.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _lay_out(x: Float[Array, "c h w n"], k: int) -> Float[Array, "c k k 2 2 p q n"]:
    """What is under the kernel's pixel (i, j), for pixel (a, b) of each four."""
    c, h, w, n = x.shape
    p, q = (h - k + 1) // 2, (w - k + 1) // 2
    pixels = x.reshape(c, h // 2, 2, w // 2, 2, n)
    row = lambda s: pixels[:, s // 2 : s // 2 + p, s % 2]
    rows = jnp.stack(
        [jnp.stack([row(i + a) for a in (0, 1)], axis=1) for i in range(k)], axis=1
    )
    column = lambda s: rows[:, :, :, :, s // 2 : s // 2 + q, s % 2]
    return jnp.stack(
        [jnp.stack([column(j + b) for b in (0, 1)], axis=3) for j in range(k)], axis=2
    )


def _lay_out_forward(x, k):
    return _lay_out(x, k), None


def _lay_out_backward(k, _, patches):
    """Adds the patches up, in place: JAX's own derivative pads each one to full size."""
    c, *_, p, q, n = patches.shape
    h, w = 2 * p + k - 1, 2 * q + k - 1
    steps = [(i, a) for i in range(k) for a in (0, 1)]
    rows = jnp.zeros((c, k, 2, p, w // 2, 2, n), patches.dtype)
    for j, b in steps:
        at = (0, 0, 0, 0, (j + b) // 2, (j + b) % 2, 0)
        rows = _add_at(rows, patches[:, :, j, :, b, :, :, None], at)
    x = jnp.zeros((c, h // 2, 2, w // 2, 2, n), patches.dtype)
    for i, a in steps:
        x = _add_at(x, rows[:, i, a, :, None], (0, (i + a) // 2, (i + a) % 2, 0, 0, 0))
    return (x.reshape(c, h, w, n),)


def _add_at(total, part, at):
    old = jax.lax.dynamic_slice(total, at, part.shape)
    return jax.lax.dynamic_update_slice(total, old + part, at)


_lay_out.defvjp(_lay_out_forward, _lay_out_backward)


@jax.custom_vjp
def _largest(x: Float[Array, "o 4 m"]) -> Float[Array, "o m"]:
    return jnp.max(x, axis=1)


def _largest_forward(x):
    most = jnp.max(x, axis=1)
    return most, (x, most)


def _largest_backward(saved, cotangent):
    x, most = saved
    a, b, c, _ = (x[:, i] == most for i in range(4))
    first = jnp.stack([a, b & ~a, c & ~(a | b), ~(a | b | c)], axis=1)
    return (jnp.where(first, cotangent[:, None], 0),)


_largest.defvjp(_largest_forward, _largest_backward)


def by_platform(x, kernel):
    """`convolve_and_pool` by `lax.conv_general_dilated` and `lax.reduce_window`."""
    flat = jax.lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        "VALID",
        dimension_numbers=("CHWN", "OIHW", "CHWN"),
        precision=jax.lax.Precision.HIGHEST,
    )
    window = 1, 2, 2, 1
    return jax.lax.reduce_window(flat, -jnp.inf, jax.lax.max, window, window, "VALID")
