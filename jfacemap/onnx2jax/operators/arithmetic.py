"""Arithmetic on every element, with broadcasting."""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np

from ..registry import operator
from .values import cast, is_float, like, match, namespace


unary = {
    "Abs": "abs",
    "Acos": "arccos",
    "Acosh": "arccosh",
    "Asin": "arcsin",
    "Asinh": "arcsinh",
    "Atan": "arctan",
    "Atanh": "arctanh",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Exp": "exp",
    "Floor": "floor",
    "Log": "log",
    "Neg": "negative",
    "Round": "round",  # halves to even, as ONNX has it
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
}


def _of_one(name: str):
    return lambda x: getattr(namespace(x), name)(x)


def _of_two(name: str):
    def apply(a, b):
        a, b = match(a, b)
        return getattr(namespace(a, b), name)(a, b)

    return apply


def _of_many(name: str):
    def apply(*xs):
        xs = match(*xs)
        return ft.reduce(getattr(namespace(*xs), name), xs)

    return apply


for op, name in unary.items():
    operator(op, elementwise=True)(_of_one(name))

for op, name in {"Add": "add", "Sub": "subtract", "Mul": "multiply"}.items():
    operator(op, elementwise=True)(_of_two(name))

for op, name in {"Max": "maximum", "Min": "minimum", "Sum": "add"}.items():
    operator(op, elementwise=True)(_of_many(name))


@operator("Mean", elementwise=True)
def mean(*xs):
    """The mean of the inputs, element by element."""
    total = _of_many("add")(*xs)
    return total / like(total, len(xs))


@operator("Div", elementwise=True)
def divide(a, b):
    """a / b; integers are divided towards zero."""
    a, b = match(a, b)
    if is_float(a):
        return a / b
    if isinstance(a, jax.Array):
        return jax.lax.div(*jnp.broadcast_arrays(a, b))
    safe = np.where(b == 0, np.ones_like(b), b)
    quotient = a // safe
    return quotient + ((a % safe != 0) & ((a < 0) != (safe < 0))).astype(a.dtype)


@operator("Mod", elementwise=True)
def modulo(a, b, *, fmod: int = 0):
    """The remainder with the sign of b, or with `fmod` that of a."""
    a, b = match(a, b)
    xp = namespace(a, b)
    return xp.fmod(a, b) if fmod else xp.mod(a, b)


@operator("Pow", elementwise=True)
def power(a, b):
    """a ** b in the dtype of a, whatever that of b."""
    if isinstance(b, np.ndarray) and b.size == 1 and is_float(a) and is_float(b):
        return _power_of_number(a, b)
    if is_float(a):
        b = cast(b, a.dtype)
        a, b = match(a, b)
        return namespace(a, b).power(a, b)
    if is_float(b):
        x, b = match(cast(a, b.dtype), b)
        return cast(namespace(x, b).power(x, b), a.dtype)
    x, b = match(a, cast(b, a.dtype))
    return namespace(x, b).power(x, b)


def _power_of_number(a, b):
    # Whole powers are products: their gradient exists at 0, and for negative a.
    number = b.item()
    if number.is_integer() and 0 <= number <= 4 and isinstance(a, jax.Array):
        out = jax.lax.integer_pow(a, int(number))
    else:
        out = namespace(a).power(a, like(a, number))
    return out.reshape((1,) * (b.ndim - out.ndim) + out.shape)


@operator("Reciprocal", elementwise=True)
def reciprocal(x):
    """1 / x."""
    return like(x, 1) / x


@operator("Erf", elementwise=True)
def error_function(x):
    """The error function."""
    return jax.lax.erf(x)


@operator("Clip", elementwise=True)
def clip_between_numbers(
    x, *, min: float = -3.4028234663852886e38, max: float = 3.4028234663852886e38
):
    """min(max(x, lowest), highest); the bounds are attributes."""
    xp = namespace(x)
    return xp.minimum(xp.maximum(x, like(x, min)), like(x, max))


@operator("Clip", since=11, elementwise=True)
def clip(x, lowest=None, highest=None):
    """min(max(x, lowest), highest); a bound may be left out."""
    x, lowest, highest = match(x, lowest, highest)
    xp = namespace(x, lowest, highest)
    if lowest is not None:
        x = xp.maximum(x, lowest)
    return x if highest is None else xp.minimum(x, highest)


def _running(name: str, unit: int):
    def apply(x, axis, *, exclusive: int = 0, reverse: int = 0):
        xp, axis = namespace(x), int(axis)
        x = xp.flip(x, axis) if reverse else x
        out = getattr(xp, name)(x, axis=axis, dtype=x.dtype)
        if exclusive:
            first = xp.full_like(xp.take(out, xp.arange(1), axis=axis), unit)
            rest = xp.take(out, xp.arange(x.shape[axis] - 1), axis=axis)
            out = xp.concatenate([first, rest], axis=axis)
        return xp.flip(out, axis) if reverse else out

    return apply


operator("CumSum", static=["axis"])(_running("cumsum", 0))
operator("CumProd", static=["axis"])(_running("cumprod", 1))


@operator("Det")
def determinant(x):
    """Determinants of the last two axes."""
    return jnp.linalg.det(x)
