r"""What do two networks share that their logits do not force? (thesis 002, section 5.5)

Networks trained on one task share their logits, and with them what a head sees of its
features. Whether they share more shows in the directions no logit depends on: can one
network's unseen features be predicted from the other's, on images nothing was fitted on?
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.linalg import matmul
from ..core.maps import AffineMap
from ..core.moments import find_model, JointMoments, PairMoments
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from ..evaluate.residual import squared_error
from ..fit.closed_form import as_ridge, solve_ridge
from ..fit.logits import HeadSplit


sources = ("seen", "unseen", "all")
targets = ("seen", "unseen")


class SharedParts(eqx.Module):
    r"""Held-out $R^2$ of affine maps between parts of two feature spaces.

    `r2 (*ridges, 3, 2)`: from the source's `seen`, `unseen` or `all` features, as in
    `sources`, to the target's `seen` or `unseen`, as in `targets`. 0 is a map that knows
    the mean alone; below it is one worse than that. NaN for a part of no width.
    """

    r2: Float[Array, "*ridges 3 2"]


def shared_parts(
    fitted: JointMoments,
    held: JointMoments,
    splits: Sequence[HeadSplit],
    source: int | str,
    target: int | str,
    *,
    ridge: float | int | Float[Numeric, "*ridges"] = 0.0,
) -> SharedParts:
    """Fit maps between what two heads see and do not see; judge them on other rows.

    **Arguments:**

    - `fitted`, `held`: `jfm.joint_moments` of the features of rows fitted on and of
      others: other images, not other crops of the same.
    - `splits`: `jfm.head_split` of the head of each model of the moments.
    - `source`, `target`: two of the models, by name or position.
    - `ridge`: penalty, or several at once.

    Raises `ValueError` if widths differ.
    """
    widths = tuple(s.seen.shape[0] for s in splits)
    for joint in (fitted, held):
        if joint.dims != widths:
            raise ValueError(
                f"The heads take widths {widths}; these are moments of {joint.dims}."
            )
    ends = tuple(find_model(fitted.names, m) for m in (source, target))
    ridges = jnp.asarray(as_ridge(ridge), jnp.float32)
    pair = splits[ends[0]], splits[ends[1]]
    blocks = [_blocks(joint, *ends) for joint in (fitted, held)]
    r2 = _shared(*blocks, *pair, ridges.reshape(-1))
    return SharedParts(r2.reshape(*ridges.shape, 3, 2))


class _Blocks(eqx.Module):
    """What the moments say of two models: as `PairMoments`, with all of `yy (k, k)`."""

    mass: Any
    mean_x: Any
    mean_y: Any
    xx: Any
    xy: Any
    yy: Any

    def turned(self, x, y) -> "_Blocks":
        """Of rows turned by orthogonal `x` and `y`."""
        return _Blocks(
            self.mass,
            matmul(self.mean_x, x),
            matmul(self.mean_y, y),
            matmul(x.T, matmul(self.xx, x)),
            matmul(x.T, matmul(self.xy, y)),
            matmul(y.T, matmul(self.yy, y)),
        )

    def part(self, given: slice, wanted: slice) -> PairMoments:
        """Of some columns of either."""
        yy = jnp.diagonal(self.yy[wanted, wanted])
        means = self.mean_x[given], self.mean_y[wanted]
        products = self.xx[given, given], self.xy[given, wanted]
        return PairMoments(self.mass, self.mass, *means, *products, yy)


def _blocks(joint: JointMoments, source: int, target: int) -> _Blocks:
    a, b = joint.columns[source], joint.columns[target]
    cut = lambda wide, *at: jax.tree.map(lambda leaf: leaf[at], wide)
    means = cut(joint.mean, a), cut(joint.mean, b)
    at = (a, a), (a, b), (b, b)
    return _Blocks(joint.mass, *means, *(cut(joint.scatter, *place) for place in at))


def _kernel(dtype, fitted, held, source, target, ridges):
    fitted, held, source, target, ridges = widen(
        (fitted, held, source, target, ridges), dtype
    )
    turns = [jnp.concatenate([s.seen, s.unseen], axis=1) for s in (source, target)]
    fitted, held = (blocks.turned(*turns) for blocks in (fitted, held))
    seen_x, seen_y = source.seen.shape[1], target.seen.shape[1]
    given = slice(0, seen_x), slice(seen_x, None), slice(None)
    wanted = slice(0, seen_y), slice(seen_y, None)

    def judge(given: slice, ridge):
        fit = fitted.part(given, slice(None))
        weight = solve_ridge(fit.xx, fit.xy, ridge)
        m = AffineMap(weight, fit.mean_y - matmul(fit.mean_x, weight))
        r2 = []
        for part in wanted:
            own = AffineMap(m.weight[:, part], m.bias[part])
            test = held.part(given, part)
            energy = jnp.sum(test.yy)
            left = squared_error(own, test) / jnp.where(energy > 0, energy, jnp.nan)
            r2.append(1 - left)
        return jnp.stack(r2)

    def table(ridge):
        nothing = jnp.full(2, jnp.nan, dtype)
        empty = (seen_x == 0, seen_x == fitted.xx.shape[0], False)
        pairs = zip(given, empty, strict=True)
        return jnp.stack([nothing if none else judge(g, ridge) for g, none in pairs])

    return jax.lax.map(table, ridges)


_shared = in_float64(_kernel)
