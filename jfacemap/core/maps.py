"""Maps between embedding spaces: small immutable pytrees that act on rows.

A map acts as `x @ W (+ b)` on the last axis of `x (..., d)`. One object is one map; a
stack of maps, as `vmap` returns it, is applied with `eqx.filter_vmap`.
"""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .linalg import matmul
from .precision import in_float64, widen
from .types import as_array, Numeric


class AbstractMap(eqx.Module):
    """A function from `R^d` to `R^k`, applied along the last axis."""

    @abc.abstractmethod
    def as_affine(self) -> "AffineMap":
        """The same map as `x W + b`."""

    @property
    @abc.abstractmethod
    def in_dim(self) -> int:
        """Width `d` of the source space."""

    @property
    @abc.abstractmethod
    def out_dim(self) -> int:
        """Width `k` of the target space."""

    @property
    def inverse(self) -> "AbstractMap":
        """The map back: exact if square and regular, else by the pseudo-inverse."""
        return _inverse_affine(self.as_affine())

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Leading axes of a stack of maps; () for one map."""
        return jax.eval_shape(lambda m: m.as_affine().bias, self).shape[:-1]

    @abc.abstractmethod
    def __call__(self, x: Float[Numeric, "*n d"]) -> Float[Array, "*n k"]:
        """Map the rows of `x`."""


class LinearMap(AbstractMap):
    """`x -> x W`."""

    weight: Float[Array, "*stack d k"]

    def __call__(self, x: Float[Numeric, "*n d"]) -> Float[Array, "*n k"]:
        """Map the rows of `x`."""
        return matmul(check_rows(self, x, self.weight), self.weight)

    def as_affine(self) -> "AffineMap":
        """The same map with a zero bias."""
        return AffineMap(self.weight, jnp.zeros_like(self.weight[..., 0, :]))

    @property
    def inverse(self) -> "LinearMap":
        """Inverse if square (not finite if singular), else pseudo-inverse."""
        return LinearMap(_inverse(self.weight))

    @property
    def in_dim(self) -> int:
        """Width of the source space."""
        return self.weight.shape[-2]

    @property
    def out_dim(self) -> int:
        """Width of the target space."""
        return self.weight.shape[-1]


class AffineMap(AbstractMap):
    """`x -> x W + b`."""

    weight: Float[Array, "*stack d k"]
    bias: Float[Array, "*stack k"]

    def __call__(self, x: Float[Numeric, "*n d"]) -> Float[Array, "*n k"]:
        """Map the rows of `x`."""
        return _add_row(matmul(check_rows(self, x, self.weight), self.weight), self.bias)

    def as_affine(self) -> "AffineMap":
        """Itself."""
        return self

    @property
    def in_dim(self) -> int:
        """Width of the source space."""
        return self.weight.shape[-2]

    @property
    def out_dim(self) -> int:
        """Width of the target space."""
        return self.weight.shape[-1]


class RotationMap(AbstractMap):
    """`x -> x R`, with orthonormal columns (d >= k) or rows (d <= k)."""

    rotation: Float[Array, "*stack d k"]

    def __call__(self, x: Float[Numeric, "*n d"]) -> Float[Array, "*n k"]:
        """Map the rows of `x`."""
        return matmul(check_rows(self, x, self.rotation), self.rotation)

    def as_affine(self) -> "AffineMap":
        """The same map with a zero bias."""
        return LinearMap(self.rotation).as_affine()

    @property
    def inverse(self) -> "RotationMap":
        """The transpose: exact for a square rotation, else the pseudo-inverse."""
        return RotationMap(jnp.swapaxes(self.rotation, -1, -2))

    @property
    def in_dim(self) -> int:
        """Width of the source space."""
        return self.rotation.shape[-2]

    @property
    def out_dim(self) -> int:
        """Width of the target space."""
        return self.rotation.shape[-1]


class SimilarityMap(AbstractMap):
    """`x -> s x R + b`."""

    rotation: Float[Array, "*stack d k"]
    scale: Float[Array, "*stack"]
    bias: Float[Array, "*stack k"]

    def __call__(self, x: Float[Numeric, "*n d"]) -> Float[Array, "*n k"]:
        """Map the rows of `x`."""
        x = check_rows(self, x, self.rotation)
        return _add_row(self.scale * matmul(x, self.rotation), self.bias)

    def as_affine(self) -> "AffineMap":
        """The same map with the scale multiplied in."""
        return AffineMap(self.scale[..., None, None] * self.rotation, self.bias)

    @property
    def inverse(self) -> "SimilarityMap":
        """`y -> (y - b) R' / s`."""
        back, scale = jnp.swapaxes(self.rotation, -1, -2), 1 / self.scale
        bias = -scale[..., None] * _row_times(self.bias, back)
        return SimilarityMap(back, scale, bias)

    @property
    def in_dim(self) -> int:
        """Width of the source space."""
        return self.rotation.shape[-2]

    @property
    def out_dim(self) -> int:
        """Width of the target space."""
        return self.rotation.shape[-1]


class LowRankMap(AbstractMap):
    """`x -> (x L) R + b`, of rank at most the inner width."""

    left: Float[Array, "*stack d r"]
    right: Float[Array, "*stack r k"]
    bias: Float[Array, "*stack k"]

    def __call__(self, x: Float[Numeric, "*n d"]) -> Float[Array, "*n k"]:
        """Map the rows of `x`."""
        x = matmul(check_rows(self, x, self.left), self.left)
        return _add_row(matmul(x, self.right), self.bias)

    def as_affine(self) -> "AffineMap":
        """The same map with the factors multiplied out."""
        return AffineMap(matmul(self.left, self.right), self.bias)

    @property
    def inverse(self) -> "LowRankMap":
        """The pseudo-inverse `R^+ L^+`, for factors of full rank."""
        left, right = _inverse(self.right), _inverse(self.left)
        bias = -_row_times(self.bias, matmul(left, right))
        return LowRankMap(left, right, bias)

    @property
    def in_dim(self) -> int:
        """Width of the source space."""
        return self.left.shape[-2]

    @property
    def out_dim(self) -> int:
        """Width of the target space."""
        return self.right.shape[-1]


class Standardize(AbstractMap):
    """Centring, and optionally whitening, of one space: `x -> (x - mean) [whitener]`.

    Preprocessing, not part of a map's fit: apply it to unit rows of *both* models, and
    scale the result to unit length, before they are mapped and scored.
    `jfm.fit_standardize` fits it.
    """

    mean: Float[Array, "*stack d"]
    whitener: Float[Array, "*stack d d"] | None = None

    def __call__(self, x: Float[Numeric, "*n d"]) -> Float[Array, "*n d"]:
        """Centre (and whiten) the rows of `x`."""
        x = _add_row(jnp.asarray(check_rows(self, x, self.mean[..., None])), -self.mean)
        return x if self.whitener is None else matmul(x, self.whitener)

    def as_affine(self) -> "AffineMap":
        """The same map as a weight and a bias."""
        weight = self.whitener
        if weight is None:
            eye = jnp.eye(self.in_dim, dtype=self.mean.dtype)
            weight = jnp.broadcast_to(eye, (*self.mean.shape[:-1], *eye.shape))
        return AffineMap(weight, -_row_times(self.mean, weight))

    @property
    def in_dim(self) -> int:
        """Width of the space."""
        return self.mean.shape[-1]

    @property
    def out_dim(self) -> int:
        """Width of the space."""
        return self.mean.shape[-1]


def identity_map(d: int, k: int | None = None, dtype=jnp.float32) -> RotationMap:
    """The naive baseline: `d` coordinates zero-padded or truncated to `k`."""
    # By NumPy: JAX would compile a program for each pair of widths.
    return RotationMap(jnp.asarray(np.eye(d, d if k is None else k, dtype=dtype)))


def compose(first: AbstractMap, second: AbstractMap) -> AbstractMap:
    """The single map `x -> second(first(x))`.

    Of the smallest family that holds it: rotations and similarities stay such unless
    their product loses directions, a factor of low rank stays one.
    """
    if first.out_dim != second.in_dim:
        raise ValueError(
            f"The first map ends in width {first.out_dim} and the second starts from "
            f"{second.in_dim}; they do not compose."
        )
    angular = RotationMap | SimilarityMap
    # Through a waist, or out of a wider space, the product is no longer orthogonal.
    narrowing = (first.in_dim - first.out_dim) * (second.in_dim - second.out_dim)
    if isinstance(first, angular) and isinstance(second, angular) and narrowing >= 0:
        return _compose_angular(first, second)
    a, b = first.as_affine(), second.as_affine()
    bias = _row_times(a.bias, b.weight) + b.bias
    if isinstance(first, LowRankMap):
        return LowRankMap(first.left, matmul(first.right, b.weight), bias)
    if isinstance(second, LowRankMap):
        return LowRankMap(matmul(a.weight, second.left), second.right, bias)
    weight = matmul(a.weight, b.weight)
    if all(isinstance(m, LinearMap | RotationMap) for m in (first, second)):
        return LinearMap(weight)
    return AffineMap(weight, bias)


def _compose_angular(first, second):
    rotation = matmul(first.rotation, second.rotation)
    if isinstance(first, RotationMap) and isinstance(second, RotationMap):
        return RotationMap(rotation)
    one = jnp.ones(rotation.shape[:-2], rotation.dtype)
    scales = (getattr(m, "scale", one) for m in (first, second))
    b = second.as_affine()
    bias = _row_times(first.as_affine().bias, b.weight) + b.bias
    return SimilarityMap(rotation, math.prod(scales, start=one), bias)


def check_rows(m: AbstractMap, x, weight):
    """Rows as an array; `ValueError` unless `m` is one map, and they are of its width."""
    x = as_array(x)
    if weight.ndim != 2:
        name = type(m).__name__
        raise ValueError(
            f"This {name} is a stack of {weight.shape[:-2]} maps. Apply each with "
            f"`eqx.filter_vmap(lambda m, x: m(x))(maps, xs)`, or pass `in_axes=(0, None)` "
            "for one `x` under all."
        )
    if x.ndim == 0 or x.shape[-1] != m.in_dim:
        raise ValueError(
            f"{type(m).__name__} maps rows of width {m.in_dim} to {m.out_dim}; "
            f"got an array of shape {x.shape}."
        )
    return x


def _add_row(x, row):
    return x + row.reshape((1,) * (x.ndim - 1) + row.shape)


def _row_times(row, matrix):
    return matmul(row[..., None, :], matrix)[..., 0, :]


def _inverse_kernel(dtype, weight):
    weight = widen(weight, dtype)
    square = weight.shape[-1] == weight.shape[-2]
    return jnp.linalg.inv(weight) if square else jnp.linalg.pinv(weight)


_inverse = in_float64(_inverse_kernel)


@jax.jit
def _inverse_affine(m: AffineMap) -> AffineMap:
    back = _inverse(m.weight)
    return AffineMap(back, -_row_times(m.bias, back))
