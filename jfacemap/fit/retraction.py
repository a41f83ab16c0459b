r"""Steps that keep a rotation a rotation: the Cayley transform.

A rotation is not moved by adding a step to it but by turning it further,
$R \leftarrow R\,(I - A/2)^{-1}(I + A/2)$ with A skew, which is orthogonal whatever the step
(Wen & Yin, 2013). An optimiser sees coordinates: of most arrays they are the numbers
themselves, of a rotation the sum of the turns so far. Its momentum lives in the frame that
turns along, which is the natural one on a group.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.linalg import matmul
from ..core.maps import AbstractMap, RotationMap, SimilarityMap
from ..core.polar import polish


def coordinates(m: AbstractMap) -> AbstractMap:
    """What an optimiser moves, as a tree like `m`: rotations (d, k) have square turns."""

    def of_rotation(rotation):
        side = max(rotation.shape)
        return jnp.zeros((side, side), rotation.dtype)

    return _with_rotations(m, m, of_rotation)


def lean(m: AbstractMap, old: AbstractMap, new: AbstractMap) -> AbstractMap:
    """`move` to first order: the same derivative at `new = old`, and cheaper."""
    return _by_turns(m, old, new, lambda r, a: r + _act(r, a))


def move(m: AbstractMap, old: AbstractMap, new: AbstractMap) -> AbstractMap:
    """The map at coordinates `new`, where `m` is the one at `old`."""
    return _by_turns(m, old, new, turn)


def turn(rotation: Float[Array, "d k"], a: Float[Array, "p p"]) -> Float[Array, "d k"]:
    """`rotation` turned by the Cayley transform of a skew `a`, p = max(d, k).

    Orthogonal to rounding after any number of turns: a Newton step takes off what rounding
    adds. The determinant keeps its sign.
    """
    eye = jnp.eye(a.shape[0], dtype=a.dtype)
    q = jnp.linalg.solve(eye - a / 2, eye + a / 2)
    r = _act(rotation, q)
    return polish(r) if r.shape[0] >= r.shape[1] else polish(r.T).T


def _act(rotation, q):
    """On the wider side, from which every semi-orthogonal matrix can be reached."""
    d, k = rotation.shape
    return matmul(rotation, q) if d <= k else matmul(q, rotation)


def _by_turns(m, old, new, f):
    def of_rotation(rotation, old, new):
        step = new - old
        return f(rotation, (step - step.T) / 2)

    return _with_rotations(new, m, of_rotation, old, new)


def _with_rotations(rest, m, f, *others):
    """`rest`, its rotations replaced by `f` of those of `m` and of the others."""

    def one(rest, m, *others):
        if not _is_angular(m):
            return rest
        new = f(m.rotation, *(each.rotation for each in others))
        return eqx.tree_at(lambda m: m.rotation, rest, new)

    return jax.tree.map(one, rest, m, *others, is_leaf=_is_angular)


def _is_angular(x) -> bool:
    return isinstance(x, RotationMap | SimilarityMap)
